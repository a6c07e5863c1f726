"""One reading of every source, for a single check."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from portwatchd.config import Config
from portwatchd.discovery.discovery import named, sources
from portwatchd.discovery.entries import merged, resolved
from portwatchd.discovery.groups import Broken
from portwatchd.model import School


def found(config: Config) -> tuple[tuple[School, ...], list[str], list[str]]:
    """The configuration's schools with those found, faults of whole sources and notes on single targets."""
    return asyncio.run(_found(config))


async def _found(config: Config) -> tuple[tuple[School, ...], list[str], list[str]]:
    wanted = sources(config)
    names = list(named(wanted).values())
    read = await asyncio.gather(*(source.read(whole=True) for source in wanted.values()), return_exceptions=True)
    lists: dict[str, Mapping[str, School]] = {}
    faults: list[str] = []
    notes: list[str] = []
    for name, result in zip(names, read, strict=True):
        if isinstance(result, Broken):
            faults.append(f"{name}: {result}")
        elif isinstance(result, BaseException):
            raise result
        elif result is not None:
            lists[name], unusable = resolved(result.entries, config.profiles)
            faults += result.faults
            notes += [f"{name}: {note}" for note in unusable.values()]
            notes += [f"{name}: {note}" for note in result.notes]
    schools, against = merged(config.schools, lists)
    notes += [f"{source}: {note}" for source, some in against.items() for note in some]
    return tuple(schools), faults, notes
