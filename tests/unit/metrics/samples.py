"""The samples that a report ought to have, said a second time and in the plainest way; and what others parse."""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from portwatchd.model import PortReport, Report, Stage, VerdictKind

Labels = dict[str, str]
Told = set[tuple[str, frozenset[tuple[str, str]], float]]


def expected(report: Report) -> Told:
    said = list(_school(report))
    for port in report.ports:
        at = {
            "school": report.school.name,
            "family": port.family.value,
            "port": port.service.port,
            "port_name": port.service.name,
        }
        said += [(f"portwatch_{name}", at | more, value) for name, more, value in _port(port)]
    return {(name, frozenset(labels.items()), float(value)) for name, labels, value in said}


def openmetrics_families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def told(metrics: Iterable[Metric]) -> Told:
    return {_plain(sample) for metric in metrics for sample in metric.samples}


def _plain(sample: Sample) -> tuple[str, frozenset[tuple[str, str]], float]:
    return sample.name, frozenset(sample.labels.items()), float(sample.value)


def _school(report: Report) -> Iterator[tuple[str, Labels, float]]:
    own = {"school": report.school.name}
    about = {"host": report.school.host, "profile": report.school.profile.name}
    yield "portwatch_school_info", dict(report.school.labels) | own | about, 1
    yield "portwatch_school_diagnosis", own | {"diagnosis": report.diagnosis.kind.value}, 1
    yield "portwatch_school_diagnosis_since_timestamp_seconds", own, report.since
    yield "portwatch_school_last_round_timestamp_seconds", own, report.at
    for one in report.addresses:
        there = own | {"family": one.family.value}
        yield "portwatch_school_address_info", there | {"address": one.address}, 1
        if one.exposed_host is not None:
            yield "portwatch_school_exposed_host", there, one.exposed_host
    for family, changes in report.address_changes:
        yield "portwatch_school_address_changes_total", own | {"family": family.value}, changes


def _port(port: PortReport) -> Iterator[tuple[str, Labels, float]]:
    verdict = port.verdict
    if verdict.kind not in {VerdictKind.UNKNOWN, VerdictKind.BLOCKED_HERE}:
        yield "port_up", {}, verdict.kind is VerdictKind.OK
    if port.forwarded is not None:
        yield "port_forwarded", {}, port.forwarded
    yield "port_verdict", {"verdict": verdict.kind.value, "proof": verdict.proof.value}, 1
    yield "port_verdict_since_timestamp_seconds", {}, port.since
    yield "port_required", {}, port.service.required
    if port.observation and (seconds := port.observation.seconds(Stage.TOTAL)) is not None:
        yield "port_duration_seconds", {}, seconds
    for fact in port.policies:
        if fact.holds is not None:
            yield "port_policy_ok", {"policy": fact.policy.value}, fact.holds
    if port.certificate:
        yield "port_certificate_not_before_timestamp_seconds", {}, port.certificate.not_before
        yield "port_certificate_not_after_timestamp_seconds", {}, port.certificate.not_after
    if port.range:
        yield "range_ports", {"state": "forwarded"}, port.range.forwarded
        yield "range_ports", {"state": "lost"}, len(port.range.lost)
        yield "range_ports", {"state": "unknown"}, len(port.range.unknown)
