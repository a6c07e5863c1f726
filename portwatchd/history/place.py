"""The place of the file: whether what lies there is ours, who else uses it, and how a damaged file is put aside."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable
from enum import StrEnum
from glob import escape
from pathlib import Path
from typing import Self

from portwatchd.history.schema import APPLICATION_ID, PAGE_BYTES, TABLES

HEADER = 100
"""Bytes of an SQLite file's header."""
MAGIC = b"SQLite format 3\x00"
LAWS: tuple[tuple[slice, Callable[[int], bool]], ...] = (
    (slice(16, 18), lambda size: size == 1 or (size >= 512 and size.bit_count() == 1)),
    (slice(18, 19), lambda written: written <= 2),
    (slice(19, 20), lambda read: read <= 2),
    (slice(21, 24), lambda fractions: fractions == 0x402020),
    (slice(44, 48), lambda tables: tables <= 4),
)
"""Fields of the header and what SQLite wants of them; a file that breaks one cannot be used by anybody."""
OWNER = b"portwatchd"
"""How the lock file begins: by it a path is known as ours even when the file there is damaged beyond recognition."""
KEPT = b"kept"
"""How it ends once a file was kept beside it: an empty one there was cut off, and is not merely new."""
ASIDE_MOST = 10
"""Damaged files that are put aside at one place: a disk that damages every file must not be filled as well."""
ASIDE_TIME = "%Y%m%dT%H%M%SZ"
SHOWN = 900.0
"""Seconds for which storage counts as not well after a damaged file was put aside: long enough for an alert."""
SIDE_FILES = ("-wal", "-shm", "-journal")
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
POLL = 0.05
"""Seconds between two looks at a lock that another process holds."""


class Unusable(Exception):
    """The file cannot be used now; the text says why, in words."""


class Locked(Unusable):
    """Another program uses the file at this moment; it may be free in the next."""


class Found(StrEnum):
    """What lies at a path."""

    NOTHING = "nothing"
    OURS = "ours"
    FOREIGN = "foreign"
    DAMAGED = "damaged"
    """No database that anybody could use, and by its mark, its tables or its place it is ours."""


def real(path: Path) -> Path:
    """Return the path without symbolic links: SQLite keeps its log beside the file itself, and so is the lock."""
    return Path(os.path.realpath(path))


def look(path: Path) -> Found:
    """Say what lies at a path, from its first page; raises `OSError`. Nothing is changed."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return Found.FOREIGN
    except FileNotFoundError:
        return Found.NOTHING
    with path.open("rb") as file:
        page = file.read(PAGE_BYTES)
    owner = _owner(_lock_of(path))
    if not page:
        return Found.DAMAGED if owner.endswith(KEPT) else Found.NOTHING
    marked = int.from_bytes(page[68:72]) == APPLICATION_ID
    usable = len(page) >= HEADER and page.startswith(MAGIC) and all(law(int.from_bytes(page[at])) for at, law in LAWS)
    if marked and usable:
        return Found.OURS
    tables = all(table.encode() in page for table in TABLES)
    used = bool(owner) and not usable  # a sound database of another program stays one, wherever it lies
    return Found.DAMAGED if marked or tables or used else Found.FOREIGN


def put_aside(path: Path, now: float) -> Path:
    """Rename a file, and the log that belongs to it, to a name with the time (UTC); raises `OSError` and Unusable."""
    names = [one.name for one in path.parent.iterdir() if one.name.startswith(f"{path.name}.bad-")]
    bad = [name for name in names if not name.endswith(SIDE_FILES)]
    if len(bad) >= ASIDE_MOST:
        raise Unusable(f"it is damaged, and {len(bad)} damaged files lie beside it already")
    name = f"{path.name}.bad-{time.strftime(ASIDE_TIME, time.gmtime(now))}"
    number = 0
    while (aside := path.with_name(name + (f"-{number}" if number else ""))).exists():
        number += 1
    path.rename(aside)
    for suffix in SIDE_FILES:
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.rename(aside.with_name(aside.name + suffix))
    return aside


def lately_put_aside(path: Path, now: float) -> bool:
    """Whether a damaged file of this place was put aside within the last `SHOWN` seconds: somebody should look."""
    try:
        names = [one.name.removeprefix(f"{path.name}.bad-") for one in path.parent.glob(f"{escape(path.name)}.bad-*")]
    except OSError:
        return False
    since = time.strftime(ASIDE_TIME, time.gmtime(now - SHOWN))
    return any(since < name[: len(since)] <= time.strftime(ASIDE_TIME, time.gmtime(now)) for name in names)


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _owner(lock: Path) -> bytes:
    """Return what a lock file says, where it is ours."""
    try:
        if not stat.S_ISREG(lock.stat().st_mode):
            return b""
        with lock.open("rb") as file:
            content = file.read(100)
    except OSError:
        return b""
    return content.strip() if content.startswith(OWNER) else b""


def in_use(path: Path) -> bool:
    """Whether a living daemon holds the lock of this place; not known counts as no. Waits for nobody."""
    try:
        descriptor = os.open(_lock_of(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


class Lock:
    """The right to write at a place, held by one process at a time and given up by the kernel when it dies.

    A file of its own: SQLite's exclusive mode would keep out those who only read, and the file itself may be renamed.
    """

    def __init__(self, descriptor: int) -> None:
        """Keep the locked file open."""
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, patience: float) -> Self:
        """Take the lock within so many seconds; raises Unusable where another holds it, and `OSError`."""
        lock = _lock_of(path)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o640)
        try:
            content = os.read(descriptor, 100)
            if content and not content.startswith(OWNER):
                raise Unusable(f"{lock} is not portwatchd's")
            until = time.monotonic() + patience
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        owner = content.removeprefix(OWNER).removesuffix(b"\n").removesuffix(KEPT)
                        process = owner.decode("ascii", "replace").strip()
                        raise Locked(f"another portwatchd uses it (process {process})") from None
                    time.sleep(POLL)
            taken = cls(descriptor)
            try:
                taken.write(kept=content.strip().endswith(KEPT))
            except OSError as error:
                if error.errno not in NO_ROOM:  # the lock holds without a word in its file
                    raise
        except BaseException:
            os.close(descriptor)
            raise
        return taken

    def write(self, *, kept: bool) -> None:
        """Write down who holds it, and whether a file was ever `kept` here."""
        text = OWNER + f" {os.getpid()}".encode() + (b" " + KEPT if kept else b"") + b"\n"
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def release(self) -> None:
        """Give the right up. The lock file stays: it says whose the place is."""
        os.close(self._descriptor)
