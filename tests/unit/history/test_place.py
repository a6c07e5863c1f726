"""What lies at a path: ours, another's, damaged; the lock on it; and putting aside."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from portwatchd.history import schema
from portwatchd.history.place import ASIDE_MOST, Found, Lock, Unusable, look, put_aside


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "portwatchd.db"


def begin(path: Path) -> None:
    schema.connect(path).close()


def test_nothing_and_an_empty_file_are_nothing(path: Path) -> None:
    assert look(path) is Found.NOTHING
    path.touch()
    assert look(path) is Found.NOTHING


def test_our_own_file(path: Path) -> None:
    begin(path)
    assert look(path) is Found.OURS


@pytest.mark.parametrize("content", [b"root:x:0:0", b"\0" * 5000, schema.connect.__doc__.encode()])  # type: ignore[union-attr]
def test_a_file_without_our_mark_is_foreign_until_a_daemon_used_the_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert look(path) is Found.FOREIGN
    Lock.take(path, 0).release()
    assert look(path) is Found.DAMAGED


def test_another_programs_lock_file_makes_nothing_ours(path: Path) -> None:
    path.write_bytes(b"something")
    Path(f"{path}.lock").write_text("1234\n")
    assert look(path) is Found.FOREIGN
    with pytest.raises(Unusable, match="not portwatchd's"):
        Lock.take(path, 0)
    assert Path(f"{path}.lock").read_text() == "1234\n"


@pytest.mark.parametrize("mark", [0, 0x47504B47])
def test_a_database_of_another_program_stays_foreign(path: Path, mark: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {mark}")
        connection.execute("CREATE TABLE memory (precious)")
    lock = Lock.take(path, 0)
    lock.write(kept=True)
    lock.release()
    assert look(path) is Found.FOREIGN


@pytest.mark.parametrize(("at", "content"), [(68, b"\0" * 4), (0, b"\xa5" * 100), (16, b"\xa5" * 84)])
def test_a_file_with_our_tables_is_ours_whatever_its_header_says(path: Path, at: int, content: bytes) -> None:
    begin(path)
    data = bytearray(path.read_bytes())
    data[at : at + len(content)] = content
    path.write_bytes(data)
    assert look(path) is Found.DAMAGED


def test_an_empty_file_is_damaged_where_one_was_kept(path: Path) -> None:
    path.touch()
    lock = Lock.take(path, 0)
    assert look(path) is Found.NOTHING
    lock.write(kept=True)
    lock.release()
    assert look(path) is Found.DAMAGED
    Lock.take(path, 0).release()
    assert look(path) is Found.DAMAGED
    path.unlink()
    assert look(path) is Found.NOTHING


def test_folders_and_pipes_are_foreign(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert look(tmp_path) is Found.FOREIGN
    assert look(tmp_path / "pipe") is Found.FOREIGN


def test_one_process_holds_the_lock(path: Path) -> None:
    lock = Lock.take(path, 0)
    with pytest.raises(Unusable, match=rf"another portwatchd uses it \(process {os.getpid()}\)"):
        Lock.take(path, 0.1)
    lock.release()
    Lock.take(path, 0).release()


def test_the_lock_of_a_dead_process_is_free(path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from portwatchd.history.place import Lock;"
        "Lock.take(Path(sys.argv[1]), 0); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    Lock.take(path, 0).release()


def test_a_file_is_put_aside_with_its_log_and_nothing_is_overwritten(path: Path) -> None:
    names = []
    for content in ("one", "two", "three"):
        path.write_text(content)
        Path(f"{path}-wal").write_text(f"log of {content}")
        names.append(put_aside(path, 1_790_000_000))
    assert [name.name for name in names] == [
        "portwatchd.db.bad-20260921T141320Z",
        "portwatchd.db.bad-20260921T141320Z-1",
        "portwatchd.db.bad-20260921T141320Z-2",
    ]
    assert [name.read_text() for name in names] == ["one", "two", "three"]
    assert Path(f"{names[1]}-wal").read_text() == "log of two"
    assert not path.exists()


def test_damaged_files_do_not_fill_the_disk(path: Path) -> None:
    for number in range(ASIDE_MOST):
        path.touch()
        put_aside(path, number)
    path.write_text("the next one")
    with pytest.raises(Unusable, match="10 damaged files"):
        put_aside(path, ASIDE_MOST)
    assert path.read_text() == "the next one"
