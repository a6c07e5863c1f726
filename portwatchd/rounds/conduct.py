"""The way of one round: resolve, watch, confirm, prove, judge, diagnose, remember, report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from portwatchd.diagnosis.identity import identify
from portwatchd.diagnosis.policies import certificate_policies
from portwatchd.diagnosis.port import Facts, Identity, Scene, connected, forwarded, judge
from portwatchd.diagnosis.school import diagnose
from portwatchd.diagnosis.standing import VEILS, advance, shown
from portwatchd.model import (
    AddressReport,
    Depth,
    Diagnosis,
    DiagnosisKind,
    Distance,
    Family,
    HopEvidence,
    Observation,
    PortReport,
    Proof,
    Protocol,
    RangeState,
    Report,
    Service,
    Target,
    Transition,
    Verdict,
    VerdictKind,
)
from portwatchd.rounds import ranges
from portwatchd.rounds.hopping import Hopper
from portwatchd.rounds.proving import healthy_port, prove, scene, signs_of_life
from portwatchd.rounds.tools import Round
from portwatchd.rounds.watching import confirm, look_at_ourselves, observe_all, resolve, targets_of
from portwatchd.world import Resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from portwatchd.model import School
    from portwatchd.rounds.memory import Memory
    from portwatchd.rounds.tools import Tools

_RECOVERS_FROM = frozenset(DiagnosisKind) - {DiagnosisKind.OK, DiagnosisKind.POLICY_VIOLATED, DiagnosisKind.UNKNOWN}
"""Diagnoses after which an audit follows at once: who has come back is looked at closely."""
_CANARY = Service("canary", Protocol.TCP, 1, 1)
"""How a canary port is judged: as a plain port that must be forwarded."""
SEVERITY = {kind: rank for rank, kind in enumerate(VerdictKind)}


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict on one service at one address, before the addresses of a family are merged."""

    service: Service
    family: Family
    address: str
    verdict: Verdict
    observation: Observation | None
    state: RangeState | None = None


async def conduct(
    school: School,
    memory: Memory,
    tools: Tools,
    *,
    depth: Depth = Depth.WATCH,
    complete: bool = False,
    progress: Callable[[int], None] = lambda _done: None,
) -> Report:
    """Carry out one round of a school and return everything it led to; the memory is brought up to date.

    Never raises for what the network does. `complete` asks for every proof and the whole range at once.
    """
    running = Round(school, memory, tools, complete=complete, progress=progress)
    started = tools.clock.monotonic()
    resolution = await resolve(running)
    if not resolution.addresses:
        lost = resolution.status in {Resolved.NO_SUCH_NAME, Resolved.NAME_SERVER_FAILED}
        kind = DiagnosisKind.DNS_FAILED if lost else DiagnosisKind.UNKNOWN
        judged = _nothing(running, resolution.detail)
        return _report(running, started, judged, (), Diagnosis(kind, (), resolution.detail))
    seen = await observe_all(running, targets_of(running, resolution.addresses, depth))
    seen = await confirm(running, seen, depth)
    await look_at_ourselves(running, seen)
    judged, addresses = await _judge_all(running, seen)
    return _report(running, started, judged, addresses, None)


def _nothing(running: Round, detail: str) -> list[Judged]:
    """Every port the monitor watches, unknown: no address leads to it."""
    families = [f for f in running.tools.settings.families if f in running.memory.addresses]
    verdict = Verdict(VerdictKind.UNKNOWN, Proof.NONE, detail)
    services = running.school.profile.services
    return [Judged(service, family, "", verdict, None) for family in families for service in services]


async def _judge_all(
    running: Round,
    seen: Mapping[Target, Observation],
) -> tuple[list[Judged], tuple[AddressReport, ...]]:
    """Judge every address, the one that answers first: its answers are a contrast for the others."""
    identities = identify(seen, running.memory.named)
    groups: dict[tuple[Family, str], dict[Target, Observation]] = {}
    for target, observation in seen.items():
        groups.setdefault((target.family, target.address), {})[target] = observation
    judged: list[Judged] = []
    addresses: list[AddressReport] = []
    alive = {f for (f, _), group in groups.items() if any(connected(o) for o in group.values())}
    for (family, address), group in groups.items():
        if family in running.cut:
            verdict = Verdict(VerdictKind.UNKNOWN, Proof.NONE, "the monitor itself is cut off")
            services = running.school.profile.services
            judged += [Judged(service, family, address, verdict, _of(service, group)) for service in services]
            addresses.append(_address(running, family, address))
            continue
        others = bool(alive - {family})
        judged += await _judge_address(running, family, address, group, identities, others_alive=others)
        addresses.append(_address(running, family, address))
    return judged, tuple(addresses)


