"""Owns which share of the schools a daemon watches, where several divide them among themselves."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from portwatchd.model import School

_BITS = 0xFFFF_FFFF_FFFF_FFFF


class Shard(NamedTuple):
    """One of `total` daemons; the first is number 0."""

    number: int = 0
    total: int = 1

    def takes(self, name: str) -> bool:
        """Whether a school of this name is this daemon's."""
        return self.total == 1 or bucket(name, self.total) == self.number

    def of(self, schools: Iterable[School]) -> list[School]:
        """The schools that are this daemon's."""
        return [school for school in schools if self.takes(school.name)]


WHOLE = Shard()
"""The one daemon that watches all."""


def bucket(name: str, total: int) -> int:
    """The number from 0 up to `total` that a name belongs to: jump consistent hash (Lamping & Veach 2014).

    From n to n+1 it moves 1/(n+1) of the names, all of them to the new number.
    """
    key = int.from_bytes(sha256(name.encode()).digest()[:8])
    found, following = -1, 0
    while following < total:
        found = following
        key = (key * 2862933555777941757 + 1) & _BITS
        following = int((found + 1) * ((1 << 31) / ((key >> 33) + 1)))
    return found
