"""A watch that finds every port as the one before: what was judged then still holds, and only ranges are asked.

Nearly all rounds are such, and to judge the same facts again was a third of their cost.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from portwatchd.diagnosis.faces import face_of
from portwatchd.diagnosis.port import Identity, connected
from portwatchd.model import Depth, DiagnosisKind, Protocol
from portwatchd.rounds.hopping import Hopper
from portwatchd.rounds.identifying import nothing_to_ask
from portwatchd.rounds.judging import address_report, round_trip
from portwatchd.rounds.proving import PROOF_HOLDS
from portwatchd.rounds.ranges import still_forwarded, sum_up
from portwatchd.rounds.targets import CALM
from portwatchd.rounds.tools import Round

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from portwatchd.model import Family, Observation, PortReport, Report, School, Target
    from portwatchd.rounds.closed import Ground
    from portwatchd.rounds.tools import Settings

HOLDS = 900.0
"""Seconds for which a judgement is taken over at most; an audit judges anew in any case."""
GOOD = frozenset({DiagnosisKind.OK, DiagnosisKind.POLICY_VIOLATED})
OURS = frozenset({Identity.RIGHT, Identity.NOT_KNOWN})

Addresses = tuple[tuple["Family", str], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """An address, and a port there that the server answers."""

    family: Family
    address: str
    healthy: int | None


@dataclass(slots=True)
class Calm:
    """The last judgement of a school of which all is well, and what it rests on; times are UTC seconds."""

    school: School
    settings: Settings
    places: tuple[Place, ...]
    until: float
    seen: dict[tuple[str, int], Observation]
    """By address and port: what was seen last."""
    told: Report


def calm_of(
    running: Round,
    seen: Mapping[Target, Observation],
    identities: Mapping[Target, Identity],
    grounds: Sequence[Ground],
    told: Report,
) -> Calm | None:
    """Return what the next watch may rest on; None where anything is new, in doubt, or still to be learnt."""
    memory, now = running.memory, told.at
    quiet = (
        told.diagnosis.kind in GOOD
        and not told.transitions
        and all(port.verdict.kind in CALM for port in told.ports)
        and all(target.depth is Depth.WATCH for target in seen)
        and all(identities[target] in OURS for target in seen)
        and all(port.range is None or (port.range.forwarded and not port.range.lost) for port in told.ports)
        and all(g.hopper.distance.arriving is not None and g.hopper.distance.hops is not None for g in grounds)
        and not running.cut
        and nothing_to_ask(running, seen)
    )
    if not quiet:
        return None
    ends = [now + HOLDS]
    ends += [one.certificate.not_after for one in memory.vouched.values() if one.certificate is not None]
    for target, observation in seen.items():
        if not connected(observation):
            proven = memory.proven.get((target.address, target.port))
            ends.append(proven.at + PROOF_HOLDS if proven is not None else now)
    return Calm(
        running.school,
        running.tools.settings,
        tuple(Place(g.hopper.family, g.hopper.address, g.hopper.healthy) for g in grounds),
        min(ends),
        {(target.address, target.port): observation for target, observation in seen.items()},
        told,
    )


async def as_before(
    running: Round,
    calm: Calm,
    started: float,
    addresses: Addresses,
    seen: Mapping[Target, Observation],
) -> Report | None:
    """Return the report of a watch in which nothing is new; None where the round must be judged in whole."""
    clock = running.tools.clock
    if not _holds(running, calm, addresses) or not _alike(running, calm, seen):
        return None
    hoppers = [_hopper(running, place, seen) for place in calm.places]
    if not all(await asyncio.gather(*(still_forwarded(running, hopper) for hopper in hoppers))):
        return None
    here = {(target.address, target.port): observation for target, observation in seen.items()}
    ports = tuple(_renewed(running, port, here) for port in calm.told.ports)
    calm.seen = here
    calm.told = replace(
        calm.told,
        at=clock.wall(),
        seconds=clock.monotonic() - started,
        addresses=tuple(address_report(running, *one) for one in addresses),
        ports=ports,
        observations=tuple(running.observations),
        calm=True,
    )
    return calm.told


def _holds(running: Round, calm: Calm, addresses: Addresses) -> bool:
    """Whether the same school is asked at the same addresses, by the same settings, and not too long after."""
    return (
        calm.school is running.school
        and calm.settings is running.tools.settings
        and sorted((place.family, place.address) for place in calm.places) == sorted(addresses)
        and running.tools.clock.wall() < calm.until
    )


def _alike(running: Round, calm: Calm, seen: Mapping[Target, Observation]) -> bool:
    """Whether every port shows what it showed, as far as anything is judged by it."""
    if len(seen) != len(calm.seen):
        return False
    for target, now in seen.items():
        before = calm.seen.get((target.address, target.port))
        if (
            before is None
            or now.outcome is not before.outcome
            or now.stopped is not before.stopped
            or now.void
            or now.offender != before.offender
            or now.certificate != before.certificate
            or not _same_voice(target, before, now)
            or not _same_policies(running, target, before, now)
        ):
            return False
    return True


def _same_voice(target: Target, before: Observation, now: Observation) -> bool:
    """Whether it says the same; many greetings hold the time of day, so that only its kind counts but for SSH."""
    if now.banner == before.banner:
        return True
    return target.service.protocol is not Protocol.SSH and face_of(now) is face_of(before)


def _same_policies(running: Round, target: Target, before: Observation, now: Observation) -> bool:
    """Whether it shows nothing of its policies that is not known: a glance shows fewer of them than a full look."""
    if now.policies == before.policies:
        return True
    known = running.memory.policies.get((target.family, target.service.name), ())
    return all(fact in known for fact in now.policies)


def _hopper(running: Round, place: Place, seen: Mapping[Target, Observation]) -> Hopper:
    here = (observation for target, observation in seen.items() if target.address == place.address)
    return Hopper(running, place.family, place.address, healthy=place.healthy, round_trip=round_trip(here))


def _renewed(running: Round, port: PortReport, here: Mapping[tuple[str, int], Observation]) -> PortReport:
    """Return the report on a port with what was seen now, and on a range with what was learnt of its ports."""
    if port.range is None:
        return replace(port, observation=here[port.address, port.service.first])
    if not port.range.unknown:
        return port
    verdict, known = sum_up(port.service, running.memory.ranges[port.family, port.service.name], {})
    return replace(port, verdict=verdict, range=known)
