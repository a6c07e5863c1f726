"""Reading the file while a daemon may be writing it: changes, availability, memories. Blocks: call it in a thread."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from portwatchd.history import document, place, schema, store
from portwatchd.history.availability import PortAvailability, Span, availability, joined
from portwatchd.history.place import Found, Unusable
from portwatchd.history.writer import BREAK_SECONDS, WATCHED_SECONDS
from portwatchd.model import Transition
from portwatchd.rounds.memory import Memory

EVENTS_LIMIT = 10_000
"""Changes in one answer at most."""
OF_A_SCHOOL = 1_000_000
"""Changes of one school that an availability is reckoned from: more would be 300 MB, and no school changes so often."""

FRESH_SECONDS = WATCHED_SECONDS + BREAK_SECONDS
"""So old is the last sign of a daemon that lives and watches at most; one that is older hangs, or was stopped."""


class Reader:
    """A file that others write. Every method opens it anew, and raises Unusable where that does not go."""

    def __init__(self, path: Path, busy: float = schema.BUSY) -> None:
        """Nothing is opened yet. `busy`: seconds to wait for another program's lock."""
        self._path = place.real(path)
        self._busy = busy

    def events(self, *, since: float | None = None, school: str | None = None, limit: int = 1000) -> list[Transition]:
        """Return changes in the order of time: from `since` on the first ones, without it the latest ones."""
        limit = min(limit, EVENTS_LIMIT)
        order = "DESC" if since is None else "ASC"
        where = ["at >= ?"]
        values: list[float | str] = [0.0 if since is None else since]
        if school is not None:
            where.append("school = ?")
            values.append(schema.plain(school))
        query = (
            f"SELECT {schema.COLUMNS} FROM transition WHERE {' AND '.join(where)} "  # noqa: S608 - constants
            f"ORDER BY at {order}, family {order}, service {order} LIMIT ?"
        )
        with self._open() as connection:
            found = [schema.from_row(row) for row in connection.execute(query, (*values, limit))]
        return found if since is not None else found[::-1]

    def availability(self, school: str, since: float, until: float) -> list[PortAvailability]:
        """Return how long each port of a school was in each verdict between two times (UTC seconds)."""
        name = schema.plain(school)
        with self._open() as connection:
            before = connection.execute(
                f"SELECT {schema.COLUMNS}, max(at) FROM transition WHERE school = ? AND at < ? "  # noqa: S608 - constant
                "GROUP BY family, service",
                (name, since),
            )
            changes = [schema.from_row(row[:-1]) for row in before]
            within = connection.execute(
                f"SELECT {schema.COLUMNS} FROM transition WHERE school = ? AND at >= ? AND at < ? "  # noqa: S608 - constant
                "ORDER BY at LIMIT ?",
                (name, since, until, OF_A_SCHOOL),
            )
            changes += [schema.from_row(row) for row in within]
            watched = connection.execute(
                "SELECT since, until FROM watched WHERE until > ? ORDER BY since", (since - FRESH_SECONDS,)
            ).fetchall()
            veiled = schema.veils(connection, name, since, until)
            of_school = connection.execute("SELECT school, document FROM memory WHERE school = ?", (name,))
            for _, memory in decoded(of_school.fetchall()):
                if memory is not None:
                    veiled += [(key, begun, until) for key, begun in document.veils(memory).items()]
        return availability(changes, joined(self._up_to(until, watched)), since, until, veiled)

    def _up_to(self, now: float, watched: list[Span]) -> list[Span]:
        """Return the spans, the last one up to now where a daemon lives: it seldom writes that it is watching."""
        if watched and 0 < now - watched[-1][1] <= FRESH_SECONDS and place.in_use(self._path):
            return [*watched[:-1], (watched[-1][0], now)]
        return watched

    def knows(self, school: str) -> bool:
        """Whether anything is kept of a school."""
        name = schema.plain(school)
        with self._open() as connection:
            tables = ("memory", "transition")
            queries = (f"SELECT 1 FROM {table} WHERE school = ? LIMIT 1" for table in tables)  # noqa: S608 - constants
            return any(connection.execute(query, (name,)).fetchone() for query in queries)

    def memories(self) -> tuple[dict[str, Memory], dict[str, str]]:
        """Return what is remembered of every school, as far as it can be read, and the lists of schools."""
        with self._open() as connection:
            return _sound(store.documents(connection)), schema.lists(connection)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            if (found := place.look(self._path)) is not Found.OURS:
                what = "is damaged" if found is Found.DAMAGED else "is no file of portwatchd"
                raise Unusable(f"{self._path} {what}")
            with contextlib.closing(schema.connect_reading(self._path, busy=self._busy)) as connection:
                yield connection
        except OSError as error:
            raise Unusable(f"{self._path}: {error.strerror or error}") from error
        except (sqlite3.Error, schema.Newer) as error:
            raise Unusable(f"{self._path}: {error}") from error


def recalled(path: Path, busy: float) -> tuple[dict[str, Memory], dict[str, str]]:
    """Return what a file remembers that cannot be written now, as `Reader.memories`; nothing where it is unreadable."""
    with contextlib.suppress(Unusable):
        return Reader(path, busy).memories()
    with contextlib.suppress(Unusable):
        documents, lists = store.rescued(path, busy)
        return _sound(documents), lists
    return {}, {}


def _sound(documents: Iterable[tuple[str, str]]) -> dict[str, Memory]:
    return {name: memory for name, memory in decoded(documents) if memory is not None}


def decoded(documents: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Memory | None]]:
    """Yield the memory of every school in a file, None where its text is damaged."""
    for name, text in documents:
        try:
            yield str(name), document.read(text)
        except document.Damaged:
            yield str(name), None
