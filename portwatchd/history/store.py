"""The file of the memory: opened by one process, read once, written in batches. Owned by one thread at a time."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import structlog

from portwatchd.history import place, schema
from portwatchd.history.place import Found, Lock, Locked, Unusable

PRUNED_ROWS = 500
"""Changes that are looked at in one step of pruning: a few milliseconds, so that it holds no batch up."""

log = structlog.get_logger()


@dataclass(slots=True)
class Batch:
    """What is written in one transaction: texts by school (None: forgotten), and changes, in one with their texts."""

    documents: dict[str, str | None] = field(default_factory=dict)
    changes: list[schema.Row] = field(default_factory=list)
    watched: dict[float, float] = field(default_factory=dict)
    """Since when a daemon watched without a break, and until when."""
    veils: list[schema.VeilRow] = field(default_factory=list)
    lists: dict[str, str | None] = field(default_factory=dict)
    """Lists of schools by the key of their source (None: no longer)."""
    parted: dict[str, float] = field(default_factory=dict)
    """Since when a school is watched no longer, after its text; one with a text that is not here is watched again."""


class Store:
    """An open file. Its methods raise `sqlite3.Error`; after one, nothing of the call was written."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: Lock, *, fresh: bool) -> None:
        """`fresh`: the file holds nothing of what was remembered before."""
        self.fresh = fresh
        self._path = path
        self._connection = connection
        self._lock = lock
        self._inode = path.stat().st_ino

    @classmethod
    def open(
        cls, path: Path, now: float, *, damaged: bool = False, patience: float = 0.0, busy: float = schema.BUSY
    ) -> Self:
        """Open the file, or begin one; a damaged one (or one that is said to be) of ours is put aside first.

        A file of another program, or of a newer daemon, is left as it is. Raises Unusable, never anything else.
        `patience`: seconds to wait for another daemon; `busy`: for another program's lock as well, counted from now.
        """
        until = time.monotonic() + busy
        try:
            found = place.look(path)
            if found is Found.FOREIGN:
                raise Unusable("what lies there is not portwatchd's, and was left as it is")
            lock = Lock.take(path, patience)
            try:
                return cls._open_locked(path, lock, now, found, damaged=damaged, until=until)
            except BaseException:
                lock.release()
                raise
        except OSError as error:
            raise Unusable(error.strerror or str(error)) from error
        except (sqlite3.Error, schema.Newer) as error:
            raise (Locked if schema.is_locked(error) else Unusable)(str(error)) from error

    @classmethod
    def _open_locked(cls, path: Path, lock: Lock, now: float, found: Found, *, damaged: bool, until: float) -> Self:
        fresh = found is not Found.OURS
        if found is Found.NOTHING:
            lock.write(kept=False)
        connection = None
        reason = "" if found is not Found.DAMAGED and not damaged else "it is damaged"
        if not reason:
            try:
                connection = schema.connect(path, max(0.0, until - time.monotonic()))
            except sqlite3.DatabaseError as error:
                if not schema.is_damage(error):
                    raise
                reason = str(error)
        if connection is None:
            if place.look(path) is not Found.NOTHING:
                aside = place.put_aside(path, now)
                log.error("the memory was put aside, and begins anew", path=str(path), aside=str(aside), reason=reason)
            fresh = True
            lock.write(kept=False)
            connection = schema.connect(path)
        store = cls(path, connection, lock, fresh=fresh)
        try:
            store.write(Batch(watched={now: now}), now)
            lock.write(kept=True)
            connection.execute(f"PRAGMA busy_timeout = {schema.BUSY * 1000:.0f}")
        except BaseException:
            connection.close()
            raise
        return store

    def documents(self) -> Iterator[tuple[str, str]]:
        """Yield the text of every school."""
        return documents(self._connection)

    def lists(self) -> dict[str, str]:
        """Return the list of each source of schools, by its key."""
        return schema.lists(self._connection)

    def parted(self) -> set[str]:
        """Return the schools that are watched no longer, and are remembered."""
        return {school for (school,) in self._connection.execute("SELECT school FROM parted")}

    def set_apart(self, school: str, now: float) -> None:
        """Move a text that cannot be read out of the way."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.execute(
                "INSERT INTO damaged SELECT school, ?, document FROM memory WHERE school = ?",
                (now, school),
            )
            self._connection.execute("DELETE FROM memory WHERE school = ?", (school,))
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def write(self, batch: Batch, now: float) -> None:
        """Write a batch whole or not at all."""
        texts = [(school, now, text) for school, text in batch.documents.items() if text is not None]
        forgotten = [(school,) for school, text in batch.documents.items() if text is None]
        run = self._connection.executemany
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._reunite(batch, now)
            run(schema.PART, batch.parted.items())
            run(schema.REMEMBER, texts)
            run("DELETE FROM memory WHERE school = ?", forgotten)
            run(schema.ADD_CHANGE, batch.changes)
            run(
                "INSERT OR REPLACE INTO veiled (school, family, service, since, until) VALUES (?, ?, ?, ?, ?)",
                batch.veils,
            )
            run(schema.KEEP_LIST, [(key, now, text) for key, text in batch.lists.items() if text is not None])
            run("DELETE FROM listed WHERE source = ?", [(key,) for key, text in batch.lists.items() if text is None])
            run("INSERT OR REPLACE INTO watched (since, until) VALUES (?, ?)", batch.watched.items())
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _reunite(self, batch: Batch, now: float) -> None:
        """Let schools that are watched again be parted no longer; the time in between is not known."""
        back = self.parted() & batch.documents.keys()
        self._connection.executemany(schema.HIDE_PARTED, [(now, school) for school in back])
        self._connection.executemany("DELETE FROM parted WHERE school = ?", [(school,) for school in back])

    def prune(self, before: float, after: float, parted_before: float) -> float | None:
        """Delete some changes older than a time, from a time on; return where to go on, None when all is done.

        In the end go the memories of schools that are watched no longer since `parted_before`.
        Of a school that is remembered the last change of each port stays: it says how the time after it began.
        """
        rows = self._connection.execute(
            "SELECT at FROM transition WHERE at >= ? AND at < ? ORDER BY at LIMIT ?",
            (after, before, PRUNED_ROWS),
        ).fetchall()
        if not rows:
            self._connection.execute("DELETE FROM watched WHERE until < ?", (before,))
            self._connection.execute("DELETE FROM veiled WHERE until < ?", (before,))
            self._connection.execute("DELETE FROM damaged WHERE at < ?", (before,))
            self._connection.execute(
                "DELETE FROM memory WHERE school IN (SELECT school FROM parted WHERE at < ?)", (parted_before,)
            )
            self._connection.execute("DELETE FROM parted WHERE at < ?", (parted_before,))
            return None
        last = float(rows[-1][0])
        self._connection.execute(
            """DELETE FROM transition WHERE at >= :after AND at <= :last AND (
                EXISTS (SELECT 1 FROM transition AS later WHERE later.school = transition.school
                    AND later.at > transition.at AND later.at < :before
                    AND later.family = transition.family AND later.service = transition.service)
                OR NOT EXISTS (SELECT 1 FROM memory WHERE memory.school = transition.school))""",
            {"after": after, "last": last, "before": before},
        )
        # Rows of one moment are never split: the next step begins after them.
        return math.nextafter(last, math.inf)

    def verify(self) -> None:
        """Look at the file as one who opens it, past what is cached; raises `sqlite3.Error` where it is damaged."""
        try:
            schema.connect_reading(self._path, check=True).close()
        except schema.Newer as error:
            raise schema.Unsound(str(error)) from error

    def in_place(self) -> bool:
        """Whether the open file still is the one at its path; a deleted one would be written in vain."""
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Close the file, with its log written back, and let others use it."""
        try:
            self._connection.close()
        finally:
            self._lock.release()

    def _roll_back(self) -> None:
        """End the transaction; after some errors SQLite has done so itself."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def rescued(path: Path, busy: float) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Return the texts of schools, and the lists, of a file that cannot be written for want of room; or Unusable."""
    try:
        if place.look(path) is not Found.OURS:
            raise Unusable("nothing of portwatchd's can be read there")
        lock = Lock.take(path, 0.0)
        try:
            with contextlib.closing(schema.connect_alone(path, busy)) as connection:
                return list(documents(connection)), schema.lists(connection)
        finally:
            lock.release()
    except OSError as error:
        raise Unusable(error.strerror or str(error)) from error
    except (sqlite3.Error, schema.Newer) as error:
        raise Unusable(str(error)) from error


def documents(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield the text of every school in a file."""
    yield from connection.execute("SELECT school, document FROM memory")
