"""Owns what a target means: which school it is, by which labels; and what speaks against single ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from portwatchd.config import values
from portwatchd.config.problem import Refused, brief, shown
from portwatchd.config.schools import DEFAULT_PROFILE, LABEL_LIMIT
from portwatchd.discovery.groups import Group
from portwatchd.model import Profile, School

NAMES = ("name", "school")
"""Labels that name a school, the first that is there; without them its host is its name."""
NOTE_LIMIT = 1000
"""Notes of one list; nobody reads more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A target that was understood; whether its profile exists is decided when schools are made of it."""

    name: str
    host: str
    server_name: str
    profile: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """What one reading of a source gave."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    """By name, in the order of the list."""
    refused: int = 0
    """Targets that are no school."""
    notes: tuple[str, ...] = ()
    """What is wrong with single targets and labels."""
    faults: tuple[str, ...] = ()
    """What is wrong with whole files; their last good lists stand in for them."""


def listing(groups: Iterable[Group], faults: Sequence[str] = ()) -> Listing:
    """Understand every target by itself: one that is no school leaves the others alone."""
    entries: dict[str, Entry] = {}
    notes: dict[str, None] = {}
    refused = 0
    for group in groups:
        for target in group.targets:
            try:
                entry, about = understood(target, group.labels)
                # As for a list of ports at one host, for a blackbox exporter: the same school, several times.
                if entries.setdefault(entry.name, entry) != entry:
                    raise Refused(f"the school {shown(entry.name)} is already in the list, as something else")
            except Refused as reason:
                refused += 1
                about = [str(reason)]
            if len(notes) < NOTE_LIMIT:
                notes |= dict.fromkeys(f"target {shown(target)}: {note}" for note in about)
    return Listing(entries, refused, tuple(notes), tuple(faults))


def understood(target: str, labels: Mapping[str, str]) -> tuple[Entry, list[str]]:
    """The school that a target is, and what was left out of it; Refused where it is none.

    A label that cannot be had is left out, for a school without a label is better watched than not watched.
    """
    host = _host(target)
    name = next((labels[label] for label in NAMES if labels.get(label)), host)
    default = "" if values.is_address(host) else host.rstrip(".")
    server_name = labels.get("server_name")
    own: dict[str, str] = {}
    notes = []
    for label, value in labels.items():
        if not value or label.startswith("__") or label in {*NAMES, "profile", "server_name"}:
            continue
        try:
            own[values.label_name(label)] = values.label_value(value)
        except Refused as reason:
            notes.append(f"left out the label {brief(label)}: {reason}")
    if len(own) > LABEL_LIMIT:
        notes.append(f"left out labels: there are {len(own)}; a school has at most {LABEL_LIMIT}")
    entry = Entry(
        name=values.name(name),
        host=host,
        server_name=values.host_name(server_name) if server_name else default,
        profile=labels.get("profile") or DEFAULT_PROFILE,
        labels=tuple(sorted(own.items())[:LABEL_LIMIT]),
    )
    return entry, notes


def _host(target: str) -> str:
    """The host of a target. A port is dropped: the profile knows the ports, and Prometheus' targets often have one."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::[0-9]{1,5})?", target)
    if bracketed and ":" in bracketed[1]:
        return values.host(bracketed[1])
    bare, colon, port = target.rpartition(":")
    if colon and ":" not in bare and re.fullmatch("[0-9]{1,5}", port):
        return values.host(bare)
    return values.host(target)


def resolved(entries: Mapping[str, Entry], profiles: Mapping[str, Profile]) -> tuple[dict[str, School], dict[str, str]]:
    """The schools that entries are, by name, and what speaks against each of the others."""
    schools: dict[str, School] = {}
    unusable: dict[str, str] = {}
    for name, entry in entries.items():
        profile = profiles.get(entry.profile)
        if profile is None:
            unusable[name] = f"school {shown(name)}: unknown profile {shown(entry.profile)}"
        else:
            schools[name] = School(name, entry.host, entry.server_name, profile, entry.labels)
    return schools, unusable


def merged(
    own: Iterable[School],
    lists: Mapping[str, Mapping[str, School]],
) -> tuple[list[School], dict[str, list[str]]]:
    """The configuration's schools, then those of each source that are new, and what speaks against others by source."""
    schools = {school.name: school for school in own}
    places = dict.fromkeys(schools, "the configuration")
    notes: dict[str, list[str]] = {}
    for source, listed in lists.items():
        against = notes[source] = []
        for name, school in listed.items():
            if schools.setdefault(name, school) != school:
                against.append(f"school {shown(name)}: is already in {places[name]}, as something else")
            places.setdefault(name, source)
    return list(schools.values()), notes
