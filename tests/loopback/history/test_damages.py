"""The real daemon on a file in each state that a disk, another program or a person leaves behind: it watches on."""

import asyncio
import contextlib
import fcntl
import json
import os
import socket
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from portwatchd.history.keeper import History
from portwatchd.model import Family, Outcome, Standing, VerdictKind
from portwatchd.rounds.memory import Memory
from tests.running import Running, daemon, fetched
from tests.unit.history.memories import NOON, SetClock, change, report_of

CONFIG = """
storage: {path: FOLDER/portwatchd.db}
global: {interval: 1s, families: [ipv4], confirm: {attempts: 0}, timeout: 500ms}
profiles: {one: {services: {web: {port: PORT, protocol: tcp}}}}
schools: [{name: gym-nord, host: 127.0.0.1, profile: one}]
"""
RUNBOOK = (Path(__file__).parents[3] / "deploy/runbooks/PortwatchStorageFailed.md").read_text()
WEB = (Family.IPV4, "web")
SINCE = "portwatch_port_verdict_since_timestamp_seconds"


@dataclass(frozen=True)
class Place:
    """A configuration, and the file that a daemon left at its end."""

    config: Path
    path: Path

    def aside(self) -> list[Path]:
        return list(self.path.parent.glob("*.bad-*Z"))


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as school:
        yield int(school.getsockname()[1])


def left_behind(folder: Path, port: int) -> Place:
    """Make the file of a daemon that has watched the school, and many others, since NOON."""
    folder.mkdir(exist_ok=True)
    place = Place(folder / "portwatchd.yml", folder / "portwatchd.db")
    place.config.write_text(CONFIG.replace("PORT", str(port)).replace("FOLDER", str(folder)))
    history = History.open(place.path, retention=1e9, clock=SetClock(), on_state=lambda _: None)
    memory = Memory(standings={WEB: Standing(VerdictKind.OK, NOON)}, outcomes={WEB: Outcome.OK})
    for name in ("gym-nord", *(f"school-{number}" for number in range(40))):
        history.remember(report_of(name, change(NOON, name, None, "ok", "web")), memory)
    history.close()
    return place


@pytest.fixture
def place(tmp_path: Path, port: int) -> Place:
    return left_behind(tmp_path, port)


async def all_at_once(
    folder: Path, port: int, states: Iterable[str], look: Callable[[str, Place], Awaitable[None]]
) -> None:
    """Look at every state in a place of its own, a few at a time; fail with what is wrong in each."""
    permits = asyncio.Semaphore(4)

    async def one(number: int, state: str) -> None:
        async with permits:
            await look(state, left_behind(folder / str(number), port))

    found = await asyncio.gather(*(one(*numbered) for numbered in enumerate(states)), return_exceptions=True)
    assert {state: wrong for state, wrong in zip(states, found, strict=True) if wrong is not None} == {}


async def sample(running: Running, name: str) -> float | None:
    _, text = await fetched(f"{running.url}/metrics", params=[("name[]", name)])
    values = [line.rpartition(" ")[2] for line in text.splitlines() if not line.startswith("#")]
    return float(values[0]) if values else None


async def first_round(running: Running) -> float:
    """Wait for a verdict, and return since when it holds."""
    async with asyncio.timeout(10):
        while (since := await sample(running, SINCE)) is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return since


async def watches(running: Running) -> bool:
    """Whether the school's port is well, is watched on, and nothing counts as its failure."""
    _, text = await fetched(f"{running.url}/api/v1/schools")
    (school,) = json.loads(text)
    assert await sample(running, "portwatch_port_up") == 1
    rounds = await sample(running, "portwatch_probes_total")
    async with asyncio.timeout(5):
        while await sample(running, "portwatch_probes_total") == rounds:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    _, events = await fetched(f"{running.url}/api/v1/events")
    return school["diagnosis"] == "ok" and {one["after"] for one in json.loads(events)} <= {"ok"}


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


