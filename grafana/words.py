"""Which verdict and diagnosis has which colour, and which runbook belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from grafana_foundation_sdk.models import dashboard

from portwatchd.model import DiagnosisKind, Proof, VerdictKind

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "#56A64B", "#F2CC0C", "#FF9830", "#E02F44", "#3274D9", "#8E8E8E"

VERDICTS: Mapping[VerdictKind, str] = MappingProxyType(
    {
        VerdictKind.OK: GREEN,
        VerdictKind.UNUSED: "#A7B8C4",
        VerdictKind.UNKNOWN: GREY,
        VerdictKind.BLOCKED_HERE: "#B877D9",
        VerdictKind.SERVICE_FAULTY: YELLOW,
        VerdictKind.SERVER_FILTERED: ORANGE,
        VerdictKind.SERVICE_DOWN: "#FA6400",
        VerdictKind.WRONG_DEVICE: BLUE,
        VerdictKind.ROUTER_ANSWERS: "#E0226E",
        VerdictKind.FORWARD_LOST: RED,
        VerdictKind.SERVER_DOWN: "#9C1127",
        VerdictKind.LINE_DOWN: "#5A0A14",
    },
)
"""Green is well, grey and violet are the monitor's own fault; from yellow to dark red more and more is lost."""
DIAGNOSES: Mapping[DiagnosisKind, str] = MappingProxyType(
    {
        DiagnosisKind.OK: GREEN,
        DiagnosisKind.POLICY_VIOLATED: YELLOW,
        DiagnosisKind.SERVICES_DOWN: ORANGE,
        DiagnosisKind.FORWARDS_LOST: RED,
        DiagnosisKind.WRONG_DEVICE: BLUE,
        DiagnosisKind.IPV6_LOST: "#FF7383",
        DiagnosisKind.IPV4_LOST: "#F2495C",
        DiagnosisKind.ALL_FORWARDS_LOST: "#C4162A",
        DiagnosisKind.SERVER_DOWN: "#9C1127",
        DiagnosisKind.LINE_DOWN: "#5A0A14",
        DiagnosisKind.DNS_FAILED: "#8F3BB8",
        DiagnosisKind.UNKNOWN: GREY,
    },
)
VERDICT_CODES: Mapping[VerdictKind, int] = MappingProxyType({kind: code for code, kind in enumerate(VERDICTS)})
DIAGNOSIS_CODES: Mapping[DiagnosisKind, int] = MappingProxyType({kind: code for code, kind in enumerate(DIAGNOSES)})
"""PromQL makes no number of a label, and a state timeline needs one: each word is given its place as a number."""

NOT_LOST = (VerdictKind.OK, VerdictKind.UNUSED, VerdictKind.UNKNOWN, VerdictKind.BLOCKED_HERE)
"""Verdicts that tell of no loss: well, not needed, or not judged."""
NOT_AFFECTED = (DiagnosisKind.OK, DiagnosisKind.POLICY_VIOLATED, DiagnosisKind.UNKNOWN)
"""Diagnoses under which everything that is required can be reached, or nothing is known."""

RUNBOOKS: Mapping[VerdictKind, str] = MappingProxyType(
    {
        VerdictKind.FORWARD_LOST: "PortwatchForwardLost",
        VerdictKind.ROUTER_ANSWERS: "PortwatchRouterAnswers",
        VerdictKind.WRONG_DEVICE: "PortwatchWrongDevice",
        VerdictKind.SERVICE_DOWN: "PortwatchServiceDown",
        VerdictKind.SERVER_FILTERED: "PortwatchServiceDown",
        VerdictKind.SERVICE_FAULTY: "PortwatchServiceDown",
        VerdictKind.SERVER_DOWN: "PortwatchServerDown",
        VerdictKind.LINE_DOWN: "PortwatchLineDown",
        VerdictKind.BLOCKED_HERE: "PortwatchBlockedHere",
    },
)
PROOFS: Mapping[Proof, str] = MappingProxyType(
    {
        Proof.ANSWER: GREEN,
        Proof.HOP: BLUE,
        Proof.ICMP: "#73BF69",
        Proof.IDENTITY: "#B877D9",
        Proof.CONTRAST: YELLOW,
        Proof.NONE: GREY,
    },
)


def readable(word: str) -> str:
    """Return a word of the interface as people read it: `forward_lost` is `forward lost`."""
    return word.replace("_", " ")


def mapped(colours: Mapping[str, str]) -> dashboard.ValueMap:
    """Return the mapping that shows words readably and in their colours."""
    return dashboard.ValueMap(
        {
            word: dashboard.ValueMappingResult(text=readable(word), color=colour, index=index)
            for index, (word, colour) in enumerate(colours.items())
        },
    )


def plain(colours: Mapping[VerdictKind, str] | Mapping[DiagnosisKind, str] | Mapping[Proof, str]) -> dict[str, str]:
    """Return the colours under plain strings."""
    return {str(kind.value): colour for kind, colour in colours.items()}


def coded(colours: Mapping[str, str]) -> dashboard.ValueMap:
    """Return the mapping of a word's place to the word and its colour."""
    return dashboard.ValueMap(
        {
            str(index): dashboard.ValueMappingResult(text=readable(word), color=colour, index=index)
            for index, (word, colour) in enumerate(colours.items())
        },
    )


VERDICT_WORDS, VERDICT_NUMBERS = mapped(plain(VERDICTS)), coded(plain(VERDICTS))
DIAGNOSIS_WORDS, DIAGNOSIS_NUMBERS = mapped(plain(DIAGNOSES)), coded(plain(DIAGNOSES))
PROOF_WORDS = mapped(plain(PROOFS))
HOLDS = coded({"no": RED, "yes": GREEN})
"""0 and 1 of a gauge that should be 1."""
PLAIN_YES_NO = coded({"no": GREY, "yes": "#5794F2"})
"""0 and 1 of a gauge of which neither is better."""
