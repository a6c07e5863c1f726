"""From the verdicts on a school's ports to its diagnosis: the first cause that holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portwatchd.model import Diagnosis, DiagnosisKind, Family, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portwatchd.model import PortReport

NOT_JUDGED = frozenset({VerdictKind.UNKNOWN, VerdictKind.BLOCKED_HERE})
LOST = frozenset({VerdictKind.FORWARD_LOST, VerdictKind.ROUTER_ANSWERS})
DOWN = frozenset({VerdictKind.SERVICE_DOWN, VerdictKind.SERVER_FILTERED, VerdictKind.SERVICE_FAULTY})
DEAD = LOST | {VerdictKind.SERVER_DOWN, VerdictKind.LINE_DOWN}
"""Verdicts that leave nothing of the server on a port."""


def diagnose(ports: Sequence[PortReport]) -> Diagnosis:
    """Return the first diagnosis that holds, with its ports. Optional ports decide nothing but `wrong_device`."""
    judged = [p for p in ports if p.service.required and p.verdict.kind not in NOT_JUDGED]
    if not judged:
        return Diagnosis(DiagnosisKind.UNKNOWN, tuple(ports), "no port could be judged")
    dead = {family: _all_dead(judged, family) for family in Family if any(p.family is family for p in judged)}
    if all(dead.values()):
        return Diagnosis(_whole_school(judged), tuple(judged))
    for family, kind in ((Family.IPV4, DiagnosisKind.IPV4_LOST), (Family.IPV6, DiagnosisKind.IPV6_LOST)):
        if dead.get(family) and _lives(judged, family):
            return Diagnosis(kind, tuple(p for p in judged if p.family is family))
    for kind, concerns in _SINGLE_PORTS:
        concerned = tuple(p for p in ports if concerns(p))
        if concerned:
            return Diagnosis(kind, concerned)
    return Diagnosis(DiagnosisKind.OK)


def _all_dead(judged: Sequence[PortReport], family: Family) -> bool:
    return all(p.verdict.kind in DEAD for p in judged if p.family is family)


def _lives(judged: Sequence[PortReport], lost: Family) -> bool:
    """Whether the server is there over the other family: another machine in its place is no sign of its life."""
    gone = DEAD | {VerdictKind.WRONG_DEVICE}
    return any(p.verdict.kind not in gone for p in judged if p.family is not lost)


def _whole_school(judged: Sequence[PortReport]) -> DiagnosisKind:
    """Nothing of the server is left: the line, the server, or every forward."""
    kinds = {p.verdict.kind for p in judged}
    if kinds == {VerdictKind.LINE_DOWN}:
        return DiagnosisKind.LINE_DOWN
    if VerdictKind.SERVER_DOWN in kinds:
        return DiagnosisKind.SERVER_DOWN
    return DiagnosisKind.ALL_FORWARDS_LOST


def violates(port: PortReport) -> bool:
    """Whether a service that answers breaks one of its policies."""
    return port.verdict.kind is VerdictKind.OK and any(fact.holds is False for fact in port.policies)


_SINGLE_PORTS: tuple[tuple[DiagnosisKind, Callable[[PortReport], bool]], ...] = (
    (DiagnosisKind.WRONG_DEVICE, lambda p: p.verdict.kind is VerdictKind.WRONG_DEVICE),
    (DiagnosisKind.FORWARDS_LOST, lambda p: p.service.required and p.verdict.kind in DEAD),
    (DiagnosisKind.SERVICES_DOWN, lambda p: p.service.required and p.verdict.kind in DOWN),
    (DiagnosisKind.POLICY_VIOLATED, lambda p: p.service.required and violates(p)),
)
"""Causes of single ports, in their order; a port that is dead among living ones has lost its forward."""
