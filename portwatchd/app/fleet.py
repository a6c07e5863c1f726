"""Who is watched at this moment and what is remembered of each, and how one set of schools takes another's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portwatchd.inventory import Inventory, difference
from portwatchd.rounds.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portwatchd.model import School
    from portwatchd.shard import Shard


class Fleet:
    """The schools and their memories."""

    def __init__(self, shard: Shard) -> None:
        """`shard` says which share of the schools is watched here."""
        self._shard = shard
        self.inventory = Inventory()
        self.memories: dict[str, Memory] = {}
        self._remembered: dict[str, Memory] = {}
        """Memories that the history kept of schools that are not watched now; one that comes back gets its own."""

    def recall(self, remembered: dict[str, Memory], now: float) -> None:
        """Take up what the history remembers; audits that fell due meanwhile are spread anew."""
        self._remembered = remembered
        for memory in remembered.values():
            if memory.audit_due is not None and 0 < memory.audit_due < now:
                memory.audit_due = None

    def watch(self, schools: Iterable[School]) -> list[str]:
        """Watch these schools from now on and return which are to be forgotten; those that stay keep their standing."""
        inventory = Inventory(self._shard.of(schools))
        change = difference(self.inventory, inventory)
        forgotten = list(change.removed)
        for name in change.removed:
            del self.memories[name]
        for name in change.changed:
            old, new = self.inventory[name], inventory[name]
            if (old.host, old.profile) != (new.host, new.profile):
                self.memories[name] = Memory()
                forgotten.append(name)
        for name in change.added:
            self.memories[name] = self._remembered.pop(name, Memory())
        self.inventory = inventory
        return forgotten
