"""The watch over all sources: reads each at its time, and says who is found; a fault of one leaves the others alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog

from portwatchd.config import Config
from portwatchd.discovery.entries import Entry, Listing, merged
from portwatchd.discovery.groups import Broken
from portwatchd.discovery.holding import Holding
from portwatchd.discovery.sources import FileSource, HttpSource, Source
from portwatchd.model import School
from portwatchd.world import Clock

RETRY_SECONDS = 30.0
"""After a failed reading the next comes no later than this."""
NOTES_LOGGED = 20
"""Lines for what is wrong with single targets of one list; the rest is counted."""

log = structlog.get_logger()


class Watched(Protocol):
    """Is told of the discovery's own figures."""

    def discovered(self, source: str, at: float, *, ok: bool, schools: int, refused: int, held_back: int) -> None:
        """A source was read at a Unix time."""
        ...

    def forget_source(self, source: str) -> None:
        """A source is read no longer."""
        ...


class Discovery:
    """Owns the sources of a configuration, and tells whenever somebody else is found."""

    def __init__(self, changed: Callable[[], None], watched: Watched, clock: Clock) -> None:
        """`changed` is called after each reading that changes what `schools` returns."""
        self._changed = changed
        self._watched = watched
        self._clock = clock
        self._keepers: dict[object, Keeper] = {}
        self._noted: dict[str, list[str]] = {}

    def refit(self, config: Config) -> None:
        """Read the sources of another configuration. Those that stay keep their lists, and are read now."""
        wanted = sources(config)
        for key in self._keepers.keys() - wanted.keys():
            keeper = self._keepers.pop(key)
            keeper.task.cancel()
            self._watched.forget_source(keeper.source.name)
        kept = dict(self._keepers)
        self._keepers = {
            key: kept[key] if key in kept else Keeper(source, self._changed, self._watched, self._clock)
            for key, source in wanted.items()
        }
        for keeper in kept.values():
            keeper.again.set()

    def schools(self, config: Config) -> list[School]:
        """The configuration's own schools and all that are found; what speaks against some is logged once."""
        lists = {keeper.source.name: keeper.live for keeper in self._keepers.values()}
        schools, notes = merged(config.schools, lists, config.profiles)
        for source, against in notes.items():
            if against != self._noted.get(source, []):
                note(source, against)
        self._noted = notes
        return schools

    @property
    def complete(self) -> bool:
        """Whether each source has been read once, with success or not."""
        return all(keeper.tried for keeper in self._keepers.values())

    async def close(self) -> None:
        """Read no more."""
        tasks = [keeper.task for keeper in self._keepers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def sources(config: Config) -> dict[object, Source]:
    """Each source of a configuration once, by what tells it from others."""
    files: dict[object, Source] = {one: FileSource(one) for one in config.file_sd_configs}
    return files | {(one, config.ca_file): HttpSource(one, config.ca_file) for one in config.http_sd_configs}


def note(source: str, lines: Iterable[str]) -> None:
    """Log what is wrong with single targets."""
    told = list(lines)
    for line in told[:NOTES_LOGGED]:
        log.warning("discovered target", source=source, problem=line)
    if len(told) > NOTES_LOGGED:
        log.warning("discovered target", source=source, problem=f"and {len(told) - NOTES_LOGGED} more")


class Keeper:
    """Reads one source for as long as it is wanted."""

    def __init__(self, source: Source, changed: Callable[[], None], watched: Watched, clock: Clock) -> None:
        """Begin at once."""
        self.source = source
        self.tried = False
        self.again = asyncio.Event()
        """Set it to have the source read now."""
        self._holding = Holding(source.refresh)
        self._changed = changed
        self._watched = watched
        self._clock = clock
        self._ok = False
        self._refused = 0
        self._said: tuple[tuple[str, ...], tuple[str, ...], int] = ((), (), 0)
        self.task = asyncio.create_task(self._keep(), name=f"discovery of {source.name}")

    @property
    def live(self) -> Mapping[str, Entry]:
        """The list in force."""
        return self._holding.live or {}

    async def _keep(self) -> None:
        whole_at = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            whole = now >= whole_at or self.again.is_set()
            self.again.clear()
            if whole:
                whole_at = now + self.source.refresh
            try:
                await self._read(whole=whole)
            except Exception:
                log.exception("discovery failed", source=self.source.name)
                self._ok = False
            self.tried = True
            pause = self.source.poll if self._ok else min(self.source.poll, RETRY_SECONDS)
            if not self._ok:
                whole_at = min(whole_at, now + RETRY_SECONDS)
            try:
                async with asyncio.timeout(pause):
                    await self.again.wait()
            except TimeoutError:
                pass

    async def _read(self, *, whole: bool) -> None:
        before = self.live
        try:
            found = await self.source.read(whole=whole)
        except Broken as reason:
            found = Listing(before, self._refused, faults=(str(reason),))
            self._ok = False
            self._say(found)
        else:
            if found is None:
                return
            self._ok = not found.faults
            self._refused = found.refused
            self._holding.offer(found.entries, self._clock.monotonic())
            self._say(found)
        self._watched.discovered(
            self.source.name,
            self._clock.wall(),
            ok=self._ok,
            schools=len(self.live),
            refused=self._refused,
            held_back=self._holding.held_back,
        )
        if self.live != before or not self.tried:
            self.tried = True
            self._changed()

    def _say(self, found: Listing) -> None:
        """Log what is wrong, once for as long as it stays the same."""
        said = (found.faults, found.notes, self._holding.held_back)
        faults, notes, held_back = self._said
        if found.faults != faults:
            for fault in found.faults:
                log.warning("discovery keeps the last good list", source=self.source.name, problem=fault)
            if not found.faults:
                log.info("discovery works again", source=self.source.name, schools=len(self.live))
        if found.notes != notes:
            note(self.source.name, found.notes)
        if self._holding.held_back and self._holding.held_back != held_back:
            log.warning(
                "discovery holds a list back that drops more than half of its schools",
                source=self.source.name,
                dropped=self._holding.held_back,
                schools=len(self.live),
            )
        self._said = said
