"""Owns the short words for every verdict, proof, diagnosis, policy and outcome; a test holds the tables total."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portwatchd.diagnosis.words.language import say
from portwatchd.model import DiagnosisKind, Outcome, Policy, Proof, VerdictKind, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

VERDICTS: Mapping[VerdictKind, Words] = {
    VerdictKind.OK: Words("ok", "in Ordnung"),
    VerdictKind.UNUSED: Words("not used", "nicht genutzt"),
    VerdictKind.UNKNOWN: Words("not judged", "nicht beurteilt"),
    VerdictKind.BLOCKED_HERE: Words("blocked here", "hier gesperrt"),
    VerdictKind.SERVICE_FAULTY: Words("service faulty", "Dienst fehlerhaft"),
    VerdictKind.SERVER_FILTERED: Words("server drops it", "Server verwirft"),
    VerdictKind.SERVICE_DOWN: Words("service down", "Dienst aus"),
    VerdictKind.WRONG_DEVICE: Words("wrong device", "falsches Gerät"),
    VerdictKind.ROUTER_ANSWERS: Words("router answers itself", "Router antwortet selbst"),
    VerdictKind.FORWARD_LOST: Words("forward lost", "Weiterleitung fehlt"),
    VerdictKind.SERVER_DOWN: Words("server down", "Server aus"),
    VerdictKind.LINE_DOWN: Words("line down", "Leitung tot"),
}

PROOFS: Mapping[Proof, Words] = {
    Proof.ANSWER: Words("answer", "Antwort"),
    Proof.HOP: Words("hop", "Hop"),
    Proof.ICMP: Words("ICMP", "ICMP"),
    Proof.IDENTITY: Words("identity", "Identität"),
    Proof.CONTRAST: Words("contrast", "Vergleich"),
    Proof.NONE: Words("none", "keiner"),
}

DIAGNOSES: Mapping[DiagnosisKind, Words] = {
    DiagnosisKind.UNKNOWN: Words("not judged", "nicht beurteilt"),
    DiagnosisKind.DNS_FAILED: Words("name not found", "Name nicht auflösbar"),
    DiagnosisKind.LINE_DOWN: Words("line down", "Leitung tot"),
    DiagnosisKind.SERVER_DOWN: Words("server down", "Server aus"),
    DiagnosisKind.ALL_FORWARDS_LOST: Words("all forwards lost", "alle Weiterleitungen fehlen"),
    DiagnosisKind.IPV4_LOST: Words("IPv4 lost", "IPv4 verloren"),
    DiagnosisKind.IPV6_LOST: Words("IPv6 lost", "IPv6 verloren"),
    DiagnosisKind.WRONG_DEVICE: Words("wrong device", "falsches Gerät"),
    DiagnosisKind.FORWARDS_LOST: Words("forwards lost", "Weiterleitungen fehlen"),
    DiagnosisKind.SERVICES_DOWN: Words("services down", "Dienste gestört"),
    DiagnosisKind.POLICY_VIOLATED: Words("rules broken", "Regeln verletzt"),
    DiagnosisKind.OK: Words("all well", "alles in Ordnung"),
}

POLICIES: Mapping[Policy, Words] = {
    Policy.HTTPS_REDIRECT: Words("redirect to HTTPS", "Umleitung auf HTTPS"),
    Policy.HSTS: Words("HSTS", "HSTS"),
    Policy.ACME_REACHABLE: Words("Let's Encrypt reachable", "für Let's Encrypt erreichbar"),
    Policy.TLS_OFFERED: Words("encryption offered", "Verschlüsselung angeboten"),
    Policy.PLAINTEXT_REFUSED: Words("plain login refused", "Klartext-Anmeldung abgelehnt"),
    Policy.CERTIFICATE_VALID: Words("certificate valid", "Zertifikat gültig"),
    Policy.CERTIFICATE_FRESH: Words("certificate renewed", "Zertifikat erneuert"),
}

OUTCOMES: Mapping[Outcome, Words] = {
    Outcome.OK: Words("answered", "geantwortet"),
    Outcome.REFUSED: Words("refused (RST)", "abgelehnt (RST)"),
    Outcome.REJECTED: Words("rejected (ICMP)", "abgewiesen (ICMP)"),
    Outcome.TIMEOUT: Words("no answer in time", "keine Antwort in der Zeit"),
    Outcome.UNREACHABLE: Words("unreachable", "nicht erreichbar"),
    Outcome.CLOSED: Words("connection closed", "Verbindung beendet"),
    Outcome.TLS_FAILED: Words("TLS handshake failed", "TLS-Handshake gescheitert"),
    Outcome.CERTIFICATE_INVALID: Words("certificate not valid", "Zertifikat ungültig"),
    Outcome.WRONG_PROTOCOL: Words("another protocol", "anderes Protokoll"),
    Outcome.MALFORMED: Words("malformed answer", "fehlerhafte Antwort"),
    Outcome.SERVICE_REFUSES: Words("service refuses", "Dienst weist ab"),
    Outcome.STARTTLS_MISSING: Words("no STARTTLS", "kein STARTTLS"),
    Outcome.STARTTLS_INJECTED: Words("text injected behind STARTTLS", "Text hinter STARTTLS eingeschleust"),
    Outcome.UNRESOLVED: Words("name not found", "Name nicht auflösbar"),
    Outcome.LOCAL_ERROR: Words("the monitor's own error", "eigener Fehler der Überwachung"),
}


def verdict_words(kind: VerdictKind, lang: str) -> str:
    """Return a verdict on a port in two or three words."""
    return say(VERDICTS[kind], lang)


def proof_words(proof: Proof, lang: str) -> str:
    """Return by what a verdict is known, in a word."""
    return say(PROOFS[proof], lang)


def diagnosis_words(kind: DiagnosisKind, lang: str) -> str:
    """Return a school's diagnosis in two or three words."""
    return say(DIAGNOSES[kind], lang)


def policy_words(policy: Policy, lang: str) -> str:
    """Return what a policy asks for, as it reads when it holds."""
    return say(POLICIES[policy], lang)


def outcome_words(outcome: Outcome, lang: str) -> str:
    """Return what happened on the wire, in a few words."""
    return say(OUTCOMES[outcome], lang)
