"""The file as others read it while a daemon lives: its last sign of life is some seconds old, and it is watching."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from portwatchd.history import place
from portwatchd.history.keeper import History
from portwatchd.history.reading import FRESH_SECONDS, Reader
from tests.unit.history.memories import NOON, SetClock, change, memory_of, report_of


@contextlib.contextmanager
def watching(path: Path, clock: SetClock, seconds: int) -> Iterator[None]:
    """Watch for so long, have that written, and live on."""
    history = History.open(path, retention=1e9, clock=clock, on_state=lambda _: None)
    try:
        for _ in range(seconds):
            history.watching()
            clock.pass_by(1)
        history.watching()
        history.remember(report_of("gym-nord", change(NOON, before=None, after="ok")), memory_of())
        assert history.flush()
        yield
    finally:
        history.close()


def seconds_of(path: Path, until: float) -> dict[str, float]:
    (port,) = Reader(path).availability("gym-nord", NOON, until)
    return dict(port.seconds)


@pytest.mark.parametrize(
    ("later", "seconds"),
    [(FRESH_SECONDS, {"ok": 20 + FRESH_SECONDS}), (FRESH_SECONDS + 1, {"ok": 20, "unknown": FRESH_SECONDS + 1})],
)
def test_who_lives_has_watched_up_to_now_unless_its_last_sign_is_old(
    tmp_path: Path, later: float, seconds: dict[str, float]
) -> None:
    path, clock = tmp_path / "portwatchd.db", SetClock()
    with watching(path, clock, 20):
        assert seconds_of(path, clock.wall() + later) == seconds


def test_who_has_ended_has_not(tmp_path: Path) -> None:
    path, clock = tmp_path / "portwatchd.db", SetClock()
    with watching(path, clock, 20):
        pass
    assert seconds_of(path, clock.wall() + 5) == {"ok": 20, "unknown": 5}


def test_a_window_of_the_last_seconds_is_known(tmp_path: Path) -> None:
    path, clock = tmp_path / "portwatchd.db", SetClock()
    with watching(path, clock, 20):
        (port,) = Reader(path).availability("gym-nord", NOON + 22, NOON + 26)
        assert dict(port.seconds) == {"ok": 4}


def test_a_place_is_in_use_while_its_lock_is_held(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.db"
    assert not place.in_use(path)
    lock = place.Lock.take(path, 0)
    assert place.in_use(path)
    lock.release()
    assert not place.in_use(path)
    assert not place.in_use(tmp_path / "nowhere" / "portwatchd.db")
