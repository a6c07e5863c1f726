"""Owns what is believed of a list over its readings: a list that shrinks by more than half has to say so twice."""

from __future__ import annotations

from collections.abc import Mapping

from portwatchd.model import School

SHARE = 0.5
"""Of a list's schools: where a new list lacks more of them, it may be half a list."""


class Holding:
    """The list in force, and the one that is held back."""

    def __init__(self, patience: float) -> None:
        """`patience`: seconds after which a second list may confirm the first."""
        self._patience = patience
        self._held: frozenset[str] = frozenset()
        self._since = 0.0
        self.live: Mapping[str, School] | None = None
        """None before the first list."""

    @property
    def held_back(self) -> int:
        """How many schools the list that is held back would drop."""
        return len(self._held)

    def offer(self, schools: Mapping[str, School], now: float, *, confirms: bool = True) -> bool:
        """Take a list, or hold it back. One that is held back comes into force when the next confirms what it drops.

        New schools are watched at once in either case, and what is known anew of the others counts. One that was not
        read anew, but only understood anew, confirms nothing.
        """
        live = {} if self.live is None else self.live
        dropped = live.keys() - schools.keys()
        if len(dropped) <= SHARE * len(live) or (
            confirms and self._held and dropped <= self._held and now - self._since >= self._patience
        ):
            self.live, self._held = dict(schools), frozenset()
            return True
        if not self._held or not dropped <= self._held:
            self._held, self._since = frozenset(dropped), now
        self.live = {**live, **schools}
        return False
