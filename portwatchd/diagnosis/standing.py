"""What is believed, since when, and what counts as a change of belief."""

from __future__ import annotations

from portwatchd.model import DiagnosisKind, K, Standing, VerdictKind

VEILS = frozenset({VerdictKind.UNKNOWN, VerdictKind.BLOCKED_HERE, DiagnosisKind.UNKNOWN})
"""Judgements that are about the monitor: they hide what is believed and never replace it."""


def advance(standing: Standing[K] | None, kind: K, at: float) -> tuple[Standing[K], bool]:
    """Return the next standing, and whether what is believed has changed (a transition).

    A veil keeps the belief and its time: when the veil lifts on the same belief, nothing has happened.
    """
    if kind in VEILS:
        believed = standing.believed if standing else None
        since = standing.since if standing else at
        if standing is not None and standing.veil is kind:
            return standing, False
        return Standing(believed, since, kind, at), False
    if standing is not None and standing.believed is kind:
        return (standing if standing.veil is None else Standing(kind, standing.since)), False
    return Standing(kind, at), True


def shown(standing: Standing[K], kind: K) -> float:
    """Return since when the present judgement is shown: the veil's time while one hides the belief."""
    return standing.veiled_since if kind in VEILS else standing.since
