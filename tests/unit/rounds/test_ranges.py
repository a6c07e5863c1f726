"""Ranges of closed ports, the alias and the exposed host: who refuses tells, and holes are listed exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.model import DiagnosisKind, Proof, Protocol, RangeState, Verdict, VerdictKind
from portwatchd.rounds.ranges import canaries, exposed, spans, sum_up
from portwatchd.rounds.tools import Round
from tests.unit.rounds.outside import NOWHERE, Line, Manner, Situation
from tests.unit.rounds.simulated import (
    LISTED,
    RANGE,
    TABLE,
    V4,
    V6,
    Watching,
    changes,
    kinds,
    port,
    says,
    service,
    well,
)

pytestmark = pytest.mark.looptime

LOST, CLOSED, DROPPED, OPEN, NAS = Situation.LOST, Situation.CLOSED, Situation.DROPPED, Situation.OPEN, Situation.NAS
HOLES = {63017, 63040, 63041, 63042, 63099}


def state(watching: Watching) -> RangeState:
    found = port(watching.reports[-1], "ftp-data", next(iter(watching.network.lines.values())).family).range
    assert found is not None
    return found


def habit(line: Line, server_drops: bool) -> None:
    """A server's firewall may drop what is closed instead of refusing it."""
    if server_drops:
        line.ports.update(dict.fromkeys(RANGE, DROPPED))


@pytest.mark.parametrize("server_drops", [False, True])
@pytest.mark.parametrize("manner", Manner)
async def test_a_complete_round_lists_holes_exactly(manner: Manner, server_drops: bool) -> None:
    line = well(manner=manner)
    habit(line, server_drops)
    line.ports.update(dict.fromkeys(HOLES, LOST))
    watching = Watching(line)
    report = await watching.round(complete=True)
    found = state(watching)
    if server_drops and manner is Manner.DROP:
        # Each port costs a paced probe here, and the repetition of a silence another one: what the budget bears.
        assert set(found.lost) <= HOLES
        assert len(found.lost) + found.forwarded + len(found.unknown) == 100
    else:
        assert set(found.lost) == HOLES
        assert found.forwarded + len(found.unknown) == 95
    assert says(report, "ftp-data")[0] is VerdictKind.FORWARD_LOST
    assert report.diagnosis.kind is DiagnosisKind.FORWARDS_LOST


@pytest.mark.parametrize("manner", [Manner.RESET, Manner.DROP])
async def test_a_complete_round_over_ipv6_lists_holes_exactly(manner: Manner) -> None:
    line = well(V6, manner=manner)
    line.ports.update(dict.fromkeys(HOLES, LOST))
    watching = Watching(line)
    await watching.round(complete=True)
    assert set(state(watching).lost) == HOLES
    assert state(watching).forwarded == 95


@pytest.mark.parametrize("family", [V4, V6])
@pytest.mark.parametrize("manner", Manner)
async def test_a_range_that_is_lost_as_a_whole_is_named_in_the_next_round(manner: Manner, family: object) -> None:
    line = well(V6 if family is V6 else V4, manner=manner)
    watching = Watching(line)
    await watching.rounds(2)
    for number in RANGE:
        del line.ports[number]
    report = await watching.rounds(1)
    assert says(report, "ftp-data", line.family)[0] is VerdictKind.FORWARD_LOST
    await watching.rounds(7)
    assert state(watching) == RangeState(0, RANGE, ())
    lasting = len(changes(watching))
    await watching.rounds(10)
    assert len(changes(watching)) == lasting
    line.ports.update(dict.fromkeys(RANGE, CLOSED))
    report = await watching.rounds(7)
    assert says(report, "ftp-data", line.family)[0] is VerdictKind.OK
    assert state(watching) == RangeState(100, (), ())


@pytest.mark.parametrize("manner", Manner)
async def test_the_rotation_covers_every_port(manner: Manner) -> None:
    watching = Watching(well(manner=manner))
    await watching.rounds(101)
    assert state(watching) == RangeState(100, (), ())
    asked = [sent for sent in watching.network.sent if sent.port in RANGE]
    assert {sent.port for sent in asked} == set(RANGE)


async def test_two_addresses_of_a_family_share_the_rotation() -> None:
    lines = [well(), well(address="192.0.2.77")]
    watching = Watching(*lines)
    await watching.rounds(53)
    assert state(watching) == RangeState(100, (), ())


@pytest.mark.parametrize("hole", [63000, 63049, 63050, 63099])
@pytest.mark.parametrize("manner", Manner)
async def test_a_hole_is_found_by_rotation_and_its_end_at_once(manner: Manner, hole: int) -> None:
    line = well(manner=manner)
    watching = Watching(line)
    await watching.rounds(2)
    line.ports[hole] = LOST
    for _ in range(100):
        report = await watching.rounds(1)
        if says(report, "ftp-data")[0] is VerdictKind.FORWARD_LOST:
            break
    await watching.rounds(7)
    assert state(watching) == RangeState(99, (hole,), ())
    await watching.rounds(60)
    assert changes(watching)[-2:] == [("ftp-data", "ok", "forward_lost"), (None, "ok", "forwards_lost")]
    line.ports[hole] = CLOSED
    assert (await watching.rounds(1)).diagnosis.kind is DiagnosisKind.OK


async def test_a_single_hole_is_found_by_the_daily_sweep_of_every_family() -> None:
    lines = [well(V4), well(V6)]
    watching = Watching(*lines)
    await watching.rounds(1)
    await watching.clock.sleep(86400.0)
    for line in lines:
        line.ports[63077] = LOST
    report = await watching.rounds(4)
    for line in lines:
        assert says(report, "ftp-data", line.family)[0] is VerdictKind.FORWARD_LOST


