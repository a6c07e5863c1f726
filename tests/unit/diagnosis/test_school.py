from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portwatchd.diagnosis.school import DEAD, DOWN, LOST, NOT_JUDGED, diagnose, violates
from portwatchd.model import (
    DiagnosisKind,
    Family,
    Policy,
    PolicyFact,
    PortReport,
    Proof,
    Protocol,
    Service,
    Verdict,
    VerdictKind,
)
from tests.unit.diagnosis.facts import ADDRESS

V4, V6 = Family.IPV4, Family.IPV6
K, D = VerdictKind, DiagnosisKind
BROKEN = (PolicyFact(Policy.HSTS, holds=False),)


def port(
    kind: VerdictKind,
    family: Family = V4,
    *,
    required: bool = True,
    policies: tuple[PolicyFact, ...] = (),
) -> PortReport:
    service = Service(kind.value, Protocol.TCP, 1, 1, required=required)
    return PortReport(service, family, ADDRESS[family], Verdict(kind, Proof.NONE), 0.0, None, policies=policies)


def four(*kinds: VerdictKind) -> list[PortReport]:
    return [port(kind, V4) for kind in kinds]


def six(*kinds: VerdictKind) -> list[PortReport]:
    return [port(kind, V6) for kind in kinds]


@pytest.mark.parametrize(
    ("ports", "kind"),
    [
        ([], D.UNKNOWN),
        (four(K.UNKNOWN, K.BLOCKED_HERE), D.UNKNOWN),
        ([*four(K.UNKNOWN), port(K.OK, required=False)], D.UNKNOWN),
        (four(K.UNKNOWN, K.OK), D.OK),
        (four(K.BLOCKED_HERE, K.OK), D.OK),
        (four(K.LINE_DOWN, K.LINE_DOWN), D.LINE_DOWN),
        (four(K.LINE_DOWN, K.UNKNOWN), D.LINE_DOWN),
        (four(K.LINE_DOWN) + six(K.LINE_DOWN), D.LINE_DOWN),
        (four(K.LINE_DOWN, K.FORWARD_LOST), D.ALL_FORWARDS_LOST),
        (four(K.SERVER_DOWN, K.SERVER_DOWN), D.SERVER_DOWN),
        (four(K.SERVER_DOWN, K.FORWARD_LOST), D.SERVER_DOWN),
        (four(K.SERVER_DOWN) + six(K.LINE_DOWN), D.SERVER_DOWN),
        (four(K.FORWARD_LOST, K.ROUTER_ANSWERS), D.ALL_FORWARDS_LOST),
        (four(K.FORWARD_LOST) + six(K.FORWARD_LOST), D.ALL_FORWARDS_LOST),
        (four(K.FORWARD_LOST, K.FORWARD_LOST) + six(K.OK), D.IPV4_LOST),
        (four(K.LINE_DOWN, K.SERVER_DOWN) + six(K.OK), D.IPV4_LOST),
        (four(K.FORWARD_LOST) + six(K.SERVICE_DOWN), D.IPV4_LOST),
        (four(K.OK) + six(K.FORWARD_LOST, K.LINE_DOWN), D.IPV6_LOST),
        (four(K.OK) + six(K.SERVER_DOWN), D.IPV6_LOST),
        (four(K.OK, K.FORWARD_LOST) + six(K.FORWARD_LOST), D.IPV6_LOST),
        (four(K.OK, K.WRONG_DEVICE, K.FORWARD_LOST), D.WRONG_DEVICE),
        ([*four(K.OK), port(K.WRONG_DEVICE, required=False)], D.WRONG_DEVICE),
        (four(K.WRONG_DEVICE, K.WRONG_DEVICE), D.WRONG_DEVICE),
        (four(K.OK, K.FORWARD_LOST, K.SERVICE_DOWN), D.FORWARDS_LOST),
        (four(K.OK, K.ROUTER_ANSWERS), D.FORWARDS_LOST),
        (four(K.OK, K.FORWARD_LOST) + six(K.OK, K.OK), D.FORWARDS_LOST),
        ([*four(K.OK), port(K.ROUTER_ANSWERS, required=False)], D.OK),
        ([*four(K.OK), port(K.SERVICE_DOWN, required=False)], D.OK),
        ([*four(K.OK), port(K.UNUSED, required=False)], D.OK),
        ([*four(K.OK), port(K.OK, required=False, policies=BROKEN)], D.OK),
        (four(K.OK, K.SERVICE_DOWN), D.SERVICES_DOWN),
        (four(K.OK, K.SERVER_FILTERED), D.SERVICES_DOWN),
        (four(K.SERVICE_DOWN, K.SERVICE_DOWN), D.SERVICES_DOWN),
        ([port(K.SERVICE_FAULTY), port(K.OK, policies=BROKEN)], D.SERVICES_DOWN),
        ([port(K.OK, policies=BROKEN)], D.POLICY_VIOLATED),
        ([port(K.OK, policies=(PolicyFact(Policy.HSTS, holds=None),))], D.OK),
        ([port(K.OK, policies=(PolicyFact(Policy.HSTS, holds=True),))], D.OK),
        ([port(K.UNKNOWN, policies=BROKEN), port(K.OK)], D.OK),
        (four(K.OK) + six(K.OK), D.OK),
    ],
)
def test_the_first_diagnosis_that_holds(ports: Sequence[PortReport], kind: DiagnosisKind) -> None:
    assert diagnose(ports).kind is kind


