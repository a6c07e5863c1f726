"""The memory over restarts as the daemon sees it: read at its start, told of every round, asked for what happened."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import structlog

from portwatchd.history import document, place, schema
from portwatchd.history.availability import PortAvailability
from portwatchd.history.place import Unusable
from portwatchd.history.reading import Reader, decoded, recalled
from portwatchd.history.store import Store
from portwatchd.history.writer import Writer
from portwatchd.model import Report, Transition
from portwatchd.rounds.memory import Key, Memory
from portwatchd.world import Clock

LOCK_PATIENCE = 1.7
"""Seconds for which a start waits for another process to give the file up: a daemon that is just ending."""
READ_PATIENCE = 0.1
"""Seconds for which it then waits to read at least; all in all the schools are watched 2 s later at most."""
BEAT = 1.0
"""Seconds between two words that schools are watched."""
RECENT = 1000
"""Changes that are at hand while no file can be read."""

log = structlog.get_logger()
T = TypeVar("T")


class History:
    """Keeps memories and changes in a file where it can, and never raises, waits or fails a round where it cannot."""

    def __init__(self, path: Path | None, *, retention: float, clock: Clock, on_state: Callable[[bool], None]) -> None:
        """As `open`, which reads better."""
        path = place.real(path) if path is not None else None
        self._path = path
        self._clock = clock
        self._on_state = on_state
        self._reason: str | None = ""
        self._well: bool | None = None
        self._marks: dict[str, tuple[object, ...]] = {}
        self._renewals = 0
        self._veils: dict[str, dict[Key | None, float]] = {}
        """Of the schools that have some: since when."""
        self._recent: deque[Transition] = deque(maxlen=RECENT)
        self._loaded: dict[str, Memory] = {}
        self._lists: dict[str, str] = {}
        self._parted: set[str] = set()
        """Schools that were parted before the start, and still were when the file was read."""
        self._writer: Writer | None = None
        self._reader = Reader(path) if path is not None else None
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="history-reading")
        if path is None:
            self._tell(None)
            return
        store = None
        try:
            store = Store.open(path, clock.wall(), patience=LOCK_PATIENCE, busy=LOCK_PATIENCE)
            store = self._load(store, path)
        except Unusable as error:
            self._tell(str(error))
            self._loaded, self._lists = recalled(path, READ_PATIENCE)
        self._writer = Writer(path, store, retention=retention, clock=clock, on_state=self._tell)
        if store is not None:
            if store.fresh:
                self._put_lists(self._writer)
            self._tell(None)

    @classmethod
    def open(cls, path: Path | None, *, retention: float, clock: Clock, on_state: Callable[[bool], None]) -> Self:
        """Open the file at a path, or begin one; None keeps nothing. Never raises for what the file is.

        What is damaged is put aside by a new name, what is not portwatchd's is left as it is. Where nothing can be
        kept, `on_state` hears False (from any thread), the log says why, and it is tried again from time to time.
        Changes older than `retention` seconds are deleted.
        """
        return cls(path, retention=retention, clock=clock, on_state=on_state)

    def load(self) -> dict[str, Memory]:
        """Return what was remembered of each school when the file was opened, once: the memories are the caller's."""
        loaded, self._loaded = self._loaded, {}
        self._veils = {name: veils for name, memory in loaded.items() if (veils := document.veils(memory))}
        return loaded

    def remember(self, report: Report, memory: Memory) -> None:
        """Have a round's changes and the memory after it kept, if there is anything new. Does not wait for the disk."""
        self._recent.extend(report.transitions)
        writer = self._writer
        if writer is None:
            return
        if writer.renewals != self._renewals:
            self._renewals = writer.renewals
            self._marks.clear()
            self._put_lists(writer)
        name = report.school.name
        mark = document.mark(memory)
        if not report.transitions and self._marks.get(name) == mark:
            return
        changes, lifted = map(schema.to_row, report.transitions), self._lifted(name, memory, report.at)
        if writer.put(schema.plain(name), document.write(memory), changes, lifted):
            self._marks[name] = mark

    def _lifted(self, name: str, memory: Memory, now: float) -> list[schema.VeilRow]:
        """Return the veils of a school that are there no more."""
        before, veils = self._veils.pop(name, {}), document.veils(memory)
        if veils:
            self._veils[name] = veils
        return [schema.to_veil(name, key, since, now) for key, since in before.items() if veils.get(key) != since]

    async def keep(self) -> None:
        """Say from the event loop that schools are watched, until cancelled: where it stands still, nobody does."""
        while True:
            self.watching()
            await self._clock.sleep(BEAT)

    def watching(self) -> None:
        """Take down that schools are watched at this moment; time that lies long after the last one is not known."""
        if self._writer is not None:
            self._writer.watching(self._clock.wall())

    def forget(self, school: str) -> None:
        """Keep nothing more of a school; its changes go with the retention."""
        self._marks.pop(school, None)
        self._veils.pop(school, None)
        if self._writer is not None:
            self._writer.put(schema.plain(school), None)

    def part(self, school: str) -> None:
        """Remember a school that is watched no longer for PARTED_SECONDS more, unless it comes back before."""
        self._marks.pop(school, None)
        if self._writer is not None:
            self._writer.part(schema.plain(school), self._clock.wall())

    def part_absent(self, schools: Iterable[str]) -> None:
        """Part those that nobody watches since the start; who was parted before it goes on being so."""
        for school in schools:
            if schema.plain(school) not in self._parted:
                self.part(school)

    def lists(self) -> Mapping[str, str]:
        """Return what is kept of each source of schools, by its key."""
        return self._lists

    def keep_list(self, source: str, text: str | None) -> None:
        """Keep a source's list in place of the one before, or none any more. Does not wait for the disk."""
        if self._writer is None or self._lists.get(source) == text:
            return
        self._lists = {key: kept for key, kept in (self._lists | {source: text}).items() if kept is not None}
        self._writer.put_list(source, text)

    def _put_lists(self, writer: Writer) -> None:
        for source, text in self._lists.items():
            writer.put_list(source, text)

    @property
    def dropped(self) -> int:
        """Changes that were lost because the disk failed for too long."""
        return self._writer.dropped if self._writer else 0

    async def events(
        self,
        *,
        since: float | None = None,
        school: str | None = None,
        limit: int = 1000,
    ) -> list[Transition]:
        """Return changes in the order of time: from `since` on the first ones, without it the latest ones.

        While the file cannot be read: what is known of the latest ones.
        """
        if self._reader is not None and self._reason is None:
            with contextlib.suppress(Unusable):
                return await self._read(partial(self._reader.events, since=since, school=school, limit=limit))
        found = [
            change
            for change in self._recent
            if (school is None or change.school == school) and (since is None or change.at >= since)
        ]
        return found[:limit] if since is not None else found[max(0, len(found) - limit) :]

    async def availability(self, school: str, since: float, until: float) -> list[PortAvailability]:
        """Return how long each port of a school was in each verdict; nothing while the file cannot be read."""
        if self._reader is not None and self._reason is None:
            with contextlib.suppress(Unusable):
                return await self._read(partial(self._reader.availability, school, since, until))
        return []

    def flush(self, seconds: float = 5.0) -> bool:
        """Wait until all is written, so many seconds at most, and return whether it is. Not for the event loop."""
        return self._writer is None or self._writer.flush(seconds)

    def close(self) -> None:
        """Write what waits and close the file; waits for the disk, up to a bound."""
        if self._writer is not None:
            self._writer.close()
        self._reading.shutdown(wait=False, cancel_futures=True)

    def _load(self, store: Store, path: Path) -> Store:
        """Read every memory; damage that shows only now puts the file aside, and what was read before it counts."""
        now = self._clock.wall()
        damaged = []
        try:
            self._lists, self._parted = store.lists(), store.parted()
            with _without_collector():
                for name, memory in decoded(store.documents()):
                    if memory is None:
                        damaged.append(name)
                    else:
                        self._loaded[name] = memory
            for name in damaged:
                log.error("the memory of a school cannot be read, and begins anew", school=name)
                store.set_apart(name, now)
        except sqlite3.Error as error:
            store.close()
            if not schema.is_damage(error):
                raise Unusable(str(error)) from error
            return Store.open(path, now, damaged=True)
        return store

    async def _read(self, ask: Callable[[], list[T]]) -> list[T]:
        return await asyncio.get_running_loop().run_in_executor(self._reading, ask)

    def _tell(self, reason: str | None) -> None:
        """Say once whether the memory can be kept, and why not. Called by the writer's thread too.

        For some minutes after a damaged file was put aside all is not well, though a new one is kept: memory was lost.
        """
        well = reason is None and (self._path is None or not place.lately_put_aside(self._path, self._clock.wall()))
        was, self._reason = self._reason, reason
        if reason is not None and reason != was:
            log.error("the memory over restarts cannot be kept", path=str(self._path), reason=reason)
        elif reason is None and was:
            log.info("the memory over restarts is kept again", path=str(self._path))
        if well is not self._well:
            self._well = well
            self._on_state(well)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Hold the garbage collector back: a million new objects, none of them garbage, would wake it again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
