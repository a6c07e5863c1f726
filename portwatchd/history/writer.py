"""The one thread that writes the file: batches by time and count, bounds on what waits, and patience with the disk."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import structlog

from portwatchd.history import schema
from portwatchd.history.place import Locked, Unusable
from portwatchd.history.schema import Row, VeilRow
from portwatchd.history.store import Batch, Store
from portwatchd.world import Clock

FLUSH_SECONDS = 1.0
"""What was remembered waits at most so long for the disk; far less than an interval, which may be forgotten."""
FLUSH_COUNT = 500
"""So many texts or changes are written at once, without waiting."""
SCHOOLS_WAITING = 50_000
"""Texts that wait, one a school: more schools than one daemon watches."""
CHANGES_WAITING = 100_000
"""Changes that wait while the disk fails (30 MB): ten for each of 10,000 schools; later ones are dropped, counted."""
VEILS_WAITING = 100_000
"""Veils that have lifted and wait likewise (20 MB): one a school where the monitor was cut off; others are dropped."""
RETRY_SECONDS = 30.0
"""After so long a file that could not be used is tried again."""
LOCKED_SECONDS = 1.0
"""Likewise one that only another program's lock keeps from being used."""
WATCHED_SECONDS = 15.0
"""So often it is written that a daemon is watching."""
BREAK_SECONDS = 10.0
"""Who was not heard of for so long has not watched meanwhile: it was stopped, or its machine was."""
PARTED_SECONDS = 7 * 86400.0
"""So long a school that is watched no longer is remembered: it may have been taken away by mistake."""
PRUNE_SECONDS = 3600.0
"""So often the changes that are older than the retention are looked for."""
VERIFY_SECONDS = 3600.0
"""So often the file is read anew: what is cached would hide for ever that the disk holds something else."""
CLOSE_SECONDS = 10.0
"""So long the end of the daemon waits for the last batch; a hung disk must not hold it up for ever."""

log = structlog.get_logger()


