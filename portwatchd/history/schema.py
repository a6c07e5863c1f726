"""The tables of the file, and how a connection to it is opened: by the one who writes, and by those who only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from portwatchd.history.availability import Veil
from portwatchd.model import Family, Proof, Transition
from portwatchd.rounds.memory import Key

APPLICATION_ID = 0x70775764
"""`pwWd` in the header of the file: by it a file of another program is recognised."""
VERSION = 1
"""The user_version of the tables that this daemon writes. A new table or a new column with a default leaves it."""
VERSIONS = 1000
"""Beyond it a version is no newer daemon's but damage."""
BUSY = 2.0
"""Seconds to wait for another program's lock on the file; then it counts as locked."""
CHECKED_BYTES = 64 << 20
"""A file up to this size is checked whole when it is opened (0.1 s); damage in a larger one shows when it is met."""
PAGE_BYTES = 8192
"""Size of a page: a school's text has 2 to 3 KB, and of SQLite's usual 4 KB half would be wasted."""
LOG_BYTES = 16 << 20
"""To this size the write-ahead log is cut after a checkpoint."""
DETAIL_LIMIT = 1000
"""Characters that the detail of one change may fill."""

TABLES = (
    # One JSON text a school: it is read and written whole, and its fields change with the versions.
    "CREATE TABLE memory (school TEXT NOT NULL UNIQUE, at REAL NOT NULL, document TEXT NOT NULL)",
    "CREATE TABLE damaged (school TEXT NOT NULL, at REAL NOT NULL, document NOT NULL)",
    # What a change is of is '' where the model has None, so that the key holds for changes of a diagnosis too:
    # a change that is written again after an unclear error is the same row.
    """CREATE TABLE transition (school TEXT NOT NULL, at REAL NOT NULL, family TEXT NOT NULL, service TEXT NOT NULL,
        port TEXT NOT NULL, before TEXT, after TEXT NOT NULL, proof TEXT, detail TEXT NOT NULL,
        PRIMARY KEY (school, at, family, service)) WITHOUT ROWID""",
    "CREATE INDEX transition_at ON transition (at)",
    # When a daemon was watching without a break: what lies between is not known.
    "CREATE TABLE watched (since REAL PRIMARY KEY, until REAL NOT NULL)",
)
VEILED = """CREATE TABLE IF NOT EXISTS veiled (school TEXT NOT NULL, family TEXT NOT NULL, service TEXT NOT NULL,
    since REAL NOT NULL, until REAL NOT NULL, PRIMARY KEY (school, since, family, service)) WITHOUT ROWID"""
"""When it was hidden what is believed of a port, for the fault was the monitor's; without a family: of all ports."""
LISTED = "CREATE TABLE IF NOT EXISTS listed (source TEXT PRIMARY KEY, at REAL NOT NULL, document TEXT NOT NULL)"
"""The list in force of each source of schools, by a hash of the source: its URL may hold a secret."""
KEEP_LIST = "INSERT OR REPLACE INTO listed (source, at, document) VALUES (?, ?, ?)"
PARTED = "CREATE TABLE IF NOT EXISTS parted (school TEXT PRIMARY KEY, at REAL NOT NULL)"
"""Since when a school that is remembered is watched no longer."""
PART = "INSERT OR REPLACE INTO parted (school, at) VALUES (?, ?)"
HIDE_PARTED = """INSERT OR REPLACE INTO veiled (school, family, service, since, until)
    SELECT school, '', '', at, ? FROM parted WHERE school = ?"""
COLUMNS = "at, school, family, service, port, before, after, proof, detail"
REMEMBER = """INSERT INTO memory (school, at, document) VALUES (?, ?, ?)
    ON CONFLICT (school) DO UPDATE SET at = excluded.at, document = excluded.document"""
ADD_CHANGE = f"INSERT OR IGNORE INTO transition ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constant
VeilRow = tuple[str, str, str, float, float]
Row = tuple[float, str, str, str, str, str | None, str, str | None, str]
_FAMILIES: Mapping[str, Family] = {kind.value: kind for kind in Family}
_PROOFS: Mapping[str, Proof] = {kind.value: kind for kind in Proof}

DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
NO_ROOM = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
"""What SQLite says where it can make no files beside the database: a full disk, a read-only place."""


class Newer(Exception):
    """The file was written by a newer daemon."""


