"""From what a round judged to its report: addresses are merged, the memory is brought up to date, changes are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from portwatchd.diagnosis.policies import certificate_policies, name_the_cause
from portwatchd.diagnosis.port import forwarded
from portwatchd.diagnosis.school import diagnose
from portwatchd.diagnosis.standing import VEILS, advance, shown
from portwatchd.model import DiagnosisKind, Family, Outcome, PortReport, Report, Security, Transition, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portwatchd.model import AddressReport, Diagnosis, Observation, RangeState, Service, Verdict
    from portwatchd.rounds.memory import Key, Memory
    from portwatchd.rounds.tools import Round

SEVERITY = {kind: rank for rank, kind in enumerate(VerdictKind)}
_RECOVERS_FROM = frozenset(DiagnosisKind) - {DiagnosisKind.OK, DiagnosisKind.POLICY_VIOLATED, DiagnosisKind.UNKNOWN}
"""Diagnoses after which an audit follows at once: who has come back is looked at closely."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict on one service at one address, before the addresses of a family are merged."""

    service: Service
    family: Family
    address: str
    verdict: Verdict
    observation: Observation | None
    state: RangeState | None = None


def report(
    running: Round,
    started: float,
    judged: Sequence[Judged],
    addresses: tuple[AddressReport, ...],
    diagnosis: Diagnosis | None,
) -> Report:
    """Bring the memory up to date with what was judged, and freeze it all into a report."""
    memory, school = running.memory, running.school
    now = running.tools.clock.wall()
    merged = worst_of(judged)
    transitions: list[Transition] = list(running.events)
    _remember_healthy(memory, merged.values())
    _remember_vouched(memory, judged)
    ports = name_the_cause([_port_report(running, one, now, transitions) for one in merged.values()])
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


def worst_of(judged: Iterable[Judged]) -> dict[Key, Judged]:
    """Merge the addresses of each family: the worst verdict on a service counts."""
    merged: dict[Key, Judged] = {}
    for one in judged:
        key = (one.family, one.service.name)
        if key not in merged or SEVERITY[one.verdict.kind] > SEVERITY[merged[key].verdict.kind]:
            merged[key] = one
    return merged


def _remember_healthy(memory: Memory, judged: Iterable[Judged]) -> None:
    """Keep one port of each family that answers; none where nothing does, and the old one while nothing is known."""
    for family in Family:
        here = [one for one in judged if one.family is family and one.verdict.kind not in VEILS]
        well = [one for one in here if one.verdict.kind is VerdictKind.OK and one.state is None]
        if well:
            memory.healthy[family] = (well[0].address, well[0].service.first)
        elif here:
            memory.healthy.pop(family, None)


def _remember_vouched(memory: Memory, judged: Iterable[Judged]) -> None:
    """Keep what each port with TLS, or an upgrade to it, showed that is well; what is not is asked in full again."""
    memory.vouched.clear()
    for one in judged:
        seen, security = one.observation, one.service.security
        well = seen is not None and one.verdict.kind is VerdictKind.OK and seen.outcome is Outcome.OK
        if seen is None or not well or security is Security.PLAIN:
            continue
        if security is Security.TLS:
            vouched = seen.certificate is not None and seen.certificate.valid
        else:
            known = memory.policies.get((one.family, one.service.name), ())
            vouched = not any(fact.holds is False for fact in (*known, *seen.policies))
        if vouched:
            memory.vouched[one.address, one.service.first] = seen


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
    """Whether a range is forwarded: all that is known of it; what the verdict knows where no single port is known."""
    if one.state is None or (not one.state.forwarded and not one.state.lost):
        return forwarded(one.verdict)
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
        if seen.certificate.names_match and running.school.server_name:
            memory.named.add(key)
    if key in memory.certificates:
        facts = certificate_policies(memory.certificates[key], running.tools.clock.wall())
        known |= {fact.policy: fact for fact in facts if fact.policy in one.service.policies}
    memory.policies[key] = tuple(known.values())
