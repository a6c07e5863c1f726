"""Confirmation: one failing probe changes nothing, enough of them do, and what is well again is believed at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from portwatchd.model import (
    Depth,
    DiagnosisKind,
    Observation,
    Outcome,
    Policy,
    Protocol,
    Security,
    Target,
    VerdictKind,
)
from portwatchd.rounds.targets import FULL_EVERY
from portwatchd.world import Resolution, Resolved
from tests.unit.rounds.outside import NOWHERE, Line, Manner, Situation
from tests.unit.rounds.simulated import (
    HOST,
    LISTED,
    RANGE,
    TABLE,
    V4,
    V6,
    Prober,
    Watching,
    alter,
    changes,
    kinds,
    port,
    says,
    service,
    well,
)

pytestmark = pytest.mark.looptime

LOST, CLOSED, DROPPED, NAS = Situation.LOST, Situation.CLOSED, Situation.DROPPED, Situation.NAS
FAILURES = [outcome for outcome in Outcome if outcome not in {Outcome.OK, Outcome.CERTIFICATE_INVALID}]
FAULTS = [outcome for outcome in FAILURES if outcome not in {Outcome.LOCAL_ERROR, Outcome.UNRESOLVED}]
ELSEWHERE = "198.51.100.77"


async def believed_well(line: Line) -> Watching:
    watching = Watching(line)
    await watching.rounds(2)
    return watching


@pytest.mark.parametrize("outcome", FAILURES)
@pytest.mark.parametrize("failing", [1, 2, 3])
async def test_fewer_failing_probes_than_attempts_change_nothing(outcome: Outcome, failing: int) -> None:
    watching = await believed_well(well())
    watching.prober.scripted[25] = [outcome] * failing
    report = await watching.round()
    if failing > 1 or outcome in FAULTS:
        assert changes(watching) == []
    if outcome in FAULTS:
        assert report.diagnosis.kind is DiagnosisKind.OK
    while watching.prober.scripted[25]:
        await watching.round()
    assert changes(watching) == []


@pytest.mark.parametrize("attempts", [1, 2, 3, 5])
@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.REFUSED, Outcome.STARTTLS_MISSING])
async def test_as_many_failing_probes_as_attempts_are_believed(outcome: Outcome, attempts: int) -> None:
    watching = await believed_well(well())
    watching.tools.settings = replace(watching.tools.settings, confirm_attempts=attempts)
    started = watching.clock.monotonic()
    watching.prober.scripted[25] = [outcome] * (attempts + 2)
    report = await watching.round()
    assert [service for service, _, _ in changes(watching)] == ["smtp", None]
    assert watching.clock.monotonic() - started >= attempts * 5.0
    looked_again = outcome is not Outcome.STARTTLS_MISSING  # nobody accepts: is it mended meanwhile?
    assert sum(1 for name, _ in report.observations if name == "smtp") == attempts + 1 + looked_again
    assert sum(1 for name, _ in report.observations if name == "https") == 1


@pytest.mark.parametrize("situation", [LOST, CLOSED, DROPPED, NAS])
async def test_recovery_is_believed_at_once(situation: Situation) -> None:
    line = well()
    watching = await believed_well(line)
    line.ports[25] = situation
    await watching.rounds(3)
    assert port(watching.reports[-1], "smtp").verdict.kind is not VerdictKind.OK
    line.ports[25] = Situation.OPEN
    report = await watching.round()
    assert report.diagnosis.kind is DiagnosisKind.OK
    assert sum(1 for name, _ in report.observations if name == "smtp") == 1
    assert watching.memory.audit_due == 0.0, "who has come back is looked at closely"


@pytest.mark.parametrize("first", FAULTS)
@pytest.mark.parametrize("single", FAULTS)
async def test_another_fault_must_be_seen_again_before_it_replaces_one(first: Outcome, single: Outcome) -> None:
    watching = await believed_well(well())
    watching.prober.scripted[25] = [first] * 20
    await watching.rounds(2)
    believed = kinds(watching.reports[-1])["smtp"]
    told = len(changes(watching))
    watching.prober.scripted[25].insert(0, single)
    assert kinds(await watching.round())["smtp"] is believed
    assert len(changes(watching)) == told


async def test_what_stays_bad_is_not_confirmed_again() -> None:
    line = well()
    watching = await believed_well(line)
    line.ports[25] = LOST
    await watching.rounds(2)
    report = await watching.rounds(1)
    assert sum(1 for name, _ in report.observations if name == "smtp") == 1


async def test_a_port_that_is_not_well_is_asked_as_in_an_audit() -> None:
    watching = await believed_well(well())
    watching.prober.scripted[25] = [Outcome.STARTTLS_MISSING] * 4
    await watching.round()
    watching.prober.asked.clear()
    await watching.round()
    depths = {target.service.name: target.depth for target in watching.prober.asked}
    assert {name for name, depth in depths.items() if depth is Depth.AUDIT} == {"smtp"}


async def test_an_optional_port_that_is_unused_is_not_confirmed() -> None:
    line = well(manner=Manner.DROP)
    watching = await believed_well(line)
    report = await watching.round()
    assert sum(1 for name, _ in report.observations if name == "ldaps-alias") == 1
    line.ports[636] = Situation.OPEN
    await watching.round()
    line.ports[636] = LOST
    report = await watching.round()
    assert sum(1 for name, _ in report.observations if name == "ldaps-alias") == 4


@dataclass
class Spoilt(Prober):
    """The monitor stands still during the next probes."""

    spoilt: int = 0

    async def observe(self, target: Target, *, patience: float | None = None) -> Observation:
        seen = await super().observe(target)
        if self.spoilt:
            self.spoilt -= 1
            return replace(seen, outcome=Outcome.TIMEOUT, void=True)
        return seen


@pytest.mark.parametrize(("spoilt", "kind"), [(7, DiagnosisKind.OK), (1000, DiagnosisKind.UNKNOWN)])
async def test_a_probe_that_the_monitor_spoilt_is_repeated_and_never_counts(spoilt: int, kind: DiagnosisKind) -> None:
    watching = await believed_well(well())
    watching.tools.prober = Spoilt(watching.network, spoilt=spoilt)
    report = await watching.round()
    assert report.diagnosis.kind is kind
    watching.tools.prober = watching.prober
    await watching.round()
    assert changes(watching) == []


async def test_a_monitor_that_can_send_nothing_judges_nothing() -> None:
    watching = await believed_well(well())
    watching.prober.broken = True
    report = await watching.round()
    assert report.diagnosis.kind is DiagnosisKind.UNKNOWN
    assert {one.verdict.kind for one in report.ports if one.range is None} == {VerdictKind.UNKNOWN}
    assert changes(watching) == []


def resolution(*addresses: str, status: Resolved = Resolved.FRESH) -> Resolution:
    return Resolution(status, tuple((V6 if ":" in address else V4, address) for address in addresses))


async def moved(old: Sequence[Situation]) -> Watching:
    """A school that has dialled in anew; at its old address stands nobody, or a stranger."""
    line = well()
    watching = await believed_well(line)
    watching.network.lines[ELSEWHERE] = alter(well(hops=5), address=ELSEWHERE)
    if old:
        line.ports = dict.fromkeys(LISTED, old[0])
    else:
        line.up = False
    watching.names.answers[HOST] = resolution(ELSEWHERE)
    return watching


@pytest.mark.parametrize("old", [(), (NAS,), (CLOSED,)])
async def test_a_school_that_has_moved_is_looked_up_before_it_is_called_down(old: Sequence[Situation]) -> None:
    watching = await moved(old)
    watching.names.answers[HOST] = resolution(NOWHERE[V4])
    watching.names.fresh[HOST] = resolution(ELSEWHERE)
    report = await watching.round()
    assert report.diagnosis.kind is DiagnosisKind.OK, kinds(report)
    assert [address.address for address in report.addresses] == [ELSEWHERE]
    assert report.address_changes == ((V4, 1),)
    assert changes(watching) == []


async def test_a_stranger_at_the_old_address_is_never_up() -> None:
    watching = await moved((NAS,))
    watching.names.answers[HOST] = resolution(NOWHERE[V4])
    report = await watching.round()
    assert report.diagnosis.kind is DiagnosisKind.WRONG_DEVICE
    assert not any(one.up for one in report.ports)


async def test_a_new_address_is_counted_and_its_distance_learnt_anew() -> None:
    watching = await moved(())
    report = await watching.round()
    assert report.diagnosis.kind is DiagnosisKind.OK
    assert report.address_changes == ((V4, 1),)
    assert set(watching.memory.distances) == {ELSEWHERE}
    assert watching.memory.distances[ELSEWHERE].hops == 5


async def test_each_address_of_a_name_is_watched_and_the_worst_is_told_but_not_dozens() -> None:
    line, other = well(), alter(well(), address=ELSEWHERE)
    watching = Watching(line, other)
    assert (await watching.rounds(2)).diagnosis.kind is DiagnosisKind.OK
    other.ports[25] = LOST
    report = await watching.round()
    assert kinds(report)["smtp"] is VerdictKind.FORWARD_LOST
    assert port(report, "smtp").address == ELSEWHERE
    many = [f"203.0.113.{number}" for number in range(50)]
    watching.names.answers[HOST] = resolution(*many)
    report = await watching.round()
    assert [one.address for one in report.addresses] == many[:4]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Resolved.NO_SUCH_NAME, DiagnosisKind.DNS_FAILED),
        (Resolved.NAME_SERVER_FAILED, DiagnosisKind.DNS_FAILED),
        (Resolved.RESOLVER_FAILED, DiagnosisKind.UNKNOWN),
    ],
)
async def test_a_name_that_leads_nowhere(status: Resolved, kind: DiagnosisKind) -> None:
    watching = await believed_well(well())
    watching.names.answers[HOST] = resolution(status=status)
    report = await watching.round()
    assert report.diagnosis.kind is kind
    assert {one.verdict.kind for one in report.ports} == {VerdictKind.UNKNOWN}
    asked = watching.names.asked.count((HOST, True))
    assert asked == (3 if kind is DiagnosisKind.DNS_FAILED else 0)
    expected = [(None, "ok", "dns_failed")] if kind is DiagnosisKind.DNS_FAILED else []
    assert changes(watching) == expected


async def test_a_name_that_comes_back_during_the_round_was_never_gone() -> None:
    watching = await believed_well(well())
    watching.names.answers[HOST] = resolution(status=Resolved.NO_SUCH_NAME)
    watching.names.fresh[HOST] = resolution(NOWHERE[V4])
    assert (await watching.round()).diagnosis.kind is DiagnosisKind.OK
    assert changes(watching) == []


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("manner", "server_drops", "exposed", "exceeds"),
    [
        (Manner.RESET, False, False, True),
        (Manner.DROP, True, False, True),
        (Manner.REJECT, False, True, False),
    ],
)
async def test_a_thousand_rounds_of_a_healthy_school_give_no_false_alarm(
    manner: Manner, server_drops: bool, exposed: bool, exceeds: bool
) -> None:
    line = well(manner=manner, loss=0.01, time_exceeded=exceeds, rest=CLOSED if exposed else LOST)
    if server_drops:
        line.ports.update(dict.fromkeys(RANGE, DROPPED))
    watching = Watching(line)
    report = await watching.rounds(1000)
    assert changes(watching) == []
    assert report.diagnosis.kind is DiagnosisKind.OK
    assert says(report, "ftp-data")[0] is VerdictKind.OK


async def offering_tls() -> Watching:
    """A school with an IMAP server that offers TLS, beside three that speak it from the first byte."""
    offers = replace(service("imap", Protocol.IMAP, 143), policies=frozenset({Policy.TLS_OFFERED}))
    line = well()
    line.ports[143] = Situation.OPEN
    watching = Watching(line, services=(*TABLE, offers))
    await watching.rounds(3)
    return watching


async def test_ports_with_tls_or_an_offer_of_it_take_turns_in_being_asked_in_full() -> None:
    watching = await offering_tls()
    full = []
    for _ in range(2 * FULL_EVERY):
        watching.prober.asked.clear()
        await watching.round()
        asked = [target for target in watching.prober.asked if target.service.security is not Security.PLAIN]
        full.append([t.service.name for t in asked if t.known is None and t.service.alias_of is None])
    names = ["https", "imaps", "ldaps", "imap"]
    assert all(len(turn) <= 1 for turn in full)
    assert [full[:FULL_EVERY].count([name]) for name in names] == [1, 1, 1, 1]
    assert full[:FULL_EVERY] == full[FULL_EVERY:]


async def test_an_audit_asks_everything_in_full() -> None:
    watching = await offering_tls()
    watching.prober.asked.clear()
    await watching.round(depth=Depth.AUDIT)
    asked = {target.service.name: target for target in watching.prober.asked}
    assert all(target.known is None for target in asked.values())


@pytest.mark.parametrize("outcome", [Outcome.CERTIFICATE_INVALID, Outcome.TIMEOUT, Outcome.TLS_FAILED])
async def test_a_tls_port_that_is_not_well_is_asked_in_full(outcome: Outcome) -> None:
    watching = await believed_well(well())
    watching.prober.faults[993] = outcome
    await watching.rounds(2)
    watching.prober.asked.clear()
    await watching.round()
    assert [target.known for target in watching.prober.asked if target.port == 993][:1] == [None]
