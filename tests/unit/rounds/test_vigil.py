"""Is it the schools, or is it us: what the monitor's own faults look like, and that none is a school's failure."""

import asyncio
from collections.abc import Sequence

import pytest

from portwatchd.model import DiagnosisKind, Family, VerdictKind
from portwatchd.world import Resolution, Resolved
from tests.unit.rounds.outside import Situation
from tests.unit.rounds.simulated import CANARY, V4, V6, Watching, changes, kinds, says, well

pytestmark = pytest.mark.looptime

CONTROL = ("192.0.2.25", 25)
UNKNOWN = {VerdictKind.UNKNOWN}


@pytest.mark.parametrize(
    ("canary", "peers", "silent", "cut"),
    [
        pytest.param(True, 0, 0, False, id="the canary answers"),
        pytest.param(False, 0, 0, True, id="the canary is silent"),
        pytest.param(False, 10, 0, True, id="all canaries are silent, whatever peers say"),
        pytest.param(True, 10, 0, False, id="all is well"),
        pytest.param(True, 10, 5, False, id="as many as isolated_above is not above"),
        pytest.param(True, 10, 6, True, id="more peers are silent than isolated_above"),
        pytest.param(True, 10, 10, True, id="every peer is silent"),
        pytest.param(True, 2, 2, False, id="two peers outweigh no canary"),
        pytest.param(True, 3, 3, True, id="three peers do"),
        pytest.param(None, 1, 1, True, id="no canary, and the only peer is silent"),
        pytest.param(None, 1, 0, False, id="no canary, and the only peer answers"),
        pytest.param(None, 0, 0, False, id="nothing to go by"),
    ],
)
@pytest.mark.parametrize("family", Family)
async def test_the_monitor_is_cut_off_by_its_canaries_and_by_the_share_of_schools(
    family: Family, canary: bool | None, peers: int, silent: int, cut: bool
) -> None:
    watching = Watching(well(family))
    watching.beside(peers, family)
    watching.lose(silent)
    if family is V6:
        address = "2001:db8:3::1"
        watching.names.answers[CANARY[0]] = Resolution(Resolved.FRESH, ((V6, address),))
        watching.network.hosts[address, 443] = bool(canary)
    else:
        watching.network.hosts[CANARY] = bool(canary)
    if canary is None:
        watching.names.answers[CANARY[0]] = Resolution(Resolved.FRESH, ((V6 if family is V4 else V4, "x"),))
    assert await watching.vigil.isolated(watching.school, family) is cut
    assert watching.gauges.told[-1] == ("isolated", cut)


async def test_a_canary_whose_name_is_not_found_is_silent() -> None:
    watching = Watching(well())
    watching.names.answers[CANARY[0]] = Resolution(Resolved.RESOLVER_FAILED)
    assert await watching.vigil.isolated(watching.school, V4)


async def test_those_who_ask_at_once_are_answered_by_one_look() -> None:
    watching = Watching(well())
    watching.beside(10)
    answers = await asyncio.gather(*(watching.vigil.isolated(watching.school, V4) for _ in range(500)))
    assert not any(answers)
    assert len(watching.network.sent) == 11
    await watching.clock.sleep(2.0)
    await watching.vigil.isolated(watching.school, V4)
    assert len(watching.network.sent) == 22


@pytest.mark.parametrize("peers", [0, 10])
@pytest.mark.parametrize("families", [(V4,), (V4, V6)])
async def test_a_cut_line_hides_what_is_believed_and_changes_nothing(peers: int, families: Sequence[Family]) -> None:
    watching = Watching(*(well(family) for family in families))
    watching.beside(peers)
    await watching.rounds(2)
    before = {key: standing.believed for key, standing in watching.memory.standings.items()}
    since = {key: standing.since for key, standing in watching.memory.standings.items()}
    watching.memory.audit_due = 12345.0
    watching.network.cut = {V4, V6}
    report = await watching.rounds(5)
    assert report.diagnosis.kind is DiagnosisKind.UNKNOWN
    for family in families:
        assert set(kinds(report, family).values()) == UNKNOWN
    watching.network.cut = set()
    report = await watching.rounds(2)
    assert report.diagnosis.kind is DiagnosisKind.OK
    assert changes(watching) == []
    assert {key: standing.believed for key, standing in watching.memory.standings.items()} == before
    assert {key: standing.since for key, standing in watching.memory.standings.items()} == since
    assert watching.memory.audit_due == 12345.0, "no storm of audits follows"
    assert report.since == watching.reports[0].since


