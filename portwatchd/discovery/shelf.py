"""Where the lists in force outlive the process, and how one is written and read; never where it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Protocol

from portwatchd.config import values
from portwatchd.config.problem import Refused
from portwatchd.discovery.entries import Entry
from portwatchd.discovery.groups import Broken
from portwatchd.model import School


class Shelf(Protocol):
    """Texts that are kept, one a source."""

    def lists(self) -> Mapping[str, str]:
        """What is kept now, by the key of its source."""
        ...

    def keep_list(self, source: str, text: str | None) -> None:
        """Keep a text in place of the one before, or none any more. Does not wait for the disk."""
        ...


class NoShelf:
    """Keeps nothing."""

    def lists(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def keep_list(self, source: str, text: str | None) -> None:
        """Nobody reads it again."""


def key_of(*words: str) -> str:
    """Return what tells a source from others and tells nobody its URL, whose query may hold a secret."""
    return hashlib.sha256("\0".join(words).encode(errors="surrogateescape")).hexdigest()


def to_text(schools: Iterable[School]) -> str:
    """Return a list of schools as one compact JSON text."""
    rows = [(one.name, one.host, one.server_name, one.profile.name, one.labels) for one in schools]
    return json.dumps(rows, separators=(",", ":"))


def from_text(text: str) -> dict[str, Entry]:
    """Return the list that a text holds, by name; Broken where it is none."""
    try:
        return {entry.name: entry for entry in map(_entry, json.loads(text))}
    except (ValueError, TypeError, KeyError, RecursionError, Refused) as error:
        raise Broken(f"the list stored before the start is damaged: {type(error).__name__}") from None


def _entry(row: list[object]) -> Entry:
    name, host, server_name, profile, labels = row
    if not (isinstance(name, str) and isinstance(host, str) and isinstance(server_name, str)):
        raise TypeError(row)
    if not (isinstance(profile, str) and isinstance(labels, list)):
        raise TypeError(row)
    pairs = tuple((values.label_name(label), values.label_value(value)) for label, value in labels)
    return Entry(values.name(name), values.host(host), server_name, profile, pairs)
