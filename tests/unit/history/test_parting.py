"""Schools that are watched no longer: remembered for a week in the file, and what nobody watched is not known."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from portwatchd.history.keeper import History
from portwatchd.history.reading import Reader
from portwatchd.history.writer import PARTED_SECONDS
from tests.unit.history.memories import NOON, SetClock, change, memory_of, report_of


@contextlib.contextmanager
def history(path: Path, clock: SetClock) -> Iterator[History]:
    kept = History.open(path, retention=1e9, clock=clock, on_state=lambda _: None)
    try:
        yield kept
    finally:
        kept.close()


def fill(kept: History) -> None:
    for name in ("gym-nord", "gs-sued"):
        kept.remember(report_of(name, change(NOON, name, None, "ok")), memory_of())
    assert kept.flush()


def remembered(path: Path, clock: SetClock) -> set[str]:
    with history(path, clock) as kept:
        found = set(kept.load())
        kept.flush()
    return found


def stamps(path: Path) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT school, at FROM parted").fetchall()


def pruned(path: Path, clock: SetClock) -> None:
    """Let a daemon live long enough to have pruned."""
    with history(path, clock) as kept:
        kept.load()
        kept.forget("nobody")
        assert kept.flush()


def test_a_week_and_no_longer(tmp_path: Path) -> None:
    path, clock = tmp_path / "portwatchd.db", SetClock()
    with history(path, clock) as kept:
        fill(kept)
        clock.pass_by(60)
        kept.part("gym-nord")
    assert stamps(path) == [("gym-nord", NOON + 60)]
    clock.pass_by(PARTED_SECONDS)
    pruned(path, clock)
    assert remembered(path, clock) == {"gym-nord", "gs-sued"}
    clock.pass_by(1)
    pruned(path, clock)
    assert remembered(path, clock) == {"gs-sued"}
    assert stamps(path) == []


def test_one_that_is_watched_again_is_kept(tmp_path: Path) -> None:
    path, clock = tmp_path / "portwatchd.db", SetClock()
    with history(path, clock) as kept:
        fill(kept)
        kept.part("gym-nord")
        assert kept.flush()
        kept.remember(report_of("gym-nord"), memory_of())
        assert kept.flush()
        assert stamps(path) == []
        kept.part("gym-nord")
        kept.remember(report_of("gym-nord"), memory_of())
        kept.part("gs-sued")
        kept.forget("gs-sued")
    assert stamps(path) == []
    clock.pass_by(PARTED_SECONDS + 60)
    pruned(path, clock)
    assert remembered(path, clock) == {"gym-nord"}


def test_the_time_between_is_not_known(tmp_path: Path) -> None:
    path, clock = tmp_path / "portwatchd.db", SetClock()

    def seconds() -> dict[str, float]:
        (port,) = Reader(path).availability("gym-nord", NOON, clock.wall())
        return dict(port.seconds)

    with history(path, clock) as kept:
        fill(kept)

        def watch(steps: int) -> None:
            for _ in range(steps):
                kept.watching()
                clock.pass_by(1)
            kept.watching()

        watch(100)
        kept.part("gym-nord")
        watch(50)
        assert kept.flush()
        assert seconds() == {"ok": 100, "unknown": 50}
        kept.remember(report_of("gym-nord"), memory_of())
        assert kept.flush()
        watch(10)
        kept.remember(report_of("gs-sued"), memory_of())
        kept.flush()
    assert seconds() == {"ok": 110, "unknown": 50}


def test_who_went_while_no_daemon_ran_goes_at_the_start_and_the_next_start_does_not_begin_the_week_anew(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "portwatchd.db", SetClock()
    with history(path, clock) as kept:
        fill(kept)
    for hours in (1, 2):
        clock.pass_by(3600)
        with history(path, clock) as kept:
            assert set(kept.load()) == {"gym-nord", "gs-sued"}
            kept.part_absent(["gym-nord"])
        assert stamps(path) == [("gym-nord", NOON + 3600)], hours