def _of(service: Service, group: Mapping[Target, Observation]) -> Observation | None:
    return next((o for t, o in group.items() if t.service.name == service.name), None)


def _address(running: Round, family: Family, address: str) -> AddressReport:
    distance = running.memory.distances.get(address, Distance())
    return AddressReport(family, address, distance, running.memory.exposed.get(family))


async def _judge_address(
    running: Round,
    family: Family,
    address: str,
    group: Mapping[Target, Observation],
    identities: Mapping[Target, Identity],
    *,
    others_alive: bool,
) -> list[Judged]:
    """Prove and judge the ports of one address, its ranges and canaries with them."""
    evidence = await prove(running, family, address, group, identities)
    blocked = {t for t, o in group.items() if not connected(o) and await running.tools.vigil.blocked(t.port)}
    facts = {
        target: Facts(
            target.service,
            family,
            address,
            observation,
            evidence.get(target, HopEvidence()),
            identities[target],
            target in blocked,
        )
        for target, observation in group.items()
    }
    hopper = Hopper(running, family, address)
    around = scene(list(facts.values()), other_family_alive=others_alive, distance=hopper.distance, life=False)
    if not (around.server_answers or around.forward_seen or around.router_alive):
        life = await signs_of_life(running, hopper, ranges.canaries(running))
        around = replace(around, router_alive=life)
    healthy = healthy_port(group, identities)
    judged = [
        Judged(target.service, family, address, judge(replace(found, scene=around)), found.observation)
        for target, found in facts.items()
    ]
    spans = [service for service in running.school.profile.services if service.protocol is Protocol.RANGE]
    judged += [await _judge_range(running, hopper, service, healthy, around) for service in spans]
    if healthy is not None and _canary_due(running, family):
        running.memory.canaries_at[family] = running.tools.clock.wall()
        verdicts = await _ask_closed(running, hopper, _CANARY, ranges.canaries(running), healthy, around)
        answer = ranges.exposed(list(verdicts.values()))
        if answer is not None:
            running.memory.exposed[family] = answer
    return judged


def _canary_due(running: Round, family: Family) -> bool:
    """Whether the exposed host is looked at now: in a complete round, at first, and as often as audits come."""
    last = running.memory.canaries_at.get(family)
    now = running.tools.clock.wall()
    return running.complete or last is None or now - last >= running.tools.settings.audit_interval


async def _ask_closed(
    running: Round,
    hopper: Hopper,
    service: Service,
    ports: Sequence[int],
    healthy: int | None,
    around: Scene,
) -> dict[int, Verdict]:
    asked = await ranges.ask(running, hopper, ports, healthy)
    refuses = any(a.hop.same_machine for a in asked.values())
    return {
        port: ranges.judge_port(
            Facts(service, hopper.family, hopper.address, a.observation, a.hop),
            around,
            server_refuses=refuses,
        )
        for port, a in asked.items()
    }


async def _judge_range(
    running: Round,
    hopper: Hopper,
    service: Service,
    healthy: int | None,
    around: Scene,
) -> Judged:
    """Ask the next ports of a range, or all of it where a loss shows, a day has passed, or a person waits."""
    memory, key = running.memory, (hopper.family, service.name)
    now = running.tools.clock.wall()
    state = memory.ranges.setdefault(key, {})
    daily = memory.swept_at is not None and now - memory.swept_at >= ranges.SWEEP_EVERY
    whole = running.complete or (daily and healthy is not None)
    verdicts = await _ask_closed(
        running,
        hopper,
        service,
        ranges.next_ports(running, hopper.family, service, whole=whole),
        healthy,
        around,
    )
    if not whole and around.server_answers and _differs(state, verdicts):
        whole = True
        every = ranges.next_ports(running, hopper.family, service, whole=True)
        for _ in range(2):
            verdicts = await _ask_closed(running, hopper, service, every, healthy, around)
            if not _differs(state, verdicts):
                break
    if whole or memory.swept_at is None:
        memory.swept_at = now
    ranges.remember(state, verdicts)
    verdict, known = ranges.judge_range(service, state, verdicts)
    return Judged(service, hopper.family, hopper.address, verdict, None, known)