async def test_a_port_of_a_range_that_another_machine_answers_is_a_hole_and_stays_one() -> None:
    line = well(nas_start=128)
    line.ports[63050] = NAS
    watching = Watching(line)
    await watching.round(complete=True)
    assert state(watching).lost == (63050,)
    await watching.rounds(10)
    assert state(watching).lost == (63050,)
    assert changes(watching) == []


@pytest.mark.parametrize(
    ("what", "verdict"),
    [
        (LOST, VerdictKind.UNUSED),
        (OPEN, VerdictKind.OK),
        (CLOSED, VerdictKind.UNUSED),
        (DROPPED, VerdictKind.UNUSED),
        (NAS, VerdictKind.WRONG_DEVICE),
    ],
)
@pytest.mark.parametrize("complete", [True, False])
async def test_the_alias(what: Situation, verdict: VerdictKind, complete: bool) -> None:
    line = well()
    line.ports[636] = what
    watching = Watching(line)
    report = await watching.round(complete=complete)
    assert kinds(report)["ldaps-alias"] is verdict
    wrong = verdict is VerdictKind.WRONG_DEVICE
    assert report.diagnosis.kind is (DiagnosisKind.WRONG_DEVICE if wrong else DiagnosisKind.OK)


@pytest.mark.parametrize("manner", Manner)
@pytest.mark.parametrize(
    ("rest", "answer"),
    [(CLOSED, True), (LOST, False), (DROPPED, True)],
)
async def test_an_exposed_host_shows_on_ports_that_nobody_asked_for(
    rest: Situation, answer: bool, manner: Manner
) -> None:
    watching = Watching(well(manner=manner, rest=rest))
    report = await watching.rounds(2)
    assert report.addresses[0].exposed_host is answer


async def test_whether_the_host_is_exposed_is_not_known_where_nothing_tells() -> None:
    watching = Watching(well(manner=Manner.DROP, rest=LOST, time_exceeded=False))
    report = await watching.rounds(1)
    assert report.addresses[0].exposed_host is None


@pytest.mark.parametrize("manner", [Manner.RESET, Manner.DROP])
async def test_the_loss_of_an_exposed_host_shows_while_listed_ports_stay(manner: Manner) -> None:
    line = well(manner=manner, rest=CLOSED)
    watching = Watching(line)
    report = await watching.rounds(2)
    assert report.addresses[0].exposed_host is True
    line.rest = LOST
    report = await watching.rounds(16)
    assert report.diagnosis.kind is DiagnosisKind.OK
    assert report.addresses[0].exposed_host is False


async def test_canaries_are_others_each_day_and_none_is_listed() -> None:
    watching = Watching(well())
    running = Round(watching.school, watching.memory, watching.tools)
    days = []
    for _ in range(30):
        days.append(tuple(canaries(running)))
        await watching.clock.sleep(86400.0)
    assert len(set(days)) == 30
    assert not {number for day in days for number in day} & {*LISTED, *RANGE}
    assert all(len(set(day)) == 2 for day in days)


@pytest.mark.parametrize(
    ("kinds_and_proofs", "answer"),
    [
        ([(VerdictKind.SERVICE_DOWN, Proof.HOP), (VerdictKind.SERVICE_DOWN, Proof.HOP)], True),
        ([(VerdictKind.SERVER_FILTERED, Proof.HOP), (VerdictKind.SERVICE_DOWN, Proof.HOP)], True),
        ([(VerdictKind.FORWARD_LOST, Proof.HOP), (VerdictKind.FORWARD_LOST, Proof.ICMP)], False),
        ([(VerdictKind.FORWARD_LOST, Proof.HOP), (VerdictKind.SERVICE_DOWN, Proof.HOP)], None),
        ([(VerdictKind.FORWARD_LOST, Proof.CONTRAST), (VerdictKind.FORWARD_LOST, Proof.HOP)], None),
        ([(VerdictKind.UNKNOWN, Proof.NONE), (VerdictKind.SERVICE_DOWN, Proof.HOP)], None),
    ],
)
def test_canaries_must_agree(kinds_and_proofs: list[tuple[VerdictKind, Proof]], answer: bool | None) -> None:
    assert exposed([Verdict(kind, proof) for kind, proof in kinds_and_proofs]) is answer


@pytest.mark.parametrize(
    ("ports", "text"),
    [([], ""), ([63017], "63017"), ([63042, 63017, 63040, 63041], "63017, 63040-63042"), ([1, 2, 4, 5], "1-2, 4-5")],
)
def test_ports_as_people_read_them(ports: list[int], text: str) -> None:
    assert spans(ports) == text


@given(st.dictionaries(st.integers(63000, 63099), st.booleans()))
def test_the_state_of_a_range_counts_every_port_once(known: dict[int, bool]) -> None:
    verdict, found = sum_up(TABLE[-1], known, {})
    assert found.forwarded + len(found.lost) + len(found.unknown) == 100
    assert set(found.lost) == {number for number, forwarded in known.items() if not forwarded}
    assert (verdict.kind is VerdictKind.FORWARD_LOST) is bool(found.lost)
    assert (verdict.kind is VerdictKind.UNKNOWN) is (len(found.unknown) == 100)


async def test_a_range_of_one_port_and_two_ranges_are_watched() -> None:
    small, other = service("a", Protocol.RANGE, 63000), service("b", Protocol.RANGE, 63010, 63012)
    line = well()
    line.ports[63011] = LOST
    watching = Watching(line, services=(TABLE[2], small, other))
    report = await watching.rounds(3)
    assert says(report, "a")[0] is VerdictKind.OK
    assert says(report, "b")[0] is VerdictKind.FORWARD_LOST
    assert port(report, "b").address == NOWHERE[V4]
