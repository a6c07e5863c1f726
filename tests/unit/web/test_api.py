import json
from dataclasses import replace

import pytest

from portwatchd.diagnosis.words import remedy, summary
from portwatchd.model import (
    DiagnosisKind,
    Foreign,
    Observation,
    Outcome,
    Policy,
    PolicyFact,
    Proof,
    Stage,
    TlsFacts,
    Verdict,
    VerdictKind,
)
from portwatchd.web.api import Json, school_json, sd_json
from tests.unit.metrics.test_render import CERTIFICATE
from tests.unit.reports import ALIAS, HTTPS, SCHOOL, SMTP, holes, port, report

LOST = replace(
    port(SMTP, Verdict(VerdictKind.FORWARD_LOST, Proof.HOP, "no trace of a forward"), outcome=Outcome.REFUSED),
    observation=Observation(1.0, Outcome.REFUSED, stages=((Stage.CONNECT, 0.0123456),), detail="refused"),
    policies=(),
)


def shown(told: Json, service: str) -> Json:
    ports = told["ports"]
    assert isinstance(ports, list)
    (found,) = [port for port in ports if port["service"] == service]
    assert isinstance(found, dict)
    return found


def test_a_school_with_a_lost_forward() -> None:
    told = report(DiagnosisKind.FORWARDS_LOST, LOST)
    made = school_json(told)
    assert list(made)[:5] == ["school", "host", "profile", "labels", "diagnosis"]
    assert made["diagnosis"] == "forwards_lost"
    assert made["summary"] == summary(told, "en")
    assert made["remedy"] == remedy(told, "en")
    assert made["addresses"] == [
        {
            "family": "ipv4",
            "address": "198.51.100.2",
            "hops": 3,
            "hop_method": "time_exceeded",
            "exposed_host": False,
        },
    ]
    assert shown(made, "smtp") == {
        "family": "ipv4",
        "port": "25",
        "service": "smtp",
        "required": True,
        "address": "198.51.100.2",
        "verdict": "forward_lost",
        "proof": "hop",
        "since": 1_700_000_000.0,
        "up": False,
        "forwarded": False,
        "outcome": "refused",
        "detail": "no trace of a forward",
        "banner": "",
        "stages": {"connect": 0.012},
        "tls": None,
        "certificate": None,
        "policies": {"tls_offered": None, "plaintext_refused": None},
        "policy_reasons": {},
    }


def test_a_range_says_which_ports() -> None:
    made = shown(school_json(report(DiagnosisKind.FORWARDS_LOST, holes())), "ftp-data")
    assert made["port"] == "63000-63099"
    assert made["range"] == {"forwarded": 95, "lost": [63017, 63040, 63041, 63042, 63099], "unknown": []}
    assert "range" not in shown(school_json(report(DiagnosisKind.OK)), "smtp")


def test_certificates_policies_and_tls() -> None:
    broken = PolicyFact(Policy.HSTS, holds=False, reason="no HSTS header")
    web = replace(
        port(HTTPS, broken=[broken]),
        certificate=CERTIFICATE,
        observation=Observation(1.0, Outcome.OK, banner=Foreign(b"\x1bhi"), tls=TlsFacts("TLSv1.3", "AES")),
    )
    made = shown(school_json(report(DiagnosisKind.POLICY_VIOLATED, web)), "https")
    assert made["policies"] == {"hsts": False, "certificate_valid": True}
    assert made["policy_reasons"] == {"hsts": "no HSTS header"}
    assert made["tls"] == {"version": "TLSv1.3", "cipher": "AES"}
    assert made["banner"] == "\\x1bhi"
    certificate = made["certificate"]
    assert isinstance(certificate, dict)
    assert list(certificate) == [
        "subject",
        "issuer",
        "san",
        "not_before",
        "not_after",
        "fingerprint_sha256",
        "valid",
        "reason",
    ]
    assert certificate["valid"] is False


def test_what_is_not_known_is_null() -> None:
    unknown = replace(port(ALIAS, Verdict(VerdictKind.UNKNOWN, Proof.NONE)), observation=None, forwarded=None)
    made = shown(school_json(report(DiagnosisKind.OK, unknown)), "ldaps-alias")
    assert (made["up"], made["forwarded"], made["outcome"], made["stages"]) == (None, None, None, {})


def test_sentences_come_in_german_too() -> None:
    told = report(DiagnosisKind.FORWARDS_LOST, LOST)
    assert school_json(told, "de")["summary"] == summary(told, "de") != summary(told, "en")


@pytest.mark.parametrize("kind", DiagnosisKind)
def test_every_diagnosis_is_json(kind: DiagnosisKind) -> None:
    assert json.loads(json.dumps(school_json(report(kind))))["diagnosis"] == kind.value


def test_discovery_names_the_school_and_its_labels() -> None:
    assert sd_json(replace(SCHOOL, labels=(("district", "nord"),))) == {
        "targets": ["gym-nord.example.org"],
        "labels": {
            "__meta_portwatch_school": "gym-nord",
            "__meta_portwatch_profile": "iserv",
            "__meta_portwatch_server_name": "gym-nord.example.org",
            "__meta_portwatch_label_district": "nord",
        },
    }
