"""The lists of schools in the file: one a source, and in every file that takes another's place."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from portwatchd.history.keeper import History
from tests.unit.history.memories import SetClock, memory_of, report_of


def opened(path: Path | None) -> History:
    return History.open(path, retention=1e9, clock=SetClock(), on_state=lambda _: None)


def after(path: Path) -> dict[str, str]:
    history = opened(path)
    history.close()
    return dict(history.lists())


def test_lists_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.db"
    with contextlib.closing(opened(path)) as history:
        assert history.lists() == {}
        for source, text in (("one", "[1]"), ("two", "[2]"), ("three", "[3]"), ("one", "[4]"), ("two", None)):
            history.keep_list(source, text)
        assert history.flush()
        history.keep_list("three", None)
        history.keep_list("never", None)
    assert after(path) == {"one": "[4]"}


def drop_the_table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE listed")


def damage(path: Path) -> None:
    path.write_bytes(b"\0" * path.stat().st_size)


@pytest.mark.parametrize("change", [drop_the_table, damage])
def test_a_file_without_lists_has_none(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "portwatchd.db"
    with contextlib.closing(opened(path)) as history:
        history.keep_list("one", "[1]")
    change(path)
    with contextlib.closing(opened(path)) as history:
        assert history.lists() == {}
        history.keep_list("one", "[2]")
    assert after(path) == {"one": "[2]"}


def test_another_file_in_its_place_gets_them_too(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.db"
    with contextlib.closing(opened(path)) as history:
        history.keep_list("one", "[1]")
        assert history.flush()
        path.unlink()
        for number in range(2):
            history.remember(report_of(f"school-{number}"), memory_of())
            assert history.flush()
    assert after(path) == {"one": "[1]"}


def test_nothing_is_kept_without_a_file() -> None:
    with contextlib.closing(opened(None)) as history:
        history.keep_list("one", "[1]")
        assert history.lists() == {}
