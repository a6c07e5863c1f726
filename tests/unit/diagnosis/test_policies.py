from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.diagnosis.policies import CAUSE, certificate_policies, name_the_cause
from portwatchd.model import Family, Policy, PolicyFact, PortReport, Proof, Protocol, Service, Verdict, VerdictKind
from tests.unit.diagnosis.facts import certificate

DAY = 86400.0


@pytest.mark.parametrize(
    ("age", "fresh", "reason"),
    [
        (0, True, ""),
        (60, True, ""),
        (68.9, True, ""),
        (69.1, False, "not renewed in time, 21 days left"),
        (90, False, "not renewed in time, 0 days left"),
        (95, False, "not renewed in time, ran out 5 days ago"),
    ],
)
def test_a_certificate_of_90_days_is_overdue_nine_days_after_its_renewal(age: float, fresh: bool, reason: str) -> None:
    made = certificate(not_before=1000 * DAY, not_after=1090 * DAY)
    valid, found = certificate_policies(made, (1000 + age) * DAY)
    assert (valid.policy, valid.holds, valid.reason) == (Policy.CERTIFICATE_VALID, True, "")
    assert (found.policy, found.holds, found.reason) == (Policy.CERTIFICATE_FRESH, fresh, reason)


def test_the_reason_of_an_invalid_certificate_is_told() -> None:
    valid, _ = certificate_policies(certificate(valid=False), 0.0)
    assert (valid.holds, valid.reason) == (False, "self-signed")


@given(st.floats(0, 2e9), st.floats(0, 1e9), st.floats(0, 4e9))
def test_every_certificate_and_time_has_both_policies(not_before: float, life: float, now: float) -> None:
    made = certificate(not_before=not_before, not_after=not_before + life)
    assert [fact.policy for fact in certificate_policies(made, now)] == [
        Policy.CERTIFICATE_VALID,
        Policy.CERTIFICATE_FRESH,
    ]


LATE = PolicyFact(Policy.CERTIFICATE_FRESH, holds=False, reason="not renewed in time, 5 days left")
HTTP = Service("http", Protocol.HTTP, 80, 80, policies=frozenset({Policy.ACME_REACHABLE}))
IMAPS = Service("imaps", Protocol.IMAPS, 993, 993, policies=frozenset({Policy.CERTIFICATE_FRESH}))
SHUT = PolicyFact(Policy.ACME_REACHABLE, holds=False)
OPEN = PolicyFact(Policy.ACME_REACHABLE, holds=True)


def port(service: Service, kind: VerdictKind, *facts: PolicyFact) -> PortReport:
    return PortReport(service, Family.IPV4, "198.51.100.2", Verdict(kind, Proof.ANSWER), 0.0, None, policies=facts)


@pytest.mark.parametrize(
    ("http", "named"),
    [
        (port(HTTP, VerdictKind.OK, OPEN), False),
        (port(HTTP, VerdictKind.OK, SHUT), True),
        (port(HTTP, VerdictKind.FORWARD_LOST, OPEN), True),
        (port(HTTP, VerdictKind.ROUTER_ANSWERS), True),
        (port(HTTP, VerdictKind.BLOCKED_HERE), False),
        (port(HTTP, VerdictKind.UNKNOWN), False),
    ],
)
def test_a_port_80_that_is_lost_is_named_as_the_cause_of_a_late_renewal(http: PortReport, named: bool) -> None:
    first, second = name_the_cause([http, port(IMAPS, VerdictKind.OK, LATE)])
    assert first == http
    assert second.policies[0].reason == (f"{LATE.reason}: {CAUSE}" if named else LATE.reason)


def test_a_renewal_in_time_needs_no_cause() -> None:
    ports = (port(HTTP, VerdictKind.FORWARD_LOST), port(IMAPS, VerdictKind.OK, replace(LATE, holds=True)))
    assert name_the_cause(ports) == ports
