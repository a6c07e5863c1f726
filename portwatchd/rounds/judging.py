"""The middle of a round: gather the proofs of every address, set the scene, judge every port."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from portwatchd.diagnosis.faces import face_of
from portwatchd.diagnosis.port import Facts, Identity, connected, judge
from portwatchd.diagnosis.standing import VEILS
from portwatchd.model import (
    AddressReport,
    Distance,
    Family,
    HopEvidence,
    Outcome,
    Proof,
    Protocol,
    Stage,
    Verdict,
    VerdictKind,
)
from portwatchd.rounds.closed import Ground
from portwatchd.rounds.hopping import Hopper
from portwatchd.rounds.proving import PROOF_HOLDS, healthy_port, prove, scene, signs_of_life
from portwatchd.rounds.ranges import canaries, judge_range, look_for_exposed_host, sweep_due
from portwatchd.rounds.reporting import Judged

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence
    from typing import Any

    from portwatchd.diagnosis.port import Scene
    from portwatchd.model import Observation, Service, Target
    from portwatchd.rounds.tools import Round


@dataclass(slots=True)
class Site:
    """One address while it is judged."""

    hopper: Hopper
    facts: dict[Target, Facts]
    scene: Scene


def by_address(seen: Mapping[Target, Observation]) -> dict[tuple[Family, str], dict[Target, Observation]]:
    """Return what was seen, address by address."""
    groups: dict[tuple[Family, str], dict[Target, Observation]] = {}
    for target, observation in seen.items():
        groups.setdefault((target.family, target.address), {})[target] = observation
    return groups


async def prove_ahead(
    running: Round,
    seen: Mapping[Target, Observation],
    identities: Mapping[Target, Identity],
) -> None:
    """Gather proofs of what fails at first sight, while it is confirmed; what then still fails alike needs no more.

    A router is not searched for then: the errors that a confirmation draws from it would take the place of those that
    show its distance (Linux bounds both together).
    """
    groups = by_address(seen).values()
    met = [(_hopper(running, group, identities), group) for group in groups]
    able = [(hopper, group) for hopper, group in met if hopper.healthy is not None or hopper.distance.hops is not None]
    await asyncio.gather(*(prove(hopper, group, identities) for hopper, group in able))


async def judge_ports(
    running: Round,
    seen: Mapping[Target, Observation],
    identities: Mapping[Target, Identity],
) -> tuple[list[Judged], list[Ground]]:
    """Judge every address beside the others: what one family shows of router and server is a contrast for the other.

    Return the verdicts, and on which grounds the ranges of each address are judged.
    """
    judged: list[Judged] = []
    visits: list[Coroutine[Any, Any, Site]] = []
    for (family, address), group in by_address(seen).items():
        if family in running.cut:
            judged += _cut_off(running, family, address, group)
        else:
            visits.append(_visit(_hopper(running, group, identities), group, identities))
    sites = sorted(await asyncio.gather(*visits), key=lambda site: site.hopper.family)
    siblings: dict[str, VerdictKind] = {}
    grounds: list[Ground] = []
    scenes = await asyncio.gather(*(_around(running, site, sites) for site in sites))
    for site, around in zip(sites, scenes, strict=True):
        here = [_judge(site, target, around, siblings) for target in site.facts]
        siblings |= {one.service.name: one.verdict.kind for one in here if one.verdict.proof is Proof.HOP}
        blind = bool(here) and all(one.verdict.kind in VEILS for one in here)
        grounds.append(Ground(site.hopper, around, blind=blind))
        judged += here
    return judged, grounds


async def judge_ranges(running: Round, grounds: Sequence[Ground]) -> list[Judged]:
    """Ask and judge the ranges of every address, and look which of them is an exposed host."""
    swept = sweep_due(running)
    judged = [one for found in await asyncio.gather(*(_closed(running, ground) for ground in grounds)) for one in found]
    if (swept or running.complete) and any(ground.scene.server_answers for ground in grounds):
        running.memory.swept_at = running.tools.clock.wall()
    return judged


async def _closed(running: Round, ground: Ground) -> list[Judged]:
    """Judge the ranges of one address, and look whether it is an exposed host."""
    spans = [service for service in running.school.profile.services if service.protocol is Protocol.RANGE]
    judged = [await judge_range(running, ground, service) for service in spans]
    await look_for_exposed_host(running, ground)
    return judged


def _cut_off(running: Round, family: Family, address: str, group: Mapping[Target, Observation]) -> list[Judged]:
    """Every port of an address is unknown: the monitor's own line is cut."""
    verdict = Verdict(VerdictKind.UNKNOWN, Proof.NONE, "the monitor itself is cut off")
    seen = {target.service.name: observation for target, observation in group.items()}
    services = running.school.profile.services
    return [Judged(service, family, address, verdict, seen.get(service.name)) for service in services]


