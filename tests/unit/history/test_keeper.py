"""The memory over restarts: kept where the file allows, given up with a word where it does not, never an error."""

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from portwatchd.history import keeper, place, schema, view, writer
from portwatchd.history.keeper import History
from portwatchd.history.place import Unusable
from portwatchd.history.reading import Reader
from portwatchd.model import DiagnosisKind, Standing, VerdictKind
from portwatchd.rounds.memory import Memory
from tests.unit.history.memories import NOON, SMTP, SetClock, change, memory_of, report_of

DAY = 86400.0
LOST = VerdictKind.FORWARD_LOST


@dataclass
class Room:
    """A path, the clock, and what was said of the storage."""

    path: Path
    clock: SetClock = field(default_factory=SetClock)
    said: list[bool] = field(default_factory=list)

    def open(self) -> History:
        return History.open(self.path, retention=400 * DAY, clock=self.clock, on_state=self.said.append)

    @contextlib.contextmanager
    def history(self) -> Iterator[History]:
        history = self.open()
        try:
            yield history
        finally:
            history.close()

    def fill(self, schools: int = 3) -> None:
        with self.history() as history:
            for number in range(schools):
                name = f"school-{number}"
                history.remember(report_of(name, change(NOON, name)), memory_of(LOST))

    def after(self) -> dict[str, Memory]:
        with self.history() as history:
            return history.load()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query).fetchall()

    def aside(self) -> list[Path]:
        return sorted(self.path.parent.glob("*.bad-*Z"))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "portwatchd.db")


def test_memories_and_changes_outlive_the_process(room: Room) -> None:
    room.fill()
    assert room.after() == {f"school-{number}": memory_of(LOST) for number in range(3)}
    assert room.said == [True, True]
    assert room.aside() == []


def test_memories_are_handed_over_once(room: Room) -> None:
    room.fill()
    with room.history() as history:
        assert history.load()
        assert history.load() == {}


def test_without_a_path_nothing_is_kept_and_nothing_is_wrong(room: Room) -> None:
    history = History.open(None, retention=DAY, clock=room.clock, on_state=room.said.append)
    history.remember(report_of(), memory_of())
    history.forget("gym-nord")
    assert (history.load(), history.flush(), room.said) == ({}, True, [True])
    history.close()


def test_only_what_is_new_is_written(room: Room) -> None:
    with room.history() as history:
        memory = memory_of()
        for hour in range(3):
            room.clock.pass_by(3600)
            memory.cursors[SMTP] = hour
            history.remember(report_of(), memory)
            assert history.flush()
    assert room.rows("SELECT at FROM memory") == [(NOON + 3600,)]


def test_the_newest_memory_replaces_the_one_that_waits(room: Room) -> None:
    with room.history() as history:
        for number in range(200):
            memory = memory_of(LOST, NOON + number)
            history.remember(report_of("gym-nord", change(NOON + number)), memory)
    assert room.after()["gym-nord"].standings[SMTP] == Standing(LOST, NOON + 199)
    assert room.rows("SELECT count(*) FROM transition") == [(200,)]


def test_a_forgotten_school_is_gone(room: Room) -> None:
    room.fill()
    with room.history() as history:
        history.forget("school-1")
    assert set(room.after()) == {"school-0", "school-2"}


def test_the_same_change_is_kept_once(room: Room) -> None:
    with room.history() as history:
        for _ in range(2):
            history.remember(report_of("gym-nord", change(NOON)), memory_of())
            assert history.flush()
    assert room.rows("SELECT count(*) FROM transition") == [(1,)]


def test_a_text_that_cannot_be_read_is_set_apart(room: Room) -> None:
    room.fill()
    with contextlib.closing(sqlite3.connect(room.path)) as connection, connection:
        connection.execute("UPDATE memory SET document = '{' WHERE school = 'school-1'")
        connection.execute("UPDATE memory SET document = CAST(x'ff80' AS TEXT) WHERE school = 'school-2'")
    with capture_logs() as logs:
        assert set(room.after()) == {"school-0"}
    assert sorted(line["school"] for line in logs) == ["school-1", "school-2"]
    assert room.rows("SELECT school FROM damaged ORDER BY school") == [("school-1",), ("school-2",)]
    assert set(room.after()) == {"school-0"}


