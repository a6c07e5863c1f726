"""What is remembered of one school from round to round: beliefs, distances, identity, the state of its ranges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from portwatchd.model import (
        Certificate,
        DiagnosisKind,
        Distance,
        Family,
        HopEvidence,
        Observation,
        Outcome,
        PolicyFact,
        Standing,
        VerdictKind,
    )
    from portwatchd.rounds.calm import Calm

Key: TypeAlias = "tuple[Family, str]"
"""A family and a service's name: what a port's series is known by."""


@dataclass(frozen=True, slots=True)
class Proven:
    """Hop evidence and the outcome that it explains; it holds for a while, as long as the outcome does."""

    outcome: Outcome
    evidence: HopEvidence
    contrasted: bool
    """Another port was healthy then: what a silence says depends on that."""
    at: float


@dataclass(frozen=True, slots=True)
class SeenKey:
    """A host key, when it was seen last and first, and the identification that came with it."""

    fingerprint: str
    at: float
    banner: str
    since: float = 0.0


@dataclass(slots=True)
class Memory:
    """The one mutable thing of a school, written by its own round only. Times are UTC seconds unless said otherwise."""

    standings: dict[Key, Standing[VerdictKind]] = field(default_factory=dict)
    outcomes: dict[Key, Outcome] = field(default_factory=dict)
    """The last outcome that was believed: another one is looked at twice."""
    diagnosis: Standing[DiagnosisKind] | None = None
    addresses: dict[Family, tuple[str, ...]] = field(default_factory=dict)
    changes: dict[Family, int] = field(default_factory=dict)
    distances: dict[str, Distance] = field(default_factory=dict)
    """By address; kept over restarts."""
    settled: dict[str, float] = field(default_factory=dict)
    """By address: when the arriving TTL was last seen to hold."""
    proven: dict[tuple[str, int], Proven] = field(default_factory=dict)
    """By address and port."""
    unreachable: dict[str, float] = field(default_factory=dict)
    """By address: when a router last said that it cannot reach it, while nothing there answered since."""
    ranges: dict[Key, dict[int, bool]] = field(default_factory=dict)
    """Which ports of a range are forwarded, as far as they were asked."""
    cursors: dict[Key, int] = field(default_factory=dict)
    """Where the rotation through a range goes on."""
    searched_at: float | None = None
    """When the router was last searched for without a healthy port."""
    sweeping: dict[Key, list[int]] = field(default_factory=dict)
    """Ports of a range that a sweep has still to ask: it goes on in the rounds that follow."""
    swept_at: float | None = None
    canaries_at: dict[Family, float] = field(default_factory=dict)
    """When the canary ports of an exposed host were last asked."""
    exposed: dict[Family, bool] = field(default_factory=dict)
    named: set[Key] = field(default_factory=set)
    """Ports that once showed a certificate for the school's own name."""
    host_key: str | None = None
    """The fingerprint of the SSH host key of the right machine."""
    software: str = ""
    """What spoke SSH there, without its version."""
    fingerprints: set[str] = field(default_factory=set)
    """Certificates of the right machine, where there is no name to know them by."""
    host_keys: dict[str, SeenKey] = field(default_factory=dict)
    """The host key seen last, by address."""
    host_key_at: float | None = None
    """When a host key was asked for last, at whichever address."""
    policies: dict[Key, tuple[PolicyFact, ...]] = field(default_factory=dict)
    certificates: dict[Key, Certificate] = field(default_factory=dict)
    healthy: dict[Family, tuple[str, int]] = field(default_factory=dict)
    """A port that answered in the last round: a sign that the monitor's own line works."""
    vouched: dict[tuple[str, int], Observation] = field(default_factory=dict)
    """What ports with TLS or an upgrade to it showed, by address and port, where all was well."""
    calm: Calm | None = None
    """The last judgement, where the next watch may take it over."""
    turn: int = 0
    """Whose turn it is to be asked in full."""
    audit_due: float | None = None
    """When the next audit is due; 0 at once, None not planned yet."""
    limited_at: float | None = None
    """Monotonic time of the last TTL-limited probe: routers send one time-exceeded a second."""