class Unsound(sqlite3.DatabaseError):
    """The check of the whole file found damage."""


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file itself is damaged, so that waiting does not help."""
    return isinstance(error, Unsound) or _code(error) in DAMAGE


def is_locked(error: Exception) -> bool:
    """Whether an error says that another program has locked the file, so that it is free in a while."""
    return _code(error) in LOCKED


def _code(error: Exception) -> int:
    """Return the primary code of SQLite's error; 0 where it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def connect(path: Path, busy: float = BUSY) -> sqlite3.Connection:
    """Open a file for writing, with its tables; raises `sqlite3.Error`, Unsound and Newer.

    `busy`: seconds to wait for another program's lock.
    """
    connection = sqlite3.connect(path, timeout=busy, isolation_level=None, check_same_thread=False)
    connection.text_factory = _decode
    try:
        if _number(connection, "application_id") == 0 and _number(connection, "page_count") == 0:
            _create(connection)
        _verify(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        for table in (VEILED, LISTED, PARTED):
            connection.execute(table)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reading(path: Path, *, check: bool = False, busy: float = BUSY) -> sqlite3.Connection:
    """Open a file that may be in use, for reading only; raises `sqlite3.Error` and Newer. `check`: Unsound, too."""
    try:
        return _connect_reading(path, "mode=ro", check=check, busy=busy)
    except sqlite3.OperationalError as error:
        # A file in WAL mode needs its log beside it. Where none can be made nobody writes, and without one all is read.
        if _code(error) not in NO_ROOM or _has_log(path):
            raise
    return _connect_reading(path, "mode=ro&immutable=1", check=check, busy=busy)


def connect_alone(path: Path, busy: float) -> sqlite3.Connection:
    """Open a file for reading, by the one who holds the place's lock; raises `sqlite3.Error` and Newer.

    It needs no room on the disk: who is alone keeps the index of the log in memory. The log is written back in the end.
    """
    return _connect_reading(path, "mode=rw", check=False, busy=busy, alone=True)


def _connect_reading(path: Path, question: str, *, check: bool, busy: float, alone: bool = False) -> sqlite3.Connection:
    name = f"file:{quote(str(path.absolute()))}?{question}"
    connection = sqlite3.connect(name, uri=True, timeout=busy, isolation_level=None)
    connection.text_factory = _decode
    try:
        if alone:  # before anything is read: the first look at the log decides where its index is
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        _verify(connection, check=check)
    except BaseException:
        connection.close()
        raise
    return connection


def _has_log(path: Path) -> bool:
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables in one transaction: a file is empty, or whole and marked as ours."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    for table in TABLES:
        connection.execute(table)
    connection.execute("COMMIT")


def _verify(connection: sqlite3.Connection, *, check: bool = True) -> None:
    if _number(connection, "application_id") != APPLICATION_ID:
        raise Unsound("the file has no mark of portwatchd")
    version = _number(connection, "user_version")
    if version > VERSIONS:
        raise Unsound(f"its tables are said to be of version {version}")
    if version > VERSION:
        raise Newer(f"a newer portwatchd wrote it (version {version} of its tables; this one knows {VERSION})")
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if missing := {"memory", "damaged", "transition", "watched"} - names:
        raise Unsound(f"tables are missing: {', '.join(sorted(missing))}")
    size = _number(connection, "page_count") * _number(connection, "page_size")
    if check and size <= CHECKED_BYTES:
        ((found,),) = connection.execute("PRAGMA quick_check(1)")
        if found != "ok":
            raise Unsound(str(found))


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    ((value,),) = connection.execute(f"PRAGMA {pragma}")
    return int(value)


def to_row(change: Transition) -> Row:
    """Return a change as a row of the table; every text can be written."""
    return (
        change.at,
        plain(change.school),
        change.family.value if change.family else "",
        plain(change.service or ""),
        plain(change.port or ""),
        None if change.before is None else str(change.before),
        str(change.after),
        change.proof.value if change.proof else None,
        plain(change.detail[:DETAIL_LIMIT]),
    )


def to_veil(school: str, key: Key | None, since: float, until: float) -> VeilRow:
    """Return a veil over a port (None: over all) as a row of the table."""
    family, service = (key[0].value, plain(key[1])) if key is not None else ("", "")
    return plain(school), family, service, since, until


def veils(connection: sqlite3.Connection, school: str, since: float, until: float) -> list[Veil]:
    """Return the veils of a school between two times, and one over all while nobody watches it."""
    found: list[Veil] = []
    if _has(connection, "veiled"):
        rows = connection.execute(
            "SELECT family, service, since, until FROM veiled WHERE school = ? AND until > ? AND since < ?",
            (school, since, until),
        )
        found += [
            ((_FAMILIES[family], service) if family in _FAMILIES else None, begins, ends)
            for family, service, begins, ends in rows
        ]
    if _has(connection, "parted"):
        parted = connection.execute("SELECT at FROM parted WHERE school = ? AND at < ?", (school, until))
        found += [(None, at, until) for (at,) in parted]
    return found


def lists(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the list of each source, by its key; a file of an older daemon has none."""
    return dict(connection.execute("SELECT source, document FROM listed")) if _has(connection, "listed") else {}


def _has(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None


def from_row(row: Row) -> Transition:
    """Return the change that a row holds; a family or a proof that only a newer version knows is none."""
    at, school, family, service, port, before, after, proof, detail = row
    return Transition(
        at,
        school,
        _FAMILIES.get(family),
        service or None,
        port or None,
        before,
        after,
        _PROOFS.get(proof) if proof else None,
        detail,
    )


def _decode(raw: bytes) -> str:
    """Return any bytes as text: one damaged text must not keep the others from being read."""
    return raw.decode("utf-8", "backslashreplace")


def plain(text: str) -> str:
    """Return text that UTF-8 can hold: a lone surrogate is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