# ---------------------------------------------------------------- events and availability


async def test_events_by_time_and_school(room: Room) -> None:
    with room.history() as history:
        for number in range(6):
            name = f"school-{number % 2}"
            history.remember(report_of(name, change(NOON + number, name)), memory_of(since=NOON + number))
        assert history.flush()

        async def times(since: float | None = None, school: str | None = None, limit: int = 100) -> list[float]:
            return [one.at - NOON for one in await history.events(since=since, school=school, limit=limit)]

        assert await times() == [0, 1, 2, 3, 4, 5]
        assert await times(limit=2) == [4, 5]
        assert await times(since=NOON + 1, limit=2) == [1, 2]
        assert await times(school="school-1") == [1, 3, 5]
        assert await times(since=NOON + 3, school="school-0") == [4]
        assert (await history.events(limit=1))[0] == change(NOON + 5, "school-1")


async def test_events_while_nothing_can_be_kept(room: Room) -> None:
    room.path.mkdir()
    with room.history() as history:
        for number in range(3):
            history.remember(report_of("gym-nord", change(NOON + number)), memory_of())
        assert [one.at - NOON for one in await history.events(limit=2)] == [1, 2]
        assert [one.at - NOON for one in await history.events(since=NOON, limit=2)] == [0, 1]
        assert await history.events(school="other") == []
        assert await history.availability("gym-nord", 0, NOON) == []


def watch(room: Room, history: History, seconds: float) -> None:
    """Watch for so long."""
    for _ in range(int(seconds / keeper.BEAT)):
        history.watching()
        room.clock.pass_by(keeper.BEAT)
    history.watching()


async def test_availability_over_restarts(room: Room) -> None:
    with room.history() as history:
        history.remember(report_of("gym-nord", change(NOON, before=None, after="ok")), memory_of())
        assert history.flush()
        watch(room, history, 100)
        history.remember(report_of("gym-nord", change(NOON + 100)), memory_of(LOST))
    room.clock.pass_by(1000)
    with room.history() as history:
        watch(room, history, 100)
        history.remember(report_of("gym-nord", change(NOON + 1200, before="forward_lost", after="ok")), memory_of())
        assert history.flush()
        (port,) = await history.availability("gym-nord", NOON, room.clock.wall())
    assert dict(port.seconds) == {"unknown": 1000, "ok": 100, "forward_lost": 100}
    assert port.share == pytest.approx(0.5)


@pytest.mark.parametrize(("seconds", "known"), [(480.0, 0.0), (writer.BREAK_SECONDS, writer.BREAK_SECONDS)])
async def test_time_in_which_the_daemon_stood_still_is_not_known(room: Room, seconds: float, known: float) -> None:
    with room.history() as history:
        history.remember(report_of("gym-nord", change(NOON, before=None, after="ok")), memory_of())
        watch(room, history, 100)
        room.clock.pass_by(seconds)
        watch(room, history, 20)
        history.remember(report_of("other"), memory_of())
        assert history.flush()
        (port,) = await history.availability("gym-nord", NOON, room.clock.wall())
    assert port.seconds["ok"] == 120 + known
    assert port.seconds.get("unknown", 0.0) == seconds - known


