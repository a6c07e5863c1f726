"""5,000 schools in Prometheus' memory: samples of the real MetricStore at several times, back-filled by promtool."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import yaml

from portwatchd.config import built_in_profiles
from portwatchd.metrics.negotiation import negotiate
from portwatchd.metrics.own import OwnMetrics
from portwatchd.metrics.store import MetricStore
from portwatchd.model import (
    AddressReport,
    Certificate,
    Diagnosis,
    DiagnosisKind,
    Family,
    Observation,
    Outcome,
    Policy,
    PolicyFact,
    PortReport,
    Profile,
    Proof,
    Protocol,
    RangeState,
    Report,
    School,
    Service,
    Stage,
    Verdict,
    VerdictKind,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .prometheus import Prometheus

SCHOOLS = 5_000
DISTRICTS = 16
WITH_IPV6 = 10
"""One school in so many has both families."""
WITHOUT_DISTRICT = 50
"""One school in so many has no district."""
TIMES = 3
SPACING = 240
"""Seconds between two scrapes: Prometheus looks back for 300."""
DAY = 86_400.0
LABELS = {"job": "portwatchd", "instance": "monitor.example.org:10052"}
SAMPLE_STAGES = tuple((stage, 0.01 * number) for number, stage in enumerate(Stage, 1))

_KINDS = (
    DiagnosisKind.FORWARDS_LOST,
    DiagnosisKind.SERVICES_DOWN,
    DiagnosisKind.ALL_FORWARDS_LOST,
    DiagnosisKind.LINE_DOWN,
    DiagnosisKind.SERVER_DOWN,
    DiagnosisKind.WRONG_DEVICE,
    DiagnosisKind.UNKNOWN,
    DiagnosisKind.POLICY_VIOLATED,
    DiagnosisKind.DNS_FAILED,
)
_WHOLLY = {
    DiagnosisKind.ALL_FORWARDS_LOST: Verdict(VerdictKind.FORWARD_LOST, Proof.HOP),
    DiagnosisKind.LINE_DOWN: Verdict(VerdictKind.LINE_DOWN, Proof.CONTRAST),
    DiagnosisKind.SERVER_DOWN: Verdict(VerdictKind.SERVER_DOWN, Proof.ICMP),
    DiagnosisKind.UNKNOWN: Verdict(VerdictKind.UNKNOWN, Proof.NONE),
    DiagnosisKind.DNS_FAILED: Verdict(VerdictKind.UNKNOWN, Proof.NONE),
}
_PARTLY = {
    DiagnosisKind.FORWARDS_LOST: Verdict(VerdictKind.FORWARD_LOST, Proof.HOP),
    DiagnosisKind.SERVICES_DOWN: Verdict(VerdictKind.SERVICE_DOWN, Proof.HOP),
    DiagnosisKind.WRONG_DEVICE: Verdict(VerdictKind.WRONG_DEVICE, Proof.IDENTITY),
}
_WELL, _UNUSED = Verdict(VerdictKind.OK, Proof.ANSWER), Verdict(VerdictKind.UNUSED, Proof.HOP)


def school(number: int, profile: Profile) -> School:
    """Return one of the schools."""
    name = f"school-{number:04}"
    labels = (("district", f"district-{number % DISTRICTS:02}"),) if number % WITHOUT_DISTRICT else ()
    return School(name, f"{name}.example.org", f"{name}.example.org", profile, labels)


def diagnosis(number: int, turn: int) -> DiagnosisKind:
    """Return how a school is: one in seven is not well, and some change from time to time."""
    return (
        _KINDS[(number // 7 + (turn if number % 5 == 0 else 0)) % len(_KINDS)] if number % 7 == 0 else DiagnosisKind.OK
    )


def report(who: School, number: int, turn: int, at: float) -> Report:
    """Return a round of a school."""
    kind = diagnosis(number, turn)
    families = (Family.IPV4, Family.IPV6) if number % WITH_IPV6 == 0 else (Family.IPV4,)
    since = at - 60 * (number % 5_000)
    ports = tuple(
        _port(service, family, kind, number=number, index=index, at=at, since=since)
        for family in families
        for index, service in enumerate(who.profile.services)
    )
    addresses = tuple(
        AddressReport(
            family,
            f"198.51.{number >> 8}.{number & 255}" if family is Family.IPV4 else f"2001:db8::{number:x}",
            exposed_host=number % 3 == 0,
        )
        for family in families
    )
    changes = tuple((family, turn * (number % 11 == 0)) for family in families)
    observed = tuple((port.service.name, port.observation) for port in ports if port.observation)
    return Report(who, at, 1.0, Diagnosis(kind), since, addresses, ports, (), changes, observed)


def _port(
    service: Service, family: Family, kind: DiagnosisKind, *, number: int, index: int, at: float, since: float
) -> PortReport:
    hit = (number // 7) % 13 == index
    verdict = _WHOLLY.get(kind) or (_PARTLY.get(kind) if hit else None) or (_WELL if service.required else _UNUSED)
    well = verdict is _WELL
    outcome = Outcome.OK if well else Outcome.REFUSED if verdict.proof is Proof.HOP else Outcome.TIMEOUT
    certificate = None
    bad = kind is DiagnosisKind.POLICY_VIOLATED
    if well and Policy.CERTIFICATE_VALID in service.policies:
        end = at + DAY * (number % 82 + 5 if not bad else -3)
        name = f"school-{number:04}.example.org"
        certificate = Certificate(
            name, "CN=R11", (name,), end - 90 * DAY, end, "ab" * 32, not bad, "", names_match=True
        )
    facts = tuple(PolicyFact(policy, holds=not (bad and policy in _CERTIFICATE)) for policy in sorted(service.policies))
    return PortReport(
        service,
        family,
        "198.51.100.1",
        verdict,
        since,
        True if well else {VerdictKind.FORWARD_LOST: False, VerdictKind.SERVICE_DOWN: True}.get(verdict.kind),
        Observation(at, outcome, stages=SAMPLE_STAGES),
        facts if well else (),
        certificate,
        RangeState(100, (), ()) if service.protocol is Protocol.RANGE and well else None,
    )


_CERTIFICATE = {Policy.CERTIFICATE_VALID, Policy.CERTIFICATE_FRESH, Policy.ACME_REACHABLE}


def scraped(store: MetricStore) -> bytes:
    """Return what a scrape of the store gives in OpenMetrics."""

    async def scrape() -> bytes:
        wish = negotiate("application/openmetrics-text", "", ())
        return b"".join([piece async for piece in store.scrape(wish)])

    return asyncio.run(scrape())


def write(path: Path, last: float, count: int = SCHOOLS) -> None:
    """Write the samples of all times as one OpenMetrics text, family by family, as promtool wants them."""
    profile = Profile("iserv", built_in_profiles()["iserv"].services)
    fleet = [school(number, profile) for number in range(count)]
    own = OwnMetrics()
    own.reloaded(ok=True, at=last - 3_600)
    own.storage(ok=True)
    own.isolated(isolated=False)
    own.schools(count)
    own.canary("192.0.2.10:443", up=True)
    own.control(25, up=True)
    own.discovered("http_sd:cmdb", last - 60, ok=True, schools=count, refused=0, held_back=0)
    store = MetricStore([own])
    families: dict[bytes, list[bytes]] = {}
    for turn in range(TIMES):
        at = last - SPACING * (TIMES - 1 - turn)
        for number, who in enumerate(fleet):
            made = report(who, number, turn, at)
            store.put(made)
            own.report(made)
        for delay in (0.001, 0.02):
            own.round_started(delay)
            own.loop_lag(delay)
        for family, samples in _families(scraped(store), at):
            families.setdefault(family, []).append(samples)
    with path.open("wb") as file:
        for header, samples_of_times in families.items():
            file.write(header)
            file.writelines(samples_of_times)
        file.write(b"# EOF\n")


def _families(text: bytes, at: float) -> Iterator[tuple[bytes, bytes]]:
    """Yield each family's header and its samples, with a time and with the labels that Prometheus adds."""
    added = ",".join(f'{name}="{value}"' for name, value in LABELS.items()).encode()
    end = b" %.3f\n" % at
    for part in text.removesuffix(b"# EOF\n").split(b"# HELP ")[1:]:
        lines = part.splitlines(keepends=True)
        header = b"# HELP " + lines[0] + b"".join(line for line in lines[1:] if line.startswith(b"#"))
        samples = [line for line in lines[1:] if not line.startswith(b"#")]
        labelled = b"".join(
            line.replace(b"{", b"{" + added + b",", 1) if b"{" in line else line.replace(b" ", b"{" + added + b"} ", 1)
            for line in samples
        )
        if samples:
            yield header, labelled.replace(b"\n", end)


def backfill(openmetrics: Path, data: Path) -> None:
    """Let promtool make blocks of the text."""
    _create_blocks("openmetrics", openmetrics, data)


def record(rules: Path, name: str, server: Prometheus, data: Path, times: tuple[float, float]) -> None:
    """Let promtool make blocks of one recorded series, as the server would have recorded it at these times."""
    groups = yaml.safe_load(rules.read_text())["groups"]
    chosen = [rule for group in groups for rule in group["rules"] if rule.get("record") == name]
    alone = data.with_name("recorded.yml")
    alone.write_text(yaml.safe_dump({"groups": [{"name": "recorded", "rules": chosen}]}))
    first, last = (f"{at:.0f}" for at in times)
    _create_blocks("rules", f"--url={server.url}", f"--start={first}", f"--end={last}", f"--output-dir={data}", alone)


def _create_blocks(*arguments: str | Path) -> None:
    command = ["promtool", "tsdb", "create-blocks-from", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
