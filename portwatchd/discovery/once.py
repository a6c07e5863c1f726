"""One reading of every source, for a single check."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from portwatchd.config import Config
from portwatchd.discovery.discovery import sources
from portwatchd.discovery.entries import Entry, merged
from portwatchd.discovery.groups import Broken
from portwatchd.model import School


def found(config: Config) -> tuple[tuple[School, ...], list[str], list[str]]:
    """The configuration's schools with those found, faults of whole sources and notes on single targets."""
    return asyncio.run(_found(config))


async def _found(config: Config) -> tuple[tuple[School, ...], list[str], list[str]]:
    known = list(sources(config).values())
    read = await asyncio.gather(*(source.read(whole=True) for source in known), return_exceptions=True)
    lists: dict[str, Mapping[str, Entry]] = {}
    faults: list[str] = []
    notes: list[str] = []
    for source, result in zip(known, read, strict=True):
        if isinstance(result, Broken):
            faults.append(f"{source.name}: {result}")
        elif isinstance(result, BaseException):
            raise result
        elif result is not None:
            lists[source.name] = result.entries
            faults += result.faults
            notes += [f"{source.name}: {note}" for note in result.notes]
    schools, against = merged(config.schools, lists, config.profiles)
    notes += [f"{source}: {note}" for source, some in against.items() for note in some]
    return tuple(schools), faults, notes