async def test_time_that_was_watched_while_nothing_could_be_written_is_known(room: Room) -> None:
    room.fill(1)
    begun = room.clock.wall()
    with contextlib.closing(sqlite3.connect(room.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        history = room.open()
        watch(room, history, 100)
        other.execute("ROLLBACK")
    watch(room, history, writer.RETRY_SECONDS)
    history.close()
    assert (begun, begun + 100 + writer.RETRY_SECONDS) in room.rows("SELECT since, until FROM watched")


UNSURE = Standing(VerdictKind.OK, NOON, VerdictKind.BLOCKED_HERE, NOON + 20)
ISOLATED = Standing(DiagnosisKind.OK, NOON, DiagnosisKind.UNKNOWN, NOON + 20)


@pytest.mark.parametrize(
    "veiled", [Memory(standings={SMTP: UNSURE}), Memory(standings=memory_of().standings, diagnosis=ISOLATED)]
)
@pytest.mark.parametrize("restarted", [False, True])
async def test_time_in_which_nothing_could_be_judged_is_not_known(
    room: Room, veiled: Memory, *, restarted: bool
) -> None:
    history = room.open()
    history.remember(report_of("gym-nord", change(NOON, before=None, after="ok")), memory_of())
    watch(room, history, 20)
    history.remember(report_of(), veiled)
    watch(room, history, 30)
    if restarted:
        history.close()
        history = room.open()
        assert history.load() == {"gym-nord": veiled}
    assert history.flush()
    (port,) = await history.availability("gym-nord", NOON, room.clock.wall())
    assert dict(port.seconds) == {"ok": 20, "unknown": 30}
    history.remember(replace(report_of(), at=room.clock.wall()), memory_of())
    watch(room, history, 50)
    history.remember(report_of("other"), memory_of())
    history.close()
    (port,) = Reader(room.path).availability("gym-nord", NOON, room.clock.wall())
    assert dict(port.seconds) == {"ok": 70, "unknown": 30}
    assert port.share == 1


def test_a_file_from_before_there_were_veils_is_read(room: Room) -> None:
    room.fill(1)
    with contextlib.closing(sqlite3.connect(room.path)) as connection:
        connection.execute("DROP TABLE veiled")
    assert Reader(room.path).availability("school-0", NOON, NOON + 10)
    assert set(room.after()) == {"school-0"}
    assert room.aside() == []
    assert room.rows("SELECT count(*) FROM veiled") == [(0,)]


async def test_a_clock_that_is_set_back_begins_anew(room: Room) -> None:
    with room.history() as history:
        watch(room, history, 10)
        room.clock.pass_by(-3600)
        watch(room, history, 10)
    assert set(room.rows("SELECT since, until FROM watched WHERE until > since")) == {
        (NOON, NOON + 10),
        (NOON - 3590, NOON - 3580),
    }


class Ending(SetClock):
    """Sleeps for twenty seconds; then whoever sleeps is cancelled."""

    async def sleep(self, seconds: float) -> None:
        if self.wall() >= NOON + 20:
            raise asyncio.CancelledError
        self.pass_by(seconds)


async def test_the_loop_says_that_it_watches_until_it_is_cancelled(tmp_path: Path) -> None:
    room = Room(tmp_path / "portwatchd.db", Ending())
    with room.history() as history, pytest.raises(asyncio.CancelledError):
        await history.keep()
    assert room.rows("SELECT since, until FROM watched") == [(NOON, NOON + 20)]


def test_old_changes_are_deleted_but_the_last_of_each_port(room: Room) -> None:
    with room.history() as history:
        for day in range(900):
            at = NOON + day * 60
            history.remember(report_of("gym-nord", change(at), change(at, service="ssh")), memory_of(since=at))
        history.remember(report_of("gone", change(NOON, "gone")), memory_of())
        history.forget("gone")
        assert history.flush()
    room.clock.pass_by(401 * DAY)
    with room.history() as history:
        for _ in range(10):
            history.remember(report_of("other", change(room.clock.wall(), "other")), memory_of())
            assert history.flush()
            room.clock.pass_by(writer.PRUNE_SECONDS)
    kept = room.rows("SELECT service, at FROM transition WHERE school = 'gym-nord' ORDER BY service")
    assert kept == [("smtp", NOON + 899 * 60), ("ssh", NOON + 899 * 60)]
    assert room.rows("SELECT count(*) FROM transition WHERE school = 'gone'") == [(0,)]


def test_the_history_of_a_school_is_shown_while_the_daemon_writes(room: Room) -> None:
    with room.history() as history:
        history.remember(report_of("gym-nord", change(NOON), change(NOON + 50, after="ok")), memory_of())
        assert history.flush()
        watch(room, history, 100)
        history.remember(report_of("other"), memory_of())
        assert history.flush()
        text = view.history(room.path, "gym-nord", since=NOON, until=NOON + 100, as_json=False)
        whole = json.loads(view.history(room.path, "gym-nord", since=NOON, until=NOON + 10, as_json=True))
        with pytest.raises(LookupError, match="nothing is kept of 'gym-sued'"):
            view.history(room.path, "gym-sued", since=0, until=NOON, as_json=True)
    assert "25    smtp     ipv4  50.000 %   50s  0s         forward_lost 50s" in text
    assert [event["after"] for event in whole["events"]] == ["forward_lost"]
    with pytest.raises(Unusable, match="no file of portwatchd"):
        view.history(room.path.with_name("other"), "gym-nord", since=0, until=NOON, as_json=False)


def test_a_link_to_the_file_is_followed(room: Room) -> None:
    room.fill()
    link = Room(room.path.parent / "link.db")
    link.path.symlink_to(room.path)
    overwrite(room.path, 200, b"\xa5" * 20_000)
    link.fill(1)
    assert link.path.is_symlink()
    assert len(room.aside()) == 1
    assert set(room.after()) == {"school-0"}


# ---------------------------------------------------------------- damage


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut to a third": lambda path: os.truncate(path, path.stat().st_size // 3),
    "cut within the header": lambda path: os.truncate(path, 60),
    "emptied": lambda path: path.write_bytes(b""),
    "a header of garbage": lambda path: overwrite(path, 0, b"\xa5" * 100),
    "a header of garbage but for its first words": lambda path: overwrite(path, 16, b"\xa5" * 84),
    "a header without our mark": lambda path: overwrite(path, 68, b"\0" * 4),
    "a header that lets nobody write": lambda path: overwrite(path, 18, b"\xa5"),
    "a header of unheard-of tables": lambda path: overwrite(path, 44, b"\xa5" * 4),
    "a header of an impossible version": lambda path: overwrite(path, 60, b"\1" * 4),
    "zeros": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
    "a text": lambda path: path.write_text("this is no database\n" * 100),
    "garbage after the header": lambda path: path.write_bytes(path.read_bytes()[:100] + b"\xa5" * 30_000),
    "garbage in the middle": lambda path: overwrite(path, path.stat().st_size // 2, b"\xa5" * 9000),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_put_aside_and_another_begun(room: Room, damage: str) -> None:
    room.fill(40)
    DAMAGES[damage](room.path)
    bad = room.path.read_bytes()
    room.said.clear()
    with capture_logs() as logs, room.history() as history:
        history.load()
        history.remember(report_of(), memory_of())
        assert history.flush()
    assert room.said == [False]
    assert [path.read_bytes() for path in room.aside()] == [bad]
    assert [line["event"] for line in logs] == ["the memory was put aside, and begins anew"]
    assert room.rows("PRAGMA integrity_check") == [("ok",)]
    assert "gym-nord" in room.after()


def test_damage_in_a_file_too_large_to_check_shows_when_it_is_read(room: Room) -> None:
    room.fill(40)
    with contextlib.closing(sqlite3.connect(room.path)) as connection, connection:
        connection.execute("INSERT INTO damaged VALUES ('', 0, zeroblob(?))", (schema.CHECKED_BYTES,))
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'memory'")
    overwrite(room.path, (page - 1) * schema.PAGE_BYTES, b"\xa5" * schema.PAGE_BYTES)
    room.said.clear()
    with room.history() as history:
        assert history.load() == {}
        history.remember(report_of(), memory_of())
        assert history.flush()
    assert room.said == [False]
    assert len(room.aside()) == 1
    assert set(room.after()) == {"gym-nord"}


def test_damage_that_shows_later_has_all_schools_written_anew(room: Room) -> None:
    with room.history() as history:
        for number in range(60):
            history.remember(report_of(f"school-{number}", change(NOON, f"school-{number}")), memory_of())
        assert history.flush()
        with contextlib.closing(sqlite3.connect(room.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        overwrite(room.path, schema.PAGE_BYTES, b"\xa5" * (room.path.stat().st_size - schema.PAGE_BYTES))
        os.truncate(room.path, schema.PAGE_BYTES * 2)
        for _ in range(4):
            for number in range(60):
                history.remember(report_of(f"school-{number}"), memory_of(LOST))
            history.flush()
    assert room.said[0] is True
    assert room.said[-1] is False
    assert len(room.aside()) == 1
    assert len(room.after()) == 60


@pytest.mark.parametrize(
    "damage", ["zeros", "a header without our mark", "garbage in the middle", "a header of another version"]
)
def test_damage_under_a_cache_shows_within_the_hour(room: Room, damage: str) -> None:
    damages = DAMAGES | {"a header of another version": lambda path: overwrite(path, 63, b"\7")}
    room.fill(40)
    with room.history() as history:
        memories = history.load()
        assert history.flush()
        with contextlib.closing(sqlite3.connect(room.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        room.said.clear()  # before the damage: the first pruning may meet it at once
        damages[damage](room.path)
        for _ in range(3):
            room.clock.pass_by(writer.VERIFY_SECONDS)
            for name, memory in memories.items():
                history.remember(report_of(name), memory)
            history.remember(report_of("other"), memory_of(LOST, room.clock.wall()))
            history.flush()
    assert False in room.said
    assert len(room.aside()) == 1
    assert len(room.after()) == 41


def test_a_file_that_is_taken_away_is_begun_anew(room: Room) -> None:
    with room.history() as history:
        history.remember(report_of(), memory_of())
        assert history.flush()
        room.path.unlink()
        for number in range(2):
            history.remember(report_of("other"), memory_of(LOST, NOON + number))
            assert history.flush()
        history.remember(report_of(), memory_of())
    assert set(room.after()) == {"gym-nord", "other"}


# ---------------------------------------------------------------- what is not ours, or not to be had


def foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE precious (x)")


def newer(path: Path) -> None:
    schema.connect(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (foreign, "not portwatchd's"),
        (newer, "a newer portwatchd wrote it"),
        (lambda path: path.write_text("root:x:0:0"), "not portwatchd's"),
        (lambda path: path.mkdir(), "not portwatchd's"),
        (os.mkfifo, "not portwatchd's"),
    ],
)
def test_what_is_not_ours_is_left_as_it_is(room: Room, make: Callable[[Path], object], reason: str) -> None:
    make(room.path)
    before = room.path.read_bytes() if room.path.is_file() else None
    with capture_logs() as logs, room.history() as history:
        assert history.load() == {}
        history.remember(report_of(), memory_of())
    assert room.said == [False]
    (line,) = logs
    assert reason in line["reason"]
    assert line["log_level"] == "error"
    assert room.aside() == []
    if before is not None:
        assert room.path.read_bytes() == before


def test_a_path_that_cannot_be_used(room: Room) -> None:
    for path in (Path("/proc/portwatchd.db"), room.path / "missing" / "x.db", Path("/dev/null/x.db")):
        other = Room(path)
        with other.history() as history:
            history.remember(report_of(), memory_of())
        assert other.said == [False]


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everywhere, so it becomes somebody else for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("only", ["folder", "file"])
def test_what_may_only_be_read_is_read_and_waited_for(only: str) -> None:
    place = Path(tempfile.mkdtemp(dir="/tmp"))
    room = Room(place / "portwatchd.db")
    try:
        room.fill()
        place.chmod(0o777 if only == "file" else 0o555)
        room.path.chmod(0o444)
        Path(f"{room.path}.lock").chmod(0o666)
        room.said.clear()
        with as_nobody(), room.history() as history:
            assert set(history.load()) == {"school-0", "school-1", "school-2"}
            history.remember(report_of(), memory_of())
            assert not history.flush(0.1)
        assert room.said == [False]
        assert room.aside() == []
    finally:
        shutil.rmtree(place)


def test_a_second_daemon_runs_without_memory_and_says_so(room: Room) -> None:
    room.fill()
    with room.history() as first:
        second = Room(room.path)
        with capture_logs() as logs, second.history() as other:
            assert set(other.load()) == {"school-0", "school-1", "school-2"}
            other.remember(report_of("theirs"), memory_of())
        assert second.said == [False]
        assert f"another portwatchd uses it (process {os.getpid()})" in logs[0]["reason"]
        first.remember(report_of("ours"), memory_of())
    assert set(room.after()) == {"school-0", "school-1", "school-2", "ours"}


def test_a_locked_file_is_used_once_it_is_free(room: Room) -> None:
    room.fill(1)
    with contextlib.closing(sqlite3.connect(room.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        room.said.clear()
        history = room.open()
        assert room.said == [False]
        history.remember(report_of("waiting", change(NOON, "waiting")), memory_of())
        other.execute("ROLLBACK")
    room.clock.pass_by(writer.LOCKED_SECONDS)
    assert history.flush()
    history.close()
    assert room.said == [False, True]
    assert set(room.after()) == {"school-0", "waiting"}
    assert room.rows("SELECT count(*) FROM transition WHERE school = 'waiting'") == [(1,)]


def test_what_happens_during_a_lock_is_written_as_soon_as_it_ends(room: Room) -> None:
    """No time passes by the clock: who is killed then forgets nothing."""
    with room.history() as history, contextlib.closing(sqlite3.connect(room.path, isolation_level=None)) as other:
        assert history.flush()
        other.execute("BEGIN IMMEDIATE")
        history.remember(report_of("gym-nord", change(NOON)), memory_of(LOST))
        assert not history.flush(schema.BUSY + writer.FLUSH_SECONDS + 1)
        assert room.said == [True, False]
        other.execute("ROLLBACK")
        assert history.flush()
        assert room.said == [True, False, True]
        assert room.rows("SELECT school FROM transition") == [("gym-nord",)]


def test_a_full_disk_is_used_again_once_it_has_room(room: Room) -> None:
    with room.history() as history:
        history.remember(report_of("before"), memory_of())
        assert history.flush()
        store = history._writer._store  # type: ignore[union-attr]
        assert store is not None
        store._connection.execute("PRAGMA max_page_count = 1")
        big = memory_of()
        big.host_key = "x" * 1_000_000
        history.remember(report_of("during", change(NOON, "during")), big)
        for _ in range(100):
            assert not history.flush(0.1)
            if not room.said[-1]:
                break
        assert room.said == [True, False]
        history.remember(report_of("after"), memory_of())
        room.clock.pass_by(writer.RETRY_SECONDS)
        assert history.flush()
    assert room.said == [True, False, True]
    assert set(room.after()) == {"before", "during", "after"}
    assert room.rows("SELECT count(*) FROM transition") == [(1,)]


def test_what_waits_is_bounded_and_what_is_dropped_counted(room: Room) -> None:
    room.path.mkdir()
    with room.history() as history:
        changes = [change(NOON + number) for number in range(writer.CHANGES_WAITING // 10 + 1)]
        for _ in range(10):
            history.remember(report_of("gym-nord", *changes), memory_of())
        assert history.dropped == 10


def test_storage_is_well_again_some_minutes_after_a_damaged_file_was_put_aside(room: Room) -> None:
    room.fill(3)
    DAMAGES["zeros"](room.path)
    with room.history() as history:
        assert history.flush()
    assert room.said[-1] is False
    room.clock.pass_by(place.SHOWN + 1)
    with room.history() as history:
        assert history.flush()
    assert room.said[-1] is True
