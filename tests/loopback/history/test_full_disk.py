"""A disk without room: the daemon goes on and says so, and nothing is lost when there is room again."""

import asyncio
import contextlib
import json
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portwatchd.history.keeper import History
from portwatchd.model import Outcome, Standing, VerdictKind
from portwatchd.rounds.memory import Memory
from tests.loopback.history.limited import STEP
from tests.loopback.history.test_damages import WEB, Place, first_round, left_behind, sample, watches
from tests.running import daemon
from tests.unit.history.memories import NOON, SetClock, change, report_of

ROOT = Path(__file__).parents[3]
LATER = NOON + 60


def test_what_waits_is_written_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.db"
    command = [sys.executable, "-m", "tests.loopback.history.limited", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=15)
    steps = json.loads(done.stdout.decode().splitlines()[-1])
    assert steps[0] == [True, [True]]
    assert steps[1] == [False, [True, False]]
    assert steps[2] == [False, [True, False]]
    assert steps[3] == [True, [True, False, True]]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM memory").fetchall() == [(3 * STEP,)]
        assert connection.execute("SELECT count(*) FROM transition").fetchall() == [(3 * STEP,)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert list(tmp_path.glob("*.bad-*")) == []


@contextlib.contextmanager
def small_disk(at: Path) -> Iterator[None]:
    at.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", at], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


def fill(ballast: Path) -> None:
    """Leave not one byte of room."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def kill_with_a_log(place: Place) -> None:
    """Leave the file as a SIGKILL does: what was remembered last is only in its log."""
    history = History.open(place.path, retention=1e9, clock=SetClock(LATER), on_state=lambda _: None)
    memory = Memory(standings={WEB: Standing(VerdictKind.OK, LATER)}, outcomes={WEB: Outcome.OK})
    for name in ("gym-nord", "new"):
        history.remember(report_of(name, change(LATER, name, "ok", "ok", "web")), memory)
    assert history.flush()
    copies = place.path.with_name("copies")
    copies.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{place.path}{suffix}", copies)
    history.close()
    for copy in copies.iterdir():
        copy.replace(place.path.with_name(copy.name))


async def starts_without_room(disk: Path, port: int, *, killed: bool, locked_before: bool) -> None:
    with small_disk(disk):
        place = left_behind(disk, port)
        if killed:
            kill_with_a_log(place)
        if not locked_before:
            place.path.with_name("portwatchd.db.lock").unlink()
        ballast = disk / "ballast"
        fill(ballast)
        async with daemon(place.config) as running:
            assert await first_round(running) == (LATER if killed else NOON)
            assert await watches(running)
            assert await sample(running, "portwatch_storage_ok") == 0
            ballast.unlink()
            await running.until_said("kept again", 40)
            assert await sample(running, "portwatch_storage_ok") == 1
            assert await running.stop() == 0
        with contextlib.closing(sqlite3.connect(place.path)) as connection:
            schools = connection.execute("SELECT count(*) FROM memory").fetchall()
            changes = connection.execute("SELECT count(*) FROM transition WHERE service = 'web'").fetchall()
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert (schools, changes) == (([(42,)], [(43,)]) if killed else ([(41,)], [(41,)]))
        assert place.aside() == []


@pytest.mark.lab
@pytest.mark.timeout(90)
async def test_a_start_without_room_remembers_and_writes_again_by_itself(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as school:
        port = school.getsockname()[1]
        await asyncio.gather(
            starts_without_room(tmp_path / "clean", port, killed=False, locked_before=True),
            starts_without_room(tmp_path / "killed", port, killed=True, locked_before=True),
            starts_without_room(tmp_path / "killed-without-lock", port, killed=True, locked_before=False),
        )
