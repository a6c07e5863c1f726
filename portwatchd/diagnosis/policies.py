"""From a certificate to the policies about it: is it valid, is it renewed in time, and if not, why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from portwatchd.model import Policy, PolicyFact, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portwatchd.model import Certificate, PortReport

DAY = 86400.0
CAUSE = "Let's Encrypt cannot validate, for port 80 does not reach the server"
REACHES = frozenset({VerdictKind.OK, VerdictKind.UNUSED, VerdictKind.UNKNOWN, VerdictKind.BLOCKED_HERE})
"""Verdicts that say nothing against port 80."""

RENEWED_AT = 2 / 3
"""The part of its life after which an ACME client renews a certificate (RFC 9773 and Let's Encrypt's advice)."""
MARGIN = 0.1
"""A part of its life that a renewal may be late before it is called overdue: 9 days of 90."""


def certificate_policies(certificate: Certificate, now: float) -> tuple[PolicyFact, ...]:
    """Return whether the certificate is valid and fresh at a time (UTC seconds)."""
    valid = PolicyFact(Policy.CERTIFICATE_VALID, certificate.valid, certificate.reason)
    life = certificate.not_after - certificate.not_before
    overdue = certificate.not_before + life * (RENEWED_AT + MARGIN)
    fresh = now < overdue
    return valid, PolicyFact(Policy.CERTIFICATE_FRESH, fresh, "" if fresh else _overdue(certificate.not_after - now))


def _overdue(left: float) -> str:
    """Return how late a renewal is; `left` are the seconds until the certificate runs out."""
    days = left / DAY
    return (
        f"not renewed in time, {days:.0f} days left"
        if left >= 0
        else f"not renewed in time, ran out {-days:.0f} days ago"
    )


def name_the_cause(ports: Sequence[PortReport]) -> tuple[PortReport, ...]:
    """Return the ports with the cause added to each renewal that is overdue, where port 80 shows why.

    Let's Encrypt asks on port 80 before it signs (HTTP-01, RFC 8555 section 8.3), over either family.
    """
    if not any(map(_hinders, ports)):
        return tuple(ports)
    return tuple(
        replace(port, policies=tuple(map(_explained, port.policies))) if any(map(_late, port.policies)) else port
        for port in ports
    )


def _hinders(port: PortReport) -> bool:
    """Whether this is the port of the validation, and it is lost, broken, or another machine's."""
    if Policy.ACME_REACHABLE not in port.service.policies:
        return False
    shut = any(fact.policy is Policy.ACME_REACHABLE and fact.holds is False for fact in port.policies)
    return shut or port.verdict.kind not in REACHES


def _late(fact: PolicyFact) -> bool:
    return fact.policy is Policy.CERTIFICATE_FRESH and fact.holds is False


def _explained(fact: PolicyFact) -> PolicyFact:
    return replace(fact, reason=f"{fact.reason}: {CAUSE}") if _late(fact) else fact
