"""The clockwork over flying time: each school at its slot, never twice at once, and nothing lost at a reload."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from portwatchd.agenda import slot
from portwatchd.inventory import Inventory
from portwatchd.model import Profile, School
from portwatchd.scheduler import NAP, Scheduler
from tests.unit.rounds.simulated import LoopClock

pytestmark = pytest.mark.looptime

INTERVAL = 60.0
MANY = [f"school-{number}" for number in range(500)]


def schools(*names: str, host: str = "example.org") -> Inventory:
    return Inventory(School(name, host, host, Profile("p", ())) for name in names)


@dataclass
class Rounds:
    """Conducts rounds that take a while, and keeps when they began and ended."""

    takes: float = 1.0
    began: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ended: Counter[str] = field(default_factory=Counter)
    cancelled: Counter[str] = field(default_factory=Counter)
    hosts: list[str] = field(default_factory=list)
    running: Counter[str] = field(default_factory=Counter)
    failing: frozenset[str] = frozenset()

    async def __call__(self, school: School) -> None:
        loop = asyncio.get_running_loop()
        self.began[school.name].append(loop.time())
        self.hosts.append(school.host)
        self.running[school.name] += 1
        assert self.running[school.name] == 1, "never two rounds of one school at once"
        try:
            await asyncio.sleep(self.takes)
            if school.name in self.failing:
                raise RuntimeError("a fault in the round")
            self.ended[school.name] += 1
        except asyncio.CancelledError:
            self.cancelled[school.name] += 1
            raise
        finally:
            self.running[school.name] -= 1


@dataclass
class Figures:
    """Keeps the clockwork's own figures."""

    lags: list[float] = field(default_factory=list)
    skips: int = 0

    def round_started(self, lag: float) -> None:
        self.lags.append(lag)

    def skipped(self) -> None:
        self.skips += 1


@asynccontextmanager
async def running(names: Sequence[str], rounds: Rounds, figures: Figures | None = None) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(schools(*names), INTERVAL, rounds, LoopClock(), figures or Figures())
    task = asyncio.create_task(scheduler.run())
    try:
        yield scheduler
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_every_school_has_its_round_at_its_slot_in_every_interval() -> None:
    rounds, figures = Rounds(), Figures()
    origin = asyncio.get_running_loop().time()
    async with running(MANY, rounds, figures):
        await asyncio.sleep(10 * INTERVAL)
    for name in MANY:
        assert len(rounds.began[name]) == 10
        for turn, began in enumerate(rounds.began[name]):
            due = origin + slot(name, INTERVAL) + turn * INTERVAL
            assert due <= began <= due + 0.01
    assert figures.skips == 0
    assert len(figures.lags) == 10 * len(MANY)
    assert all(0.0 <= lag < 0.01 for lag in figures.lags)


async def test_the_start_is_no_burst() -> None:
    rounds = Rounds()
    async with running(MANY, rounds):
        await asyncio.sleep(INTERVAL)
    each_second = Counter(int(began[0]) for began in rounds.began.values())
    assert max(each_second.values()) < 30


@pytest.mark.parametrize(("takes", "begun", "skips"), [(59.0, 10, 0), (61.0, 5, 5), (150.0, 4, 6), (1e9, 1, 9)])
async def test_a_round_that_still_runs_at_the_next_slot_is_skipped_and_counted(
    takes: float, begun: int, skips: int
) -> None:
    rounds, figures = Rounds(takes), Figures()
    async with running(["gym"], rounds, figures):
        await asyncio.sleep(10 * INTERVAL)
    assert (len(rounds.began["gym"]), figures.skips) == (begun, skips)
    assert all(later - sooner >= takes for sooner, later in pairwise(rounds.began["gym"]))


