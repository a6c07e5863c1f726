"""Who is watched at this moment and what is remembered of each, and how one set of schools takes another's place."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import TYPE_CHECKING, NamedTuple

from portwatchd.history.writer import PARTED_SECONDS
from portwatchd.inventory import Inventory, difference
from portwatchd.rounds.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portwatchd.model import School
    from portwatchd.shard import Shard


class Gone(NamedTuple):
    """Schools by name that are what they were no longer."""

    parted: list[str]
    """Watched no longer, and remembered for PARTED_SECONDS: it may have been a mistake."""
    forgotten: list[str]
    """Another host or profile: what was known is of no use."""


class Fleet:
    """The schools and their memories."""

    def __init__(self, shard: Shard) -> None:
        """`shard` says which share of the schools is watched here."""
        self._shard = shard
        self.inventory = Inventory()
        self.memories: dict[str, Memory] = {}
        self._remembered: dict[str, Memory] = {}
        """Memories of schools that are not watched now; one that comes back gets its own."""
        self._parted: dict[str, tuple[float, School | None]] = {}
        """Of those: until when (Unix seconds) and, where this process watched them, as what."""

    def recall(self, remembered: dict[str, Memory], now: float) -> None:
        """Take up what the history remembers; audits that fell due meanwhile are spread anew."""
        self._remembered = remembered
        for memory in remembered.values():
            if memory.audit_due is not None and 0 < memory.audit_due < now:
                memory.audit_due = None

    def watch(self, schools: Iterable[School], now: float) -> Gone:
        """Watch these schools from this Unix time on, and return who has gone; those that stay keep their standing."""
        inventory = Inventory(self._shard.of(schools))
        change = difference(self.inventory, inventory)
        gone = Gone(list(change.removed), [])
        for name, (at, _) in list(self._parted.items()):
            if now - at > PARTED_SECONDS:
                del self._parted[name], self._remembered[name]
        for name in change.removed:
            self._remembered[name] = _kept(self.memories.pop(name))
            self._parted[name] = now, self.inventory[name]
        for name in change.changed:
            if not _same(self.inventory[name], inventory[name]):
                self.memories[name] = Memory()
                gone.forgotten.append(name)
        for name in change.added:
            _, before = self._parted.pop(name, (now, None))
            memory = self._remembered.pop(name, Memory())
            if before is not None and not _same(before, inventory[name]):
                memory = Memory()
                gone.forgotten.append(name)
            self.memories[name] = memory
        self.inventory = inventory
        return gone

    def part_absent(self, now: float) -> list[str]:
        """Count who is remembered from before the start, and not watched, as parted from now on; return their names."""
        absent = [name for name in self._remembered if name not in self._parted]
        self._parted |= dict.fromkeys(absent, (now, None))
        return absent


def _same(old: School, new: School) -> bool:
    """Whether what is remembered of the one holds for the other."""
    return (old.host, old.profile) == (new.host, new.profile)


def _kept(memory: Memory) -> Memory:
    """Return a memory that a round in flight no longer writes to, without what holds for a round only."""
    kept = copy.copy(memory)
    for one in fields(memory):
        setattr(kept, one.name, _copied(getattr(memory, one.name)))
    kept.healthy.clear()
    kept.vouched.clear()
    kept.calm = None
    return kept


def _copied(value: object) -> object:
    """Copy what can be changed; the rest is frozen."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return copy.copy(value) if isinstance(value, list | set) else value
