"""The watch over all sources: reads each at its time, and says who is found; a fault of one leaves the others alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

import structlog

from portwatchd.config import Config
from portwatchd.discovery.entries import Entry, Listing, merged, resolved
from portwatchd.discovery.groups import Broken
from portwatchd.discovery.holding import Holding
from portwatchd.discovery.shelf import NoShelf, Shelf, from_text, to_text
from portwatchd.discovery.sources import FileSource, HttpSource, Source
from portwatchd.model import Profile, School
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

    def __init__(self, changed: Callable[[], None], watched: Watched, clock: Clock, shelf: Shelf | None = None) -> None:
        """`changed` is called after each reading that changes what `schools` returns; `shelf` keeps the lists."""
        self._shelf = shelf or NoShelf()
        self._changed = changed
        self._watched = watched
        self._clock = clock
        self._keepers: dict[object, Keeper] = {}
        self._noted: dict[str, list[str]] = {}

    def refit(self, config: Config) -> None:
        """Read the sources of another configuration. Those that stay keep their lists, and are read now.

        One that is only read differently from now on (another interval, other authorities) has the list that it had,
        one that is new has the list that was in force before the start.
        """
        wanted = sources(config)
        names = named(wanted)
        gone = {key: self._keepers.pop(key) for key in self._keepers.keys() - wanted.keys()}
        kept = dict(self._keepers)
        for keeper in gone.values():
            keeper.task.cancel()
        for name in {keeper.name for keeper in (*gone.values(), *kept.values())} - set(names.values()):
            self._watched.forget_source(name)
        before = {keeper.source.name: keeper for keeper in gone.values()}
        self._keepers = {}
        for key, source in wanted.items():
            keeper = kept.get(key) or Keeper(source, self._changed, self._watched, self._clock, self._shelf)
            if key in kept:
                keeper.again.set()
            elif former := before.pop(source.name, None):
                keeper.succeed(former)
            elif text := self._shelf.lists().get(source.key):
                keeper.recall(text)
            keeper.refit(names[key], config.profiles)
            self._keepers[key] = keeper
        for gone_key in self._shelf.lists().keys() - {source.key for source in wanted.values()}:
            self._shelf.keep_list(gone_key, None)

    def schools(self, config: Config) -> list[School]:
        """The configuration's own schools and all that are found; what speaks against some is logged once."""
        schools, clashes = merged(config.schools, {keeper.name: keeper.live for keeper in self._keepers.values()})
        noted: dict[str, list[str]] = {}
        for keeper in self._keepers.values():
            clashing = clashes[keeper.name]
            keeper.clashes(len(clashing))
            against = noted[keeper.name] = [*keeper.unusable.values(), *clashing]
            if against != self._noted.get(keeper.name, []):
                note(keeper.name, against)
        self._noted = noted
        return schools

    @property
    def complete(self) -> bool:
        """Whether each source has been read once, with success or not."""
        return all(keeper.tried for keeper in self._keepers.values())

    @property
    def settled(self) -> bool:
        """Whether whom each source lists is known, from now or from before the start."""
        return all(keeper.settled for keeper in self._keepers.values())

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


def named(wanted: Mapping[object, Source]) -> dict[object, str]:
    """Each source's name in log and metrics, made different where URLs differ only in what may hold a secret."""
    names: dict[object, str] = {}
    counted: dict[str, int] = {}
    for key, source in wanted.items():
        number = counted[source.name] = counted.get(source.name, 0) + 1
        names[key] = source.name if number == 1 else f"{source.name} ({number})"
    return names


def note(source: str, lines: Iterable[str]) -> None:
    """Log what is wrong with single targets."""
    told = list(lines)
    for line in told[:NOTES_LOGGED]:
        log.warning("discovered target", source=source, problem=line)
    if len(told) > NOTES_LOGGED:
        log.warning("discovered target", source=source, problem=f"and {len(told) - NOTES_LOGGED} more")