async def test_lag_is_told_and_slots_that_were_missed_are_not_made_up_for() -> None:
    rounds, figures = Rounds(), Figures()

    class Stalling(LoopClock):
        """Stands still once, as a machine under load does."""

        stalls = 200.0

        async def sleep(self, seconds: float) -> None:
            stall, self.stalls = self.stalls, 0.0
            await super().sleep(seconds + stall)

    scheduler = Scheduler(schools("gym"), INTERVAL, rounds, Stalling(), figures)
    origin = asyncio.get_running_loop().time()
    task = asyncio.create_task(scheduler.run())
    await asyncio.sleep(300.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    due = origin + slot("gym", INTERVAL)
    assert len(rounds.began["gym"]) == 3
    assert figures.lags[0] == pytest.approx(200.0 + min(NAP, slot("gym", INTERVAL)) - slot("gym", INTERVAL), abs=0.01)
    assert [began - due for began in rounds.began["gym"][1:]] == pytest.approx([180.0, 240.0], abs=0.01)


async def test_a_reload_keeps_slots_and_rounds_of_the_schools_that_stay() -> None:
    rounds = Rounds(takes=30.0)
    origin = asyncio.get_running_loop().time()
    async with running(MANY[:50], rounds) as scheduler:
        for turn in range(40):
            await asyncio.sleep(7.0)
            scheduler.replace(schools(*MANY[:50], *MANY[100 : 100 + turn]), INTERVAL)
        await asyncio.sleep(20.0)
    for name in MANY[:50]:
        offsets = [(began - origin) % INTERVAL for began in rounds.began[name]]
        assert offsets == pytest.approx([slot(name, INTERVAL)] * len(offsets), abs=0.01)
        assert len(offsets) == 5


async def test_a_new_school_begins_at_its_slot_within_one_interval() -> None:
    rounds = Rounds()
    origin = asyncio.get_running_loop().time()
    async with running(["gym"], rounds) as scheduler:
        await asyncio.sleep(100.0)
        scheduler.replace(schools("gym", *MANY), INTERVAL)
        await asyncio.sleep(INTERVAL + 0.5)
    for name in MANY:
        assert len(rounds.began[name]) in {1, 2}
        assert (rounds.began[name][0] - origin) % INTERVAL == pytest.approx(slot(name, INTERVAL), abs=NAP)


async def test_a_removed_school_has_no_further_round_and_a_changed_one_is_asked_as_changed() -> None:
    rounds = Rounds()
    async with running(["gym", "gs"], rounds) as scheduler:
        await asyncio.sleep(2 * INTERVAL)
        scheduler.replace(schools("gym", host="elsewhere.example.org"), INTERVAL)
        rounds.hosts.clear()
        await asyncio.sleep(2 * INTERVAL)
    assert (len(rounds.began["gym"]), len(rounds.began["gs"])) == (4, 2)
    assert rounds.hosts == ["elsewhere.example.org"] * 2


async def test_a_school_that_is_removed_and_added_again_has_one_round_in_an_interval() -> None:
    rounds = Rounds()
    async with running(["gym"], rounds) as scheduler:
        for _ in range(30):
            await asyncio.sleep(5.0)
            scheduler.replace(schools(), INTERVAL)
            scheduler.replace(schools("gym"), INTERVAL)
    assert len(rounds.began["gym"]) in {2, 3}
    assert all(later - sooner == pytest.approx(INTERVAL, abs=0.01) for sooner, later in pairwise(rounds.began["gym"]))


async def test_another_interval_gives_other_slots_and_no_burst() -> None:
    rounds = Rounds()
    async with running(MANY, rounds) as scheduler:
        await asyncio.sleep(INTERVAL)
        scheduler.replace(schools(*MANY), 300.0)
        rounds.began.clear()
        changed = asyncio.get_running_loop().time()
        await asyncio.sleep(600.0)
    for name in MANY:
        offsets = [began - changed for began in rounds.began[name]]
        assert offsets == pytest.approx([slot(name, 300.0), slot(name, 300.0) + 300.0], abs=0.01)


async def test_the_end_cancels_the_rounds_that_run() -> None:
    rounds = Rounds(takes=1e9)
    async with running(MANY[:20], rounds):
        await asyncio.sleep(INTERVAL)
        assert sum(rounds.running.values()) == 20
    assert sum(rounds.cancelled.values()) == 20
    assert sum(rounds.running.values()) == 0


async def test_a_round_that_fails_stops_neither_its_school_nor_others() -> None:
    rounds = Rounds(failing=frozenset({"gym"}))
    with capture_logs() as told:
        async with running(["gym", "gs"], rounds):
            await asyncio.sleep(3 * INTERVAL)
    assert (len(rounds.began["gym"]), rounds.ended["gs"]) == (3, 3)
    assert [(line["event"], line["school"], str(line["exc_info"])) for line in told] == [
        ("a round failed", "gym", "a fault in the round")
    ] * 3


async def test_an_empty_inventory_waits_for_schools() -> None:
    rounds = Rounds()
    async with running([], rounds) as scheduler:
        await asyncio.sleep(1000.0)
        scheduler.replace(schools("gym"), INTERVAL)
        await asyncio.sleep(INTERVAL)
    assert len(rounds.began["gym"]) == 1
