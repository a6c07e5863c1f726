"""Every kind of bad configuration, with the exact words that it is answered with."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from portwatchd.config import ConfigError, load

BAD = Path(__file__).parents[2] / "config" / "bad"
FILES = sorted(BAD.glob("*.yml"))
SCHOOL = "schools: [{name: a, host: a.example.org}]\n"


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_bad_file_is_answered_with_its_exact_message(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    assert problems(Path(path.name)) == path.with_suffix(".txt").read_text("utf-8").splitlines()


def test_there_are_enough_kinds_and_each_message_has_its_file() -> None:
    assert len(FILES) >= 60
    assert {path.stem for path in FILES} == {path.stem for path in BAD.glob("*.txt")}


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.yml"
    assert problems(path) == [f"{path}: cannot be read: No such file or directory"]


def test_a_directory(tmp_path: Path) -> None:
    assert problems(tmp_path) == [f"{tmp_path}: is a directory"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert problems(tmp_path / "pipe") == [f"{tmp_path}/pipe: is not a regular file"]


def test_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.yml"
    path.write_text(SCHOOL)
    path.chmod(0)
    if os.geteuid() == 0:
        # Root reads everything; a path through a file is what it cannot read either.
        assert problems(path / "x.yml") == [f"{path}/x.yml: cannot be read: Not a directory"]
    else:
        assert problems(path) == [f"{path}: cannot be read: Permission denied"]


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.yml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    started = time.perf_counter()
    assert problems(path) == [f"{path}: is larger than 16 MiB, the most that one file may have"]
    assert time.perf_counter() - started < 1


def test_a_school_file_is_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.yml"
    path.write_text(SCHOOL + "school_files: [huge.csv, dir.yml]\n")
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(100_000_000)
    (tmp_path / "dir.yml").mkdir()
    assert problems(path) == [
        f"{tmp_path}/huge.csv: is larger than 16 MiB, the most that one file may have",
        f"{tmp_path}/dir.yml: is a directory",
    ]


def test_a_name_that_is_not_utf8_can_be_printed(tmp_path: Path) -> None:
    folder = tmp_path / "schools"
    folder.mkdir()
    (tmp_path / "portwatchd.yml").write_text("school_files: [schools/*.yml]\n")
    Path(os.fsdecode(os.fsencode(folder) + b"/s\xfcd.yml")).write_text("[]\n[]\n")
    for line in problems(tmp_path / "portwatchd.yml"):
        line.encode("utf-8")


def test_a_loop_of_links_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "loop.yml").symlink_to(tmp_path / "loop.yml")
    path = tmp_path / "portwatchd.yml"
    path.write_text(SCHOOL + 'school_files: ["*.yml"]\n')
    loop = f"{tmp_path}/loop.yml cannot be read: Too many levels of symbolic links"
    assert problems(path) == [f"{path}:2: school_files[0]: {loop}"]


def test_a_name_too_long_for_the_system_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.yml"
    path.write_text(SCHOOL + f"school_files: [{'x' * 300}.yml]\n")
    assert problems(path) == [
        f"{path}:2: school_files[0]: {tmp_path}/{'x' * 300}.yml cannot be read: File name too long"
    ]


def test_more_problems_than_anybody_reads_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.yml"
    path.write_text("schools:\n" + "- {name: x}\n" * 5000)
    found = problems(path)
    assert len(found) == 1001
    assert found[-1] == f"{path}: more than 1000 problems: the rest is not listed"


def test_a_flood_of_values_ends_at_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portwatchd.config.document.NODE_LIMIT", 1000)
    path = tmp_path / "portwatchd.yml"
    path.write_text("schools: [" + "0," * 2000 + "]\n")
    assert problems(path)[0] == f"{path}:1: more than 1000 values in one file"


def test_a_hundred_thousand_levels_do_not_exhaust_the_stack(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.yml"
    path.write_text("[" * 100_000)
    assert problems(path) == [f"{path}:1: is nested deeper than 32 levels"]


def test_problems_know_their_places_apart_from_their_text(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.yml"
    path.write_text("schools:\n  - {name: a, host: [}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column, problem.key) == (str(path), 2, 22, "")
