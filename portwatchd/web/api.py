"""A report as the JSON object that `check --json` and the API show, and a school as service discovery shows it."""

from __future__ import annotations

from portwatchd.diagnosis.words import remedy, summary
from portwatchd.model import AddressReport, Certificate, Policy, PortReport, RangeState, Report, School, TlsFacts

Json = dict[str, object]


def school_json(report: Report, lang: str = "en") -> Json:
    """Return everything that is known of a school. Times are Unix seconds; null is what is not known."""
    school = report.school
    return {
        "school": school.name,
        "host": school.host,
        "profile": school.profile.name,
        "labels": dict(school.labels),
        "diagnosis": report.diagnosis.kind.value,
        "since": _moment(report.since),
        "at": _moment(report.at),
        "summary": summary(report, lang),
        "remedy": remedy(report, lang),
        "addresses": [_address(one) for one in report.addresses],
        "ports": [_port(port) for port in report.ports],
    }


def sd_json(school: School) -> Json:
    """Return a school as a target group of Prometheus' HTTP service discovery."""
    labels = {
        "__meta_portwatch_school": school.name,
        "__meta_portwatch_profile": school.profile.name,
        "__meta_portwatch_server_name": school.server_name,
    }
    labels |= {f"__meta_portwatch_label_{name}": value for name, value in school.labels}
    return {"targets": [school.host], "labels": labels}


def _moment(seconds: float) -> float:
    """To the millisecond: more would be noise."""
    return round(seconds, 3)


def _address(one: AddressReport) -> Json:
    return {
        "family": one.family.value,
        "address": one.address,
        "hops": one.distance.hops,
        "hop_method": one.distance.method.value,
        "exposed_host": one.exposed_host,
    }


def _port(port: PortReport) -> Json:
    seen = port.observation
    held = {fact.policy: fact for fact in port.policies}
    asked = [policy for policy in Policy if policy in port.service.policies or policy in held]
    shown: Json = {
        "family": port.family.value,
        "port": port.service.port,
        "service": port.service.name,
        "required": port.service.required,
        "address": port.address,
        "verdict": port.verdict.kind.value,
        "proof": port.verdict.proof.value,
        "since": _moment(port.since),
        "up": port.up,
        "forwarded": port.forwarded,
        "outcome": seen.outcome.value if seen else None,
        "detail": port.verdict.detail or (seen.detail if seen else ""),
        "banner": seen.banner.shown() if seen else "",
        "stages": {stage.value: _moment(seconds) for stage, seconds in seen.stages} if seen else {},
        "tls": _tls(seen.tls) if seen and seen.tls else None,
        "certificate": _certificate(port.certificate) if port.certificate else None,
        "policies": {policy.value: held[policy].holds if policy in held else None for policy in asked},
        "policy_reasons": {fact.policy.value: fact.reason for fact in port.policies if fact.reason},
    }
    if port.range is not None:
        shown["range"] = _range(port.range)
    return shown


def _tls(facts: TlsFacts) -> Json:
    return {"version": facts.version, "cipher": facts.cipher}


def _range(known: RangeState) -> Json:
    return {"forwarded": known.forwarded, "lost": list(known.lost), "unknown": list(known.unknown)}


def _certificate(certificate: Certificate) -> Json:
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "san": list(certificate.san),
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "fingerprint_sha256": certificate.fingerprint_sha256,
        "valid": certificate.valid,
        "reason": certificate.reason,
    }