@pytest.mark.parametrize(
    ("ports", "concerned"),
    [
        (four(K.FORWARD_LOST, K.OK, K.SERVICE_DOWN), [K.FORWARD_LOST]),
        (four(K.OK) + six(K.FORWARD_LOST, K.LINE_DOWN), [K.FORWARD_LOST, K.LINE_DOWN]),
        (four(K.LINE_DOWN) + six(K.LINE_DOWN), [K.LINE_DOWN, K.LINE_DOWN]),
        ([*four(K.OK, K.WRONG_DEVICE), port(K.WRONG_DEVICE, required=False)], [K.WRONG_DEVICE, K.WRONG_DEVICE]),
        (four(K.SERVICE_DOWN, K.OK, K.SERVICE_FAULTY), [K.SERVICE_DOWN, K.SERVICE_FAULTY]),
        (four(K.OK), []),
    ],
)
def test_a_diagnosis_names_the_ports_that_it_rests_on(
    ports: Sequence[PortReport], concerned: list[VerdictKind]
) -> None:
    assert [p.verdict.kind for p in diagnose(ports).concerned] == concerned


reports = st.builds(
    port,
    st.sampled_from(VerdictKind),
    st.sampled_from(Family),
    required=st.booleans(),
    policies=st.sampled_from([(), BROKEN]),
)


@given(st.lists(reports, max_size=8))
@settings(max_examples=1000)
def test_every_set_of_ports_has_the_first_diagnosis_in_order(ports: list[PortReport]) -> None:
    judged = [p for p in ports if p.service.required and p.verdict.kind not in NOT_JUDGED]
    kinds = [p.verdict.kind for p in judged]

    def lost(family: Family) -> bool:
        here = [p.verdict.kind for p in judged if p.family is family]
        others = [p.verdict.kind for p in judged if p.family is not family]
        lives = any(kind not in DEAD | {K.WRONG_DEVICE} for kind in others)
        return bool(here) and all(kind in DEAD for kind in here) and lives

    everything = all(kind in DEAD for kind in kinds)
    holds = {
        D.UNKNOWN: not judged,
        D.DNS_FAILED: False,
        D.LINE_DOWN: set(kinds) == {K.LINE_DOWN},
        D.SERVER_DOWN: everything and K.SERVER_DOWN in kinds,
        D.ALL_FORWARDS_LOST: everything,
        D.IPV4_LOST: lost(V4),
        D.IPV6_LOST: lost(V6),
        D.WRONG_DEVICE: any(p.verdict.kind is K.WRONG_DEVICE for p in ports),
        D.FORWARDS_LOST: any(kind in DEAD for kind in kinds),
        D.SERVICES_DOWN: any(kind in DOWN for kind in kinds),
        D.POLICY_VIOLATED: any(violates(p) for p in judged),
        D.OK: True,
    }
    assert diagnose(ports).kind is next(kind for kind in DiagnosisKind if holds[kind])


@given(st.lists(reports, max_size=8))
def test_optional_ports_decide_nothing_but_wrong_device(ports: list[PortReport]) -> None:
    decisive = [p for p in ports if p.service.required or p.verdict.kind is K.WRONG_DEVICE]
    assert diagnose(ports).kind is diagnose(decisive).kind


@given(st.lists(reports, max_size=8))
def test_the_order_of_ports_decides_nothing(ports: list[PortReport]) -> None:
    shuffled = sorted(ports, key=lambda p: p.verdict.kind)
    assert diagnose(shuffled).kind is diagnose(ports).kind


@given(st.lists(reports, min_size=1, max_size=8))
def test_a_port_that_is_well_is_never_concerned_but_by_its_policies(ports: list[PortReport]) -> None:
    diagnosis = diagnose(ports)
    if diagnosis.kind not in {D.UNKNOWN, D.POLICY_VIOLATED}:
        assert all(p.verdict.kind is not K.OK for p in diagnosis.concerned)


def test_the_sets_of_verdicts_do_not_overlap() -> None:
    assert LOST < DEAD
    assert not DEAD & DOWN
    assert not (DEAD | DOWN) & NOT_JUDGED
    assert set(VerdictKind) == DEAD | DOWN | NOT_JUDGED | {K.OK, K.UNUSED, K.WRONG_DEVICE}


def test_a_policy_is_violated_by_a_service_that_answers_only() -> None:
    assert violates(port(K.OK, policies=BROKEN))
    assert not violates(replace(port(K.OK), policies=(PolicyFact(Policy.HSTS, holds=None),)))
    assert not violates(port(K.SERVICE_FAULTY, policies=BROKEN))
