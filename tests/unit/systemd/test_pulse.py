"""Life signs over flying time: given while the loop is on time and rounds progress, withheld otherwise."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from portwatchd.model import DiagnosisKind
from portwatchd.systemd.notify import Notifier
from portwatchd.systemd.pulse import GRACE, INTERVALS, Pulse, status_line
from tests.unit.rounds.simulated import LoopClock

pytestmark = pytest.mark.looptime

INTERVAL, PATIENCE = 60.0, 40.0


class Manager:
    """The service manager's end: a real datagram socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self._messages: list[dict[str, str]] = []

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while True:
                lines = self.socket.recv(4096).decode().split("\n")
                self._messages.append(dict(line.split("=", 1) for line in lines))

    async def listen(self) -> None:
        """Empty the socket's queue, which has room for ten messages."""
        while True:
            self._drain()
            await asyncio.sleep(1)

    def heard(self) -> list[dict[str, str]]:
        """Return every message since the last call."""
        self._drain()
        messages, self._messages = self._messages, []
        return messages

    def signs(self) -> int:
        return sum("WATCHDOG" in message for message in self.heard())


class LateClock(LoopClock):
    """Wakes late by as much as is asked for."""

    late = 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds + self.late)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notify"


@pytest.fixture
def manager(path: Path) -> Iterator[Manager]:
    manager = Manager(path)
    yield manager
    manager.socket.close()


@asynccontextmanager
async def kept(pulse: Pulse, manager: Manager, interval: float | None = INTERVAL) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one) for one in (pulse.keep(lambda: interval), manager.listen())]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def made(path: Path, clock: LoopClock | None = None) -> Pulse:
    return Pulse(Notifier(str(path), PATIENCE), clock or LoopClock(), lambda: "well")


async def test_signs_come_four_times_within_the_managers_patience(path: Path, manager: Manager) -> None:
    async with kept(made(path), manager):
        await asyncio.sleep(PATIENCE + 1)
        assert manager.signs() == 4


async def test_without_a_watchdog_there_is_a_status_and_no_sign(path: Path, manager: Manager) -> None:
    async with kept(Pulse(Notifier(str(path)), LoopClock(), lambda: "well"), manager):
        await asyncio.sleep(31)
        assert manager.heard() == [{"STATUS": "well"}] * 3


async def test_signs_end_when_no_round_is_started(path: Path, manager: Manager) -> None:
    async with kept(made(path), manager):
        await asyncio.sleep(INTERVALS * INTERVAL + GRACE + 1)
        assert manager.signs() > 60
        await asyncio.sleep(PATIENCE)
        heard = manager.heard()
        assert not any("WATCHDOG" in message for message in heard)
        assert heard[-1]["STATUS"].startswith("no life sign: no round was started for too long")


async def test_a_round_started_now_and_then_is_progress(path: Path, manager: Manager) -> None:
    pulse = made(path)
    async with kept(pulse, manager):
        for _ in range(10):
            await asyncio.sleep(INTERVALS * INTERVAL + GRACE - PATIENCE)
            pulse.round_started()
            heard = manager.heard()
            assert heard
            assert all("WATCHDOG" in message for message in heard)


async def test_where_no_school_is_watched_none_is_missed(path: Path, manager: Manager) -> None:
    async with kept(made(path), manager, interval=None):
        for _ in range(10):
            await asyncio.sleep(GRACE)
            assert manager.signs() >= 59


async def test_a_loop_that_is_always_late_gives_no_sign(path: Path, manager: Manager) -> None:
    clock = LateClock()
    async with kept(made(path, clock), manager):
        clock.late = PATIENCE / 4 + 1
        await asyncio.sleep(PATIENCE)
        manager.heard()
        await asyncio.sleep(10 * PATIENCE)
        assert manager.signs() == 0


async def test_a_loop_that_is_somewhat_late_gives_signs(path: Path, manager: Manager) -> None:
    clock = LateClock()
    clock.late = PATIENCE / 4 - 1
    async with kept(made(path, clock), manager):
        await asyncio.sleep(10 * PATIENCE)
        assert manager.signs() >= 20


async def test_the_end_is_told(path: Path, manager: Manager) -> None:
    async with kept(made(path), manager):
        await asyncio.sleep(1)
    assert [message.get("STOPPING") for message in manager.heard()] == ["1"]


async def test_a_reload_that_fails_ends_in_readiness_too(path: Path, manager: Manager) -> None:
    await asyncio.sleep(12.5)
    pulse = made(path)
    with suppress(RuntimeError), pulse.reloading():
        raise RuntimeError
    begun, ended = manager.heard()
    assert begun == {"RELOADING": "1", "MONOTONIC_USEC": "12500000"}
    assert ended == {"READY": "1", "STATUS": "well"}


async def test_without_a_manager_nothing_is_asked_or_told(manager: Manager) -> None:
    def never() -> str:
        raise AssertionError

    async with kept(Pulse(Notifier(), LoopClock(), never), manager):
        await asyncio.sleep(1000)


def test_the_status_counts() -> None:
    ok, lost, down = DiagnosisKind.OK, DiagnosisKind.FORWARDS_LOST, DiagnosisKind.LINE_DOWN
    assert status_line([lost, ok, down, ok], 6) == (
        "watching 6 schools: 2 ok, 1 line_down, 1 forwards_lost, 2 not looked at yet"
    )
    assert status_line([], 3) == "watching 3 schools: 3 not looked at yet"
    assert status_line([], 0) == "watching no schools"