def address_report(running: Round, family: Family, address: str) -> AddressReport:
    """Return what is known of an address by now."""
    distance = running.memory.distances.get(address, Distance())
    return AddressReport(family, address, distance, running.memory.exposed.get(family))


def _hopper(running: Round, group: Mapping[Target, Observation], identities: Mapping[Target, Identity]) -> Hopper:
    """Return who asks the address of these ports."""
    target, healthy = next(iter(group)), healthy_port(group, identities)
    return Hopper(running, target.family, target.address, healthy=healthy, round_trip=round_trip(group.values()))


def round_trip(observations: Iterable[Observation]) -> float | None:
    """Return the seconds that the slowest connect took."""
    times = [seconds for o in observations if connected(o) and (seconds := o.seconds(Stage.CONNECT)) is not None]
    return max(times, default=None)


async def _visit(hopper: Hopper, group: Mapping[Target, Observation], identities: Mapping[Target, Identity]) -> Site:
    """Gather the proofs of one address."""
    evidence = await prove(hopper, group, identities)
    vigil = hopper.running.tools.vigil
    blocked = {t for t, o in group.items() if not connected(o) and await vigil.blocked(t.port)}
    facts = {
        target: Facts(
            target.service,
            target.family,
            target.address,
            observation,
            evidence.get(target, HopEvidence()),
            identities[target],
            target in blocked,
            face=None if identities[target] is Identity.RIGHT else face_of(observation),
        )
        for target, observation in group.items()
    }
    return Site(hopper, facts, scene(list(facts.values()), hopper.distance))


async def _around(running: Round, site: Site, sites: list[Site]) -> Scene:
    """Return the scene of an address with what the other addresses show; a silent router is looked at once more."""
    others = [other.scene for other in sites if other is not site]
    alive = any(o.scene.server_answers for o in sites if o.hopper.family is not site.hopper.family)
    around = replace(
        site.scene,
        other_family_alive=alive,
        router_alive=site.scene.router_alive or any(other.router_alive for other in others),
    )
    off = any(other.forward_seen for other in others) and not alive
    unreachable = _unreachable(running, site)
    if not around.server_answers and (off or (unreachable and around.router_alive)):
        return replace(around, forward_seen=True)
    if around.server_answers or around.forward_seen or around.router_alive or around.other_family_alive:
        return around
    return replace(around, router_alive=await signs_of_life(running, site.hopper, canaries(running)))


def _unreachable(running: Round, site: Site) -> bool:
    """Whether a router said that it cannot reach a port; where the school's own lives, it was that one (IPv6).

    It says so to some SYNs only (its ICMP is rate-limited), so that its word holds for a while.
    """
    now, told, address = running.tools.clock.wall(), running.memory.unreachable, site.hopper.address
    router = site.hopper.distance.router
    by = {f.observation.offender for f in site.facts.values() if f.observation.outcome is Outcome.UNREACHABLE}
    if by and (router is None or router in by):
        told[address] = now
    elif any(_says_otherwise(facts) for facts in site.facts.values()):
        told.pop(address, None)
    return now - told.get(address, -PROOF_HOLDS) < PROOF_HOLDS


def _says_otherwise(facts: Facts) -> bool:
    """Whether the server answers, or a router rejects what must be forwarded: then it does not look for the server."""
    rejected = facts.service.required and facts.observation.outcome is Outcome.REJECTED
    return rejected or connected(facts.observation) or facts.observation.outcome is Outcome.REFUSED


def _judge(site: Site, target: Target, around: Scene, siblings: Mapping[str, VerdictKind]) -> Judged:
    """Judge one port, beside the verdict that was proven on the same service over the other family."""
    facts = site.facts[target]
    if not connected(facts.observation):  # an answer is judged without what surrounds it
        facts = replace(facts, scene=around, sibling=siblings.get(target.service.name))
    service: Service = target.service
    return Judged(service, target.family, target.address, judge(facts), facts.observation)
