"""Distances: learnt, kept, and learnt anew; and the pace of everything that a router's ICMP limit counts."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from portwatchd.model import DiagnosisKind, Distance, Family, HopMethod, Proof, VerdictKind
from portwatchd.rounds.tools import WAITERS
from tests.unit.rounds.outside import NOWHERE, Line, Manner, Situation
from tests.unit.rounds.simulated import RANGE, V4, V6, Watching, alter, changes, kinds, port, says, well

pytestmark = pytest.mark.looptime

LOST, CLOSED, DROPPED = Situation.LOST, Situation.CLOSED, Situation.DROPPED


@pytest.mark.parametrize("start", [64, 128, 255])
@pytest.mark.parametrize("hops", range(1, 13))
@pytest.mark.parametrize("exceeds", [True, False])
async def test_the_distance_is_learnt_once_a_school_was_seen(hops: int, start: int, exceeds: bool) -> None:
    watching = Watching(well(hops=hops, start=start, time_exceeded=exceeds))
    await watching.rounds(2)
    method = HopMethod.TIME_EXCEEDED if exceeds else HopMethod.ANSWERS
    router = NOWHERE[V4] if exceeds else None
    assert watching.distance() == Distance(hops, start - hops, method, router)


@pytest.mark.parametrize("hops", range(1, 13))
async def test_the_distance_is_learnt_over_ipv6(hops: int) -> None:
    watching = Watching(well(V6, hops=hops))
    await watching.rounds(2)
    assert (watching.distance(V6).hops, watching.distance(V6).arriving) == (hops, 64 - hops)
    assert watching.distance(V6).router == "2001:db8::1"


async def test_a_school_that_is_well_learns_only_while_few_others_do() -> None:
    watching = Watching(well(hops=3))
    others = watching.tools.learners = asyncio.Semaphore(1)
    async with others:
        await watching.rounds(3)
        assert not watching.memory.distances
    await watching.round()
    assert watching.distance().hops == 3


async def test_a_school_that_fails_learns_at_once() -> None:
    line = well(hops=3)
    watching = Watching(line)
    watching.tools.learners = asyncio.Semaphore(0)
    await watching.rounds(2)
    line.ports[25] = LOST
    report = await watching.round()
    assert says(report, "smtp") == (VerdictKind.FORWARD_LOST, Proof.HOP)
    assert watching.distance().hops == 3


@pytest.mark.parametrize("hops", range(2, 9))
async def test_the_inner_of_two_routers_is_learnt(hops: int) -> None:
    watching = Watching(well(hops=hops, double_nat=True))
    await watching.rounds(2)
    assert (watching.distance().hops, watching.distance().method) == (hops, HopMethod.TIME_EXCEEDED)


@pytest.mark.parametrize("longer_back", range(-4, 5))
async def test_a_way_back_of_another_length_is_no_hindrance(longer_back: int) -> None:
    watching = Watching(well(hops=6, longer_back=longer_back))
    await watching.rounds(2)
    assert (watching.distance().hops, watching.distance().arriving) == (6, 58 - longer_back)


@pytest.mark.parametrize("manner", Manner)
@pytest.mark.parametrize("hops", range(1, 13))
@pytest.mark.parametrize("start", [64, 128, 255])
async def test_a_lost_forward_is_proven_at_every_distance(hops: int, start: int, manner: Manner) -> None:
    line = well(hops=hops, start=start, manner=manner)
    watching = Watching(line)
    await watching.rounds(2)
    line.ports[25] = LOST
    assert says(await watching.round(), "smtp") == (VerdictKind.FORWARD_LOST, Proof.HOP)


@pytest.mark.parametrize("hops", [3, 7, 10])
async def test_a_router_is_searched_for_where_nothing_ever_answered(hops: int) -> None:
    line = well(hops=hops, server_on=False)
    watching = Watching(line)
    report = await watching.round()
    assert report.diagnosis.kind is DiagnosisKind.SERVER_DOWN
    assert watching.distance().hops == hops
    sent = len(watching.network.limited_times())
    await watching.rounds(3)
    assert len(watching.network.limited_times()) - sent <= 24, "what was proven is not asked again each round"


STATES: list[Callable[[Line], None]] = [
    lambda _: None,
    lambda line: line.ports.update({25: CLOSED}),
    lambda line: line.ports.update({25: DROPPED}),
    lambda line: line.ports.update({25: LOST}),
    lambda line: line.ports.update({63010: LOST, 63011: LOST}),
]


@pytest.mark.parametrize(("family", "exceeds"), [(V4, True), (V4, False), (V6, True)])
@pytest.mark.parametrize("manner", Manner)
@pytest.mark.parametrize(("hops", "longer_back"), [(4, 0), (6, 0), (9, 0), (5, 1), (5, -1), (6, -1), (4, 1)])
@pytest.mark.parametrize("state", range(len(STATES)))
async def test_a_changed_route_changes_no_verdict(
    state: int, hops: int, longer_back: int, manner: Manner, exceeds: bool, family: Family
) -> None:
    line = well(family, hops=5, manner=manner, time_exceeded=exceeds)
    watching = Watching(line)
    await watching.rounds(2)
    STATES[state](line)
    said, told = kinds(await watching.rounds(2), family), len(changes(watching))
    alter(line, hops=hops, longer_back=longer_back)
    for _ in range(5):
        assert kinds(await watching.rounds(1), family) == said
    assert changes(watching)[told:] == []


@pytest.mark.parametrize("hops", [4, 6, 3, 9])
async def test_a_loss_after_a_change_of_route_is_proven_with_the_new_distance(hops: int) -> None:
    line = well(hops=5, manner=Manner.DROP)
    watching = Watching(line)
    await watching.rounds(2)
    alter(line, hops=hops)
    line.ports[25] = LOST
    assert says(await watching.round(), "smtp") == (VerdictKind.FORWARD_LOST, Proof.HOP)
    assert watching.distance().hops == hops


@pytest.mark.parametrize("manner", Manner)
async def test_a_server_of_another_start_ttl_is_learnt_after_it_was_replaced(manner: Manner) -> None:
    line = well(manner=manner)
    watching = Watching(line)
    await watching.rounds(2)
    line.start = 128
    line.ports[25] = CLOSED
    assert says(await watching.round(), "smtp") == (VerdictKind.SERVICE_DOWN, Proof.HOP)
    assert watching.distance().arriving == 125
    report = await watching.round(complete=True)
    found = port(report, "ftp-data").range
    assert found is not None
    assert found.forwarded == 100


@pytest.mark.parametrize("families", [(V4,), (V4, V6)])
@pytest.mark.parametrize("complete", [True, False])
async def test_ttl_limited_probes_keep_their_pace_and_probes_their_permits(
    families: tuple[Family, ...], complete: bool
) -> None:
    lines = [well(family, manner=Manner.DROP) for family in families]
    for line in lines:
        line.ports.update(dict.fromkeys(RANGE, DROPPED))
        line.ports.update({25: LOST, 993: DROPPED, 80: Situation.REFUSED})
    watching = Watching(*lines)
    for _ in range(3):
        await watching.round(complete=complete)
    times = watching.network.limited_times()
    assert len(times) > 12
    assert min(later - sooner for sooner, later in pairwise(times)) >= 1.0
    assert watching.network.most_in_flight <= watching.tools.settings.school_concurrency


async def test_a_busy_monitor_keeps_the_pace_too() -> None:
    line = well(manner=Manner.DROP)
    line.ports.update({25: LOST, 993: LOST, 80: LOST})
    watching = Watching(line)
    for _ in range(WAITERS - 1):
        await watching.tools.waiters.acquire()
    watching.tools.permits = asyncio.Semaphore(1)
    await watching.round()
    times = watching.network.limited_times()
    assert min(later - sooner for sooner, later in pairwise(times)) >= 1.0
    assert watching.network.most_in_flight <= 2