def _differs(state: Mapping[int, bool], verdicts: Mapping[int, Verdict]) -> bool:
    """Whether a port is lost that was not known to be, or forwarded that was lost."""
    return any(
        (v.kind in ranges.LOST and state.get(port) is not False)
        or (v.kind in ranges.FORWARDED and state.get(port) is False)
        for port, v in verdicts.items()
    )


def _report(
    running: Round,
    started: float,
    judged: Sequence[Judged],
    addresses: tuple[AddressReport, ...],
    diagnosis: Diagnosis | None,
) -> Report:
    """Bring the memory up to date with what was judged, and freeze it all into a report."""
    memory, school = running.memory, running.school
    now = running.tools.clock.wall()
    merged: dict[tuple[Family, str], Judged] = {}
    for one in judged:
        key = (one.family, one.service.name)
        if key not in merged or SEVERITY[one.verdict.kind] > SEVERITY[merged[key].verdict.kind]:
            merged[key] = one
    transitions: list[Transition] = []
    _remember_healthy(memory, merged.values())
    ports = tuple(_port_report(running, one, now, transitions) for one in merged.values())
    diagnosis = diagnosis or diagnose(ports)
    before = memory.diagnosis
    memory.diagnosis, changed = advance(before, diagnosis.kind, now)
    if changed:
        if before is not None and before.believed in _RECOVERS_FROM:
            memory.audit_due = 0.0
        was = before.believed if before else None
        transitions.append(Transition(now, school.name, None, None, None, was, diagnosis.kind, None, diagnosis.detail))
    return Report(
        school,
        now,
        running.tools.clock.monotonic() - started,
        diagnosis,
        shown(memory.diagnosis, diagnosis.kind),
        addresses,
        ports,
        tuple(transitions),
        tuple(sorted(memory.changes.items())),
        tuple(running.observations),
    )


def _remember_healthy(memory: Memory, judged: Iterable[Judged]) -> None:
    """Keep one port of each family that answers; none where nothing does, and the old one while nothing is known."""
    for family in Family:
        here = [one for one in judged if one.family is family and one.verdict.kind not in VEILS]
        well = [one for one in here if one.verdict.kind is VerdictKind.OK and one.state is None]
        if well:
            memory.healthy[family] = (well[0].address, well[0].service.first)
        elif here:
            memory.healthy.pop(family, None)


def _port_report(running: Round, one: Judged, now: float, transitions: list[Transition]) -> PortReport:
    memory, key = running.memory, (one.family, one.service.name)
    before = memory.standings.get(key)
    standing, changed = advance(before, one.verdict.kind, now)
    memory.standings[key] = standing
    if changed:
        was = before.believed if before else None
        port, kind = one.service.port, one.verdict.kind
        proof, detail = one.verdict.proof, one.verdict.detail
        name = running.school.name
        transitions.append(Transition(now, name, one.family, one.service.name, port, was, kind, proof, detail))
    seen = one.observation
    if seen is not None and one.verdict.kind not in VEILS:
        memory.outcomes[key] = seen.outcome
        _remember_facts(running, one, seen)
    return PortReport(
        one.service,
        one.family,
        one.address,
        one.verdict,
        shown(standing, one.verdict.kind),
        forwarded(one.verdict) if one.state is None else _range_forwarded(one),
        seen,
        memory.policies.get(key, ()),
        memory.certificates.get(key),
        one.state,
    )


def _range_forwarded(one: Judged) -> bool | None:
    """Whether a range is forwarded: all that is known of it, and something is."""
    if one.state is None or (not one.state.forwarded and not one.state.lost):
        return None
    return not one.state.lost


def _remember_facts(running: Round, one: Judged, seen: Observation) -> None:
    """Keep the certificate and the policies of the last probe that saw them; another machine's are not the school's."""
    memory, key = running.memory, (one.family, one.service.name)
    if one.verdict.kind in {VerdictKind.WRONG_DEVICE, VerdictKind.ROUTER_ANSWERS}:
        return
    known = {fact.policy: fact for fact in memory.policies.get(key, ())}
    known |= {fact.policy: fact for fact in seen.policies}
    if seen.certificate is not None:
        memory.certificates[key] = seen.certificate
        if seen.certificate.names_match:
            memory.named.add(key)
    if key in memory.certificates:
        facts = certificate_policies(memory.certificates[key], running.tools.clock.wall())
        known |= {fact.policy: fact for fact in facts if fact.policy in one.service.policies}
    memory.policies[key] = tuple(known.values())