async def test_a_line_that_comes_back_during_the_round_was_down_all_the_same() -> None:
    watching = Watching(well())
    await watching.rounds(2)
    watching.network.cut = {V4}

    async def mend() -> None:
        await watching.clock.sleep(17.0)
        watching.network.cut = set()

    mending = asyncio.create_task(mend())
    await watching.round()
    await mending
    assert changes(watching) == []
    assert (await watching.round()).diagnosis.kind is DiagnosisKind.OK
    assert changes(watching) == []


@pytest.mark.parametrize("tenths", range(1, 140, 9))
async def test_a_line_that_breaks_at_any_moment_of_a_round_changes_nothing(tenths: int) -> None:
    watching = Watching(well())
    await watching.rounds(2)

    async def cut() -> None:
        await watching.clock.sleep(tenths / 10)
        watching.network.cut = {V4}

    cutting = asyncio.create_task(cut())
    await watching.round(complete=True)
    await cutting
    await watching.rounds(2)
    watching.network.cut = set()
    report = await watching.rounds(1)
    assert report.diagnosis.kind is DiagnosisKind.OK
    assert changes(watching) == []


async def test_one_family_may_be_cut_off_alone() -> None:
    watching = Watching(well(V4), well(V6))
    watching.beside(4, V6)
    await watching.rounds(2)
    watching.network.cut = {V6}
    report = await watching.rounds(2)
    assert report.diagnosis.kind is DiagnosisKind.OK
    assert set(kinds(report, V6).values()) == UNKNOWN
    assert set(kinds(report, V4).values()) == {VerdictKind.OK, VerdictKind.UNUSED}
    assert changes(watching) == []


async def test_a_school_that_is_lost_among_schools_that_answer_is_lost() -> None:
    line = well()
    watching = Watching(line)
    watching.beside(10)
    await watching.rounds(2)
    line.up = False
    assert (await watching.round()).diagnosis.kind is DiagnosisKind.LINE_DOWN


async def test_without_canaries_and_peers_a_monitor_that_can_send_nothing_is_cut_off() -> None:
    watching = Watching(well())
    watching.vigil.refit(type(watching.vigil._signs)((V4,)))
    assert not await watching.vigil.isolated(watching.school, V4, helpless=False)
    assert await watching.vigil.isolated(watching.school, V4, helpless=True)


@pytest.mark.parametrize("controlled", [True, False])
async def test_a_port_that_is_blocked_at_the_monitor_is_told_by_its_control(controlled: bool) -> None:
    watching = Watching(well(), controls={25: CONTROL} if controlled else {})
    watching.network.hosts[CONTROL] = True
    await watching.rounds(2)
    watching.network.blocked = {25}
    report = await watching.rounds(2)
    if controlled:
        assert says(report, "smtp")[0] is VerdictKind.BLOCKED_HERE
        assert report.diagnosis.kind is DiagnosisKind.OK
        assert changes(watching) == []
        assert watching.gauges.told.count(("control 25", False)) >= 1
    else:
        assert says(report, "smtp")[0] is VerdictKind.FORWARD_LOST


async def test_a_lost_forward_beside_a_control_that_answers_is_lost() -> None:
    line = well()
    watching = Watching(line, controls={25: CONTROL})
    watching.network.hosts[CONTROL] = True
    await watching.rounds(2)
    line.ports[25] = Situation.LOST
    assert says(await watching.round(), "smtp")[0] is VerdictKind.FORWARD_LOST


async def test_the_watch_keeps_its_gauges_and_sees_the_end_of_an_isolation() -> None:
    watching = Watching(well(), controls={25: CONTROL})
    watching.network.hosts[CONTROL] = True
    keeping = asyncio.create_task(watching.vigil.keep())
    await watching.clock.sleep(40.0)
    assert ("192.0.2.10:443", True) in watching.gauges.told
    assert ("control 25", True) in watching.gauges.told
    watching.network.cut = {V4}
    await watching.clock.sleep(40.0)
    assert watching.gauges.told[-1] == ("isolated", True)
    watching.network.cut = set()
    await watching.clock.sleep(10.0)
    assert watching.gauges.told[-1] == ("isolated", False)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
