"""Measures the memory over restarts with 10,000 schools: what a round costs the loop, and how long a start reads."""

import time
from pathlib import Path

from portwatchd.history.keeper import History
from portwatchd.model import (
    Certificate,
    Diagnosis,
    DiagnosisKind,
    Distance,
    Family,
    HopMethod,
    Outcome,
    Policy,
    PolicyFact,
    Profile,
    Proof,
    Report,
    School,
    Standing,
    Transition,
    VerdictKind,
)
from portwatchd.net.clock import SystemClock
from portwatchd.rounds.memory import Memory

SCHOOLS = 10_000
WEB = ("http", "https", "ssh", "ftp", "ftp-data", "mdm", "ldaps", "ldaps-alt")
MAIL = ("smtp", "smtps", "submission", "pop3", "pop3s", "imap", "imaps")
SERVICES = WEB + MAIL
BEGIN = 1_790_000_000.0


def full_memory(number: int) -> Memory:
    """A school with 15 services on both families, all well."""
    name = f"school-{number}.example.org"
    certificate = Certificate(
        f"CN={name}", "CN=R11,O=Let's Encrypt,C=US", (name, f"*.{name}"), BEGIN, BEGIN, "ab" * 32, True, "", True
    )
    facts = (PolicyFact(Policy.TLS_OFFERED, holds=True), PolicyFact(Policy.CERTIFICATE_VALID, holds=True))
    memory = Memory(
        diagnosis=Standing(DiagnosisKind.OK, BEGIN), audit_due=BEGIN, swept_at=BEGIN, host_key=f"SHA256:{'x' * 43}"
    )
    for family in Family:
        for service in SERVICES:
            key = (family, service)
            memory.standings[key] = Standing(VerdictKind.OK, BEGIN + number)
            memory.outcomes[key] = Outcome.OK
            memory.policies[key] = facts
            if service.endswith("s"):
                memory.certificates[key] = certificate
                memory.named.add(key)
        memory.addresses[family] = (f"198.51.100.{number % 250}",)
        memory.distances[f"{family}-{number}"] = Distance(8, 56, HopMethod.TIME_EXCEEDED, "203.0.113.1")
        memory.ranges[family, "ftp-data"] = dict.fromkeys(range(63000, 63100), True)
        memory.canaries_at[family], memory.exposed[family] = BEGIN, False
    return memory


def report(name: str, *changes: Transition) -> Report:
    school = School(name, "h", "h", Profile("iserv", ()))
    return Report(school, BEGIN, 0.1, Diagnosis(DiagnosisKind.OK), BEGIN, transitions=changes)


def test_ten_thousand_schools(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.db"
    said: list[bool] = []
    fleet = {f"school-{number}": full_memory(number) for number in range(SCHOOLS)}
    changed = [
        report(name, Transition(BEGIN, name, Family.IPV4, "smtp", "25", "ok", "forward_lost", Proof.HOP, "refused"))
        for name in fleet
    ]
    quiet = [report(name) for name in fleet]

    history = History.open(path, retention=1e9, clock=SystemClock(), on_state=said.append)
    for what, reports in (("with a change", changed), ("without one", quiet)):
        begun = time.perf_counter()
        for one in reports:
            history.remember(one, fleet[one.school.name])
        spent = time.perf_counter() - begun
        print(f"\na round {what}: {spent / SCHOOLS * 1e6:.0f} µs", end="")
    begun = time.perf_counter()
    assert history.flush(60)
    history.close()
    print(f"\nto the disk after that: {time.perf_counter() - begun:.2f} s, {path.stat().st_size / 1e6:.1f} MB", end="")

    begun = time.perf_counter()
    history = History.open(path, retention=1e9, clock=SystemClock(), on_state=said.append)
    loaded = history.load()
    print(f"\na start reads {len(loaded)} schools in {time.perf_counter() - begun:.2f} s")
    history.close()
    assert loaded == fleet
    assert said == [True, True]