PUT_ASIDE: dict[str, Callable[[Path], object]] = {
    "a header of garbage": lambda path: overwrite(path, 0, b"\xa5" * 100),
    "a header of garbage but for its first words": lambda path: overwrite(path, 16, b"\xa5" * 84),
    "a header without our mark": lambda path: overwrite(path, 68, b"\xa5" * 4),
    "a header that lets nobody write": lambda path: overwrite(path, 18, b"\xa5"),
    "cut to a third": lambda path: os.truncate(path, path.stat().st_size // 3),
    "cut within the header": lambda path: os.truncate(path, 60),
    "emptied": lambda path: os.truncate(path, 0),
    "zeros": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
    "a text in its place": lambda path: path.write_text("this is no database\n" * 100),
    "garbage in the middle": lambda path: overwrite(path, path.stat().st_size // 2, b"\xa5" * 9000),
}


@pytest.mark.timeout(60)
async def test_a_damaged_file_is_put_aside(tmp_path: Path, port: int) -> None:
    await all_at_once(tmp_path, port, PUT_ASIDE, put_aside)


async def put_aside(damage: str, place: Place) -> None:
    PUT_ASIDE[damage](place.path)
    bad = place.path.read_bytes()
    async with daemon(place.config) as running:
        since = await first_round(running)
        assert await watches(running)
        assert await sample(running, "portwatch_storage_ok") == 0
        assert len(running.said("put aside")) == 1
    assert since > NOON
    assert [path.read_bytes() for path in place.aside()] == [bad]
    with contextlib.closing(sqlite3.connect(place.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT school FROM memory").fetchall() == [("gym-nord",)]


def another_programs(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE precious (x)")


def a_newer_daemons(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_text_at_a_place_never_used(path: Path) -> None:
    path.with_name("portwatchd.db.lock").unlink()
    path.write_text("root:x:0:0")


LEFT: dict[str, tuple[Callable[[Path], object], str]] = {
    "another program's": (another_programs, "not portwatchd's"),
    "a text": (a_text_at_a_place_never_used, "not portwatchd's"),
    "a folder": (a_folder, "not portwatchd's"),
    "a pipe": (a_pipe, "not portwatchd's"),
    "a newer daemon's": (a_newer_daemons, "a newer portwatchd wrote it"),
}


@pytest.mark.timeout(60)
async def test_what_is_not_ours_is_left_as_it_is(tmp_path: Path, port: int) -> None:
    await all_at_once(tmp_path, port, LEFT, left_as_it_is)


async def watches_without_memory(running: Running, reason: str) -> None:
    """See that the daemon watches, and says why it keeps nothing."""
    await first_round(running)
    assert await watches(running)
    assert await sample(running, "portwatch_storage_ok") == 0
    assert reason in "".join(running.said("memory over restarts"))


async def left_as_it_is(state: str, place: Place) -> None:
    make, reason = LEFT[state]
    make(place.path)
    before = place.path.read_bytes() if place.path.is_file() else None
    async with daemon(place.config) as running:
        await watches_without_memory(running, reason)
    assert reason in RUNBOOK
    assert place.aside() == []
    assert before is None or place.path.read_bytes() == before


@contextlib.contextmanager
def locked_by_sqlite(path: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        yield


@contextlib.contextmanager
def used_by_another_daemon(path: Path) -> Iterator[None]:
    with path.with_name("portwatchd.db.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("locked", [locked_by_sqlite, used_by_another_daemon])
def test_a_locked_file_delays_the_start_by_two_seconds_at_most(
    place: Place, locked: Callable[[Path], contextlib.AbstractContextManager[None]]
) -> None:
    with locked(place.path):
        begun = time.monotonic()
        history = History.open(place.path, retention=1e9, clock=SetClock(), on_state=lambda _: None)
        assert time.monotonic() - begun < 2.2
    history.close()


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("locked", "reason"),
    [(locked_by_sqlite, "database is locked"), (used_by_another_daemon, "another portwatchd uses it")],
)
async def test_a_locked_file_waits(
    place: Place, locked: Callable[[Path], contextlib.AbstractContextManager[None]], reason: str
) -> None:
    with locked(place.path):
        async with daemon(place.config) as running:
            await watches_without_memory(running, reason)
    assert reason in RUNBOOK
    assert place.aside() == []
    async with daemon(place.config) as running:
        assert await first_round(running) == NOON
        assert await sample(running, "portwatch_storage_ok") == 1


async def test_a_disk_without_room(place: Place) -> None:
    place.path.unlink()
    async with daemon(place.config, under=("prlimit", "--fsize=4096")) as running:
        await first_round(running)
        assert await watches(running)
        assert await sample(running, "portwatch_storage_ok") == 0
        assert running.said("memory over restarts.*(disk|full)")
    assert place.aside() == []


async def test_a_file_that_is_damaged_under_the_daemon(place: Place) -> None:
    async with daemon(place.config) as running:
        assert await first_round(running) == NOON
        assert await sample(running, "portwatch_storage_ok") == 1
        place.path.write_bytes(b"\xa5" * place.path.stat().st_size)
        assert await watches(running)
    async with daemon(place.config) as running:
        await first_round(running)
        assert await watches(running)
        assert await sample(running, "portwatch_storage_ok") == 0
    assert len(place.aside()) == 1