class Writer:
    """Takes texts and changes without waiting for the disk, and has them written soon after."""

    def __init__(
        self,
        path: Path,
        store: Store | None,
        *,
        retention: float,
        clock: Clock,
        on_state: Callable[[str | None], None],
    ) -> None:
        """`store` is what `path` holds, None where it could not be opened. `on_state` hears why not, or None: all well.

        It is called by the writer's thread.
        """
        self.dropped = 0
        """Changes that were lost because the disk failed for too long."""
        self.renewals = 0
        """How often an empty file took the place of the one before: whoever remembers must say everything again."""
        self._path = path
        self._store = store
        self._retention = retention
        self._clock = clock
        self._on_state = on_state
        self._waiting = Batch()
        self._writing = False
        self._closing = False
        self._hurry = False
        self._damaged = False
        self._retry_at = clock.monotonic() + LOCKED_SECONDS
        self._watched_at = clock.monotonic()
        self._span = (math.inf, -math.inf)
        self._prune_at = clock.monotonic()
        self._verify_at = clock.monotonic() + VERIFY_SECONDS
        self._pruned_to: float | None = None
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def put(self, school: str, text: str | None, changes: Iterable[Row] = (), veils: Iterable[VeilRow] = ()) -> bool:
        """Have a school's text (None: nothing more) and its changes written together; False where there is no room.

        A text that still waits is replaced.
        """
        with self._change:
            waiting = self._waiting
            room = school in waiting.documents or len(waiting.documents) < SCHOOLS_WAITING
            if room:
                waiting.documents[school] = text
                waiting.parted.pop(school, None)
            self._add_changes(waiting, changes)
            waiting.veils.extend(islice(veils, VEILS_WAITING - len(waiting.veils)))
            if self._full():
                self._change.notify_all()
            return room

    def part(self, school: str, now: float) -> None:
        """Have it written that a school is watched no longer from this Unix time on; its text stays for a while."""
        with self._change:
            if len(self._waiting.parted) < SCHOOLS_WAITING:
                self._waiting.parted[school] = now

    def put_list(self, source: str, text: str | None) -> None:
        """Have the list of a source (None: no list any more) written; as many wait at most as there are sources."""
        with self._change:
            self._waiting.lists[source] = text

    def watching(self, now: float) -> None:
        """Take down that schools are watched at this Unix time, and since the last call if that is not long ago."""
        with self._change:
            since, until = self._span
            if not until <= now <= until + BREAK_SECONDS:
                since = now
            self._span = since, now
            self._waiting.watched[since] = now

    def flush(self, seconds: float) -> bool:
        """Return when all is written, within so many seconds, and whether it is."""
        with self._change:
            self._hurry = True
            self._change.notify_all()
            return self._change.wait_for(lambda: not self._waits() and not self._writing, seconds)

    def close(self) -> None:
        """Write what waits, close the file and end the thread; gives up on a hung disk after CLOSE_SECONDS."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            log.error("the disk hangs: the last changes are not kept", path=str(self._path))

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._on_state(f"the thread that writes has failed: {error!r}")
            raise

    def _work(self) -> None:
        """Write until the end; what goes wrong with the disk is waited for."""
        closing = False
        while not closing:
            with self._change:
                self._change.wait_for(self._hurries, FLUSH_SECONDS)
                closing, self._hurry = self._closing, False
            try:
                self._step(closing=closing)
            except (sqlite3.Error, OSError) as error:
                self._fail(error)
        if self._store is not None:
            self._close_store(self._store)

    def _step(self, *, closing: bool) -> None:
        """Open the file again where it is due, write what waits, and prune a little."""
        now = self._clock.monotonic()
        if self._store is not None and not self._store.in_place():
            log.warning("the file of the memory was taken away: a new one is begun", path=str(self._path))
            self._close_store(self._store)
            self._store, self._retry_at = None, now
        if self._store is None:
            if now < self._retry_at and not closing:
                return
            self._store = self._open(now)
            if self._store is None:
                return
        self._write(self._store, now)
        if now >= self._verify_at:
            self._verify_at = now + VERIFY_SECONDS
            self._store.verify()
        self._prune(self._store, now)

    def _open(self, now: float) -> Store | None:
        try:
            store = Store.open(self._path, self._clock.wall(), damaged=self._damaged)
        except Unusable as error:
            self._retry_at = now + (LOCKED_SECONDS if isinstance(error, Locked) else RETRY_SECONDS)
            self._on_state(str(error))
            return None
        self._damaged = False
        if store.fresh:
            self.renewals += 1
        return store

    def _write(self, store: Store, now: float) -> None:
        with self._change:
            waits = self._waits()
            due = waits or self._closing or now >= self._watched_at + WATCHED_SECONDS
            batch = self._waiting if due else Batch()
            if due:
                self._waiting = Batch()
            self._writing = waits
        if not due:
            self._on_state(None)
            return
        try:
            store.write(batch, self._clock.wall())
        except BaseException:
            self._take_back(batch)
            raise
        self._watched_at = now
        self._on_state(None)
        with self._change:
            self._writing = False
            self._change.notify_all()

    def _take_back(self, batch: Batch) -> None:
        """Let a batch that was not written wait again, before what came since."""
        with self._change:
            newer = self._waiting
            self._waiting = Batch(
                batch.documents | newer.documents,
                batch.changes,
                batch.watched | newer.watched,
                (batch.veils + newer.veils)[:VEILS_WAITING],
                batch.lists | newer.lists,
                {name: at for name, at in batch.parted.items() if name not in newer.documents} | newer.parted,
            )
            self._add_changes(self._waiting, newer.changes)
            self._writing = False

    def _prune(self, store: Store, now: float) -> None:
        if self._pruned_to is None:
            if now < self._prune_at:
                return
            self._prune_at, self._pruned_to = now + PRUNE_SECONDS, 0.0
        wall = self._clock.wall()
        self._pruned_to = store.prune(wall - self._retention, self._pruned_to, wall - PARTED_SECONDS)

    def _fail(self, error: sqlite3.Error | OSError) -> None:
        """Close the file; one that is damaged gives way to another at once, else it is tried again later.

        One that another program has locked stays open, and the next step writes.
        """
        if schema.is_locked(error):
            self._watched_at = -math.inf
            self._on_state(str(error))
            return
        self._damaged = schema.is_damage(error)
        store, self._store = self._store, None
        if store is not None:
            self._close_store(store)
        now = self._clock.monotonic()
        self._retry_at = now if self._damaged else now + RETRY_SECONDS
        self._on_state(str(error))

    @staticmethod
    def _close_store(store: Store) -> None:
        try:
            store.close()
        except (sqlite3.Error, OSError) as error:
            log.warning("the memory was not closed cleanly", reason=str(error))

    def _add_changes(self, batch: Batch, changes: Iterable[Row]) -> None:
        for change in changes:
            if len(batch.changes) < CHANGES_WAITING:
                batch.changes.append(change)
            else:
                self.dropped += 1

    def _waits(self) -> bool:
        waiting = self._waiting
        return bool(waiting.documents or waiting.changes or waiting.lists or waiting.parted)

    def _hurries(self) -> bool:
        return self._closing or self._hurry or (self._store is not None and self._full())

    def _full(self) -> bool:
        return len(self._waiting.documents) + len(self._waiting.changes) >= FLUSH_COUNT
