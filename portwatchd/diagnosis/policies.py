"""From a certificate to the policies about it: is it valid, and is it renewed in time."""

from __future__ import annotations

from portwatchd.model import Certificate, Policy, PolicyFact

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
    left = (certificate.not_after - now) / 86400
    reason = "" if fresh else f"not renewed in time, {left:.0f} days left"
    return valid, PolicyFact(Policy.CERTIFICATE_FRESH, fresh, reason)
