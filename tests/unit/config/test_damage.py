"""Damaged files: whatever bytes a good file turns into, there is a configuration or a list of problems."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portwatchd.config import Config, ConfigError, Problem, load

GOOD = Path(__file__).parents[2] / "config" / "good"
WHOLE = (GOOD / "whole.yml").read_bytes()
LIST = (GOOD / "schools.d" / "list.yml").read_bytes()
CSV = (GOOD / "schools.csv").read_bytes()
PIECES = [
    b"",
    b"\t",
    b"\0",
    b"&a ",
    b"*a",
    b"<<: ",
    b"[",
    b"}",
    b"'",
    b'"',
    b"\n",
    b"---\n",
    b": ",
    b"- ",
    b"!x ",
    b"~",
]
PIECES += [
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"%",
    b"|",
    b"0",
    b"-1",
    b",",
    b";",
    b"\\U00110000",
]

damage = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 30), st.sampled_from(PIECES) | st.binary(max_size=6)),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, cuts: list[tuple[float, int, bytes]]) -> bytes:
    for at, length, piece in cuts:
        start = int(at * len(data))
        data = data[:start] + piece + data[start + length :]
    return data


def outcome(path: Path) -> Config | tuple[Problem, ...]:
    try:
        return load(path)
    except ConfigError as error:
        return error.problems


def check(path: Path) -> None:
    found = outcome(path)
    if isinstance(found, Config):
        return
    assert found
    for problem in found:
        assert str(problem).isprintable()
        assert problem.reason
        assert problem.line >= 0


@pytest.mark.timeout(120)
@settings(max_examples=300, deadline=None)
@given(cuts=damage)
def test_a_damaged_configuration(cuts: list[tuple[float, int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "portwatchd.yml"
        path.write_bytes(damaged(WHOLE, cuts))
        check(path)


@pytest.mark.timeout(120)
@settings(max_examples=200, deadline=None)
@given(cuts=damage)
def test_damaged_files_of_schools(cuts: list[tuple[float, int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "portwatchd.yml"
        path.write_text("school_files: [list.yml, schools.csv]\n")
        (Path(folder) / "list.yml").write_bytes(damaged(LIST, cuts))
        (Path(folder) / "schools.csv").write_bytes(damaged(CSV, cuts))
        check(path)


@pytest.mark.timeout(60)
def test_a_configuration_cut_off_at_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.yml"
    for end in range(0, len(WHOLE), 3):
        path.write_bytes(WHOLE[:end])
        check(path)
