"""Owns who is watched at a moment: an immutable snapshot of schools by name, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from portwatchd.model import School


class Inventory(Mapping[str, School]):
    """The schools by name, in the order that they were given."""

    __slots__ = ("_schools",)

    def __init__(self, schools: Iterable[School] = ()) -> None:
        by_name: dict[str, School] = {}
        for school in schools:
            if school.name in by_name:
                raise ValueError(f"two schools are named {school.name!r}")
            by_name[school.name] = school
        self._schools = MappingProxyType(by_name)

    def __getitem__(self, name: str) -> School:
        return self._schools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._schools)

    def __len__(self) -> int:
        return len(self._schools)


class Difference(NamedTuple):
    """What a new inventory changes, by name."""

    added: frozenset[str]
    removed: frozenset[str]
    changed: frozenset[str]
    """Schools of the same name with another host, profile, service or label."""


def difference(old: Mapping[str, School], new: Mapping[str, School]) -> Difference:
    """What is to be started, stopped and replaced to come from one inventory to another."""
    return Difference(
        added=frozenset(new.keys() - old.keys()),
        removed=frozenset(old.keys() - new.keys()),
        changed=frozenset(name for name in old.keys() & new.keys() if old[name] != new[name]),
    )