class Keeper:
    """Reads one source for as long as it is wanted."""

    def __init__(
        self, source: Source, changed: Callable[[], None], watched: Watched, clock: Clock, shelf: Shelf
    ) -> None:
        """Begin at once."""
        self.source = source
        self.name = source.name
        self.tried = False
        self.settled = False
        """Whether a whole list is known, of now or from before the start: no fault left anybody out of it."""
        self.again = asyncio.Event()
        """Set it to have the source read now."""
        self.unusable: Mapping[str, str] = {}
        """What speaks against schools of the last list that cannot be watched as it says, by name."""
        self._profiles: Mapping[str, Profile] = {}
        self._listing: Listing | None = None
        self._stored: Mapping[str, Entry] = {}
        """The list from before the start: it stands in for what cannot be read, until all could be read once."""
        self._shelf = shelf
        self._shelved: Mapping[str, School] | None = None
        self._read_at = 0.0
        self._clashes = 0
        self._holding = Holding(source.refresh)
        self._changed = changed
        self._watched = watched
        self._clock = clock
        self._ok = False
        self._said: tuple[tuple[str, ...], tuple[str, ...], int] = ((), (), 0)
        self.task = asyncio.create_task(self._keep(), name=f"discovery of {source.name}")

    @property
    def live(self) -> Mapping[str, School]:
        """The list in force."""
        return self._holding.live or {}

    def succeed(self, former: Keeper) -> None:
        """Take over the list of one that read the same in another way."""
        self.tried, self.settled = former.tried, former.settled
        self._ok, self._read_at = former._ok, former._read_at
        self._listing, self._stored, self._holding.live = former._listing, former._stored, former._holding.live
        self._shelve()

    def recall(self, text: str) -> None:
        """Begin with the list that was in force before the start."""
        try:
            self._stored = from_text(text)
        except Broken as reason:
            log.warning("discovery begins without a list", source=self.name, problem=str(reason))
            return
        self._listing = Listing(self._stored)
        self.settled = True

    def refit(self, name: str, profiles: Mapping[str, Profile]) -> None:
        """Understand the last list by these profiles. What they make unusable is dropped as by a shorter list."""
        self.name, self._profiles = name, profiles
        if self._listing is not None:
            self._take(confirms=False)
            self._tell()

    def clashes(self, number: int) -> None:
        """So many of its schools are another source's already, as something else."""
        if number != self._clashes:
            self._clashes = number
            self._tell()

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
                log.exception("discovery failed", source=self.name)
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
        before = self.live, self.unusable, self.settled
        try:
            found = await self.source.read(whole=whole)
        except Broken as reason:
            self._ok = False
            self._say(faults=(str(reason),))
        else:
            if found is None:
                return
            self._ok = not found.faults
            self.settled = self.settled or self._ok
            self._stored = self._stored if found.faults else {}
            self._listing = replace(found, entries={**self._stored, **found.entries})
            self._take(confirms=True)
            self._shelve()
            self._say(faults=found.faults)
        self._read_at = self._clock.wall()
        self._tell()
        if (self.live, self.unusable, self.settled) != before or not self.tried:
            self.tried = True
            self._changed()

    def _take(self, *, confirms: bool) -> None:
        """Have the last list come into force, as far as it is not held back."""
        listed = self._listing.entries if self._listing else {}
        schools, self.unusable = resolved(listed, self._profiles)
        self._holding.offer(schools, self._clock.monotonic(), confirms=confirms)
        self._say(faults=self._said[0])

    def _shelve(self) -> None:
        """Have the list in force kept, if it is another one."""
        if self._holding.live is not None and self.live != self._shelved:
            self._shelved = self.live
            self._shelf.keep_list(self.source.key, to_text(self.live.values()))

    def _tell(self) -> None:
        if not self._read_at:  # a list from before the start says nothing of the source
            return
        refused = (self._listing.refused if self._listing else 0) + len(self.unusable) + self._clashes
        self._watched.discovered(
            self.name,
            self._read_at,
            ok=self._ok,
            schools=len(self.live),
            refused=refused,
            held_back=self._holding.held_back,
        )

    def _say(self, *, faults: tuple[str, ...]) -> None:
        """Log what is wrong, once for as long as it stays the same."""
        notes = self._listing.notes if self._listing else ()
        said = (faults, notes, self._holding.held_back)
        faults_before, notes_before, held_back = self._said
        if faults != faults_before:
            for fault in faults:
                log.warning("discovery keeps the last good list", source=self.name, problem=fault)
            if faults and self._stored:
                log.warning("that list was stored before the start", source=self.name, schools=len(self._stored))
            if not faults:
                log.info("discovery works again", source=self.name, schools=len(self.live))
        if notes != notes_before:
            note(self.name, notes)
        if self._holding.held_back and self._holding.held_back != held_back:
            log.warning(
                "discovery holds a list back that drops more than half of its schools",
                source=self.name,
                dropped=self._holding.held_back,
                schools=len(self.live),
            )
        self._said = said
