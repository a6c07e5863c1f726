"""From changes to time: how long each port of a school was in each verdict. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from portwatchd.model import Family, Transition, VerdictKind

UNKNOWN = VerdictKind.UNKNOWN.value
NOT_COUNTED = frozenset({UNKNOWN, VerdictKind.BLOCKED_HERE.value, VerdictKind.UNUSED.value})
"""Time that is neither well nor lost: nobody watched, the monitor was at fault, or nobody needs the port."""

Span = tuple[float, float]
Veil = tuple[tuple[Family, str] | None, float, float]
"""A port (None: all), since when, and until when it was hidden what to believe of it: the fault was the monitor's."""


@dataclass(frozen=True, slots=True)
class PortAvailability:
    """How many seconds a port was in each verdict, longest first. `unknown`: nobody watched or could judge."""

    family: Family
    service: str
    port: str
    seconds: Mapping[str, float]

    @property
    def share(self) -> float | None:
        """The part of the counted time in which the port was well, 0 to 1; None where no time counts."""
        counted = sum(seconds for verdict, seconds in self.seconds.items() if verdict not in NOT_COUNTED)
        return self.seconds.get(VerdictKind.OK.value, 0.0) / counted if counted > 0 else None


def availability(
    changes: Iterable[Transition],
    watched: Sequence[Span],
    since: float,
    until: float,
    veiled: Sequence[Veil] = (),
) -> list[PortAvailability]:
    """Return what the changes of one school say of each of its ports between two times, in the order of ports.

    The last change before `since` has to be among them, for it says how that time began. Time that is not watched,
    or veiled, counts as unknown, and time before a port was first judged does not count at all.
    """
    ports: dict[tuple[Family, str], list[Transition]] = defaultdict(list)
    for change in changes:
        if change.family is not None and change.service is not None:
            ports[change.family, change.service].append(change)
    found = []
    for (family, service), own in ports.items():
        own.sort(key=lambda change: change.at)
        seconds: dict[str, float] = defaultdict(float)
        known = _without(watched, [(begins, ends) for key, begins, ends in veiled if key in {None, (family, service)}])
        for verdict, begins, ends in _periods(own, since, until):
            seen = sum(max(0.0, min(ends, last) - max(begins, first)) for first, last in known)
            seconds[verdict] += min(seen, ends - begins)
            seconds[UNKNOWN] += max(0.0, ends - begins - seen)
        kept = {verdict: spent for verdict, spent in seconds.items() if spent > 0}
        if kept:
            ordered = dict(sorted(kept.items(), key=lambda item: -item[1]))
            found.append(PortAvailability(family, service, own[-1].port or "", ordered))
    return sorted(found, key=lambda one: (_number(one.port), one.service, one.family))


def _without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """Return what is left of spans of time."""
    left = list(spans)
    for begins, ends in holes:
        parts = [part for first, last in left for part in ((first, min(last, begins)), (max(first, ends), last))]
        left = [(first, last) for first, last in parts if first < last]
    return left


def _periods(changes: Sequence[Transition], since: float, until: float) -> Iterable[tuple[str, float, float]]:
    """Yield each verdict with the part of its time that lies between the two times."""
    first = changes[0]
    spans = [(change.after, change.at) for change in changes]
    if first.before is not None:
        spans.insert(0, (first.before, since))
    for number, (verdict, begins) in enumerate(spans):
        ends = spans[number + 1][1] if number + 1 < len(spans) else until
        begins, ends = max(begins, since), min(ends, until)  # noqa: PLW2901 - cut to the window
        if ends > begins:
            yield verdict, begins, ends


def _number(port: str) -> int:
    first = port.partition("-")[0]
    return int(first) if first.isascii() and first.isdigit() else 0
