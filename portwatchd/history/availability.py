"""From changes to time: how long each port of a school was in each verdict. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

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

    What is watched is in order and apart. The last change before `since` has to be among them, for it says how that
    time began. Time that is not watched, or veiled, counts as unknown, and time before a port was first judged does
    not count at all.
    """
    ports: dict[tuple[Family, str], list[Transition]] = defaultdict(list)
    for change in changes:
        if change.family is not None and change.service is not None:
            ports[change.family, change.service].append(change)
    found = []
    for (family, service), own in ports.items():
        own.sort(key=lambda change: change.at)
        seconds: dict[str, float] = defaultdict(float)
        hidden = joined((begins, ends) for key, begins, ends in veiled if key in {None, (family, service)})
        watched_until = _clock(_without(watched, hidden))
        for verdict, begins, ends in _periods(own, since, until):
            seen = watched_until(ends) - watched_until(begins)
            seconds[verdict] += min(seen, ends - begins)
            seconds[UNKNOWN] += max(0.0, ends - begins - seen)
        kept = {verdict: spent for verdict, spent in seconds.items() if spent > 0}
        if kept:
            ordered = dict(sorted(kept.items(), key=lambda item: -item[1]))
            found.append(PortAvailability(family, service, own[-1].port or "", ordered))
    return sorted(found, key=lambda one: (_number(one.port), one.service, one.family))


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return the same time as spans that are apart from each other, in order."""
    apart: list[Span] = []
    for since, until in sorted(spans):
        if apart and since <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(apart[-1][1], until)
        else:
            apart.append((since, until))
    return apart


def _without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """Return what is left of spans of time; both are in order and apart."""
    left: list[Span] = []
    number = 0
    for first, last in spans:
        while number < len(holes) and holes[number][1] <= first:
            number += 1
        at = first
        for begins, ends in islice(holes, number, None):
            if begins >= last:
                break
            if begins > at:
                left.append((at, begins))
            at = ends
        if at < last:
            left.append((at, last))
    return left


def _clock(spans: Sequence[Span]) -> Callable[[float], float]:
    """Return a clock that runs within the spans and stands still between them; they are in order and apart."""
    begins = [first for first, _ in spans]
    before = [0.0, *accumulate(last - first for first, last in spans)]

    def passed(moment: float) -> float:
        number = bisect_right(begins, moment)
        if not number:
            return 0.0
        first, last = spans[number - 1]
        return before[number - 1] + min(moment, last) - first

    return passed


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
