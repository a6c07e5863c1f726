"""Schools that go and come back: with what was known of them, unless they are others by then or it is too late."""

from dataclasses import replace

import pytest

from portwatchd.app.fleet import Fleet
from portwatchd.history.writer import PARTED_SECONDS
from portwatchd.model import Family, Profile, School, Standing, VerdictKind
from portwatchd.rounds.memory import Memory
from portwatchd.shard import WHOLE
from tests.unit.history.memories import NOON, SMTP

SCHOOL = School("gym-nord", "203.0.113.7", "", Profile("iserv", ()))
OTHER = School("gs-sued", "203.0.113.8", "", Profile("iserv", ()))
LATER = NOON + PARTED_SECONDS


@pytest.fixture
def fleet() -> Fleet:
    watched = Fleet(WHOLE)
    watched.watch([SCHOOL, OTHER], NOON)
    memory = watched.memories[SCHOOL.name]
    memory.standings[SMTP] = Standing(VerdictKind.OK, NOON)
    memory.ranges[SMTP] = {63000: True}
    memory.healthy[Family.IPV4] = ("203.0.113.7", 25)
    return watched


def test_one_that_comes_back_within_a_week_is_known(fleet: Fleet) -> None:
    assert fleet.watch([OTHER], NOON) == ([SCHOOL.name], [])
    assert set(fleet.memories) == {OTHER.name}
    relabelled = replace(SCHOOL, labels=(("district", "nord"),))
    assert fleet.watch([OTHER, relabelled], LATER) == ([], [])
    assert fleet.memories[SCHOOL.name].standings == {SMTP: Standing(VerdictKind.OK, NOON)}
    assert fleet.memories[SCHOOL.name].healthy == {}


def test_a_round_that_still_runs_changes_nothing_of_what_is_kept(fleet: Fleet) -> None:
    running = fleet.memories[SCHOOL.name]
    fleet.watch([], NOON)
    running.standings[SMTP] = Standing(VerdictKind.LINE_DOWN, LATER)
    running.ranges[SMTP][63000] = False
    fleet.watch([SCHOOL], NOON)
    kept = fleet.memories[SCHOOL.name]
    assert kept.standings == {SMTP: Standing(VerdictKind.OK, NOON)}
    assert kept.ranges == {SMTP: {63000: True}}


def test_after_a_week_it_is_new(fleet: Fleet) -> None:
    fleet.watch([OTHER], NOON)
    assert fleet.watch([OTHER, SCHOOL], LATER + 1) == ([], [])
    assert fleet.memories[SCHOOL.name] == Memory()


@pytest.mark.parametrize("other", [{"host": "203.0.113.9"}, {"profile": Profile("ours", ())}])
def test_another_host_or_profile_is_another_school(fleet: Fleet, other: dict[str, object]) -> None:
    changed = replace(SCHOOL, **other)  # type: ignore[arg-type]
    fleet.watch([OTHER], NOON)
    assert fleet.watch([OTHER, changed], NOON) == ([], [SCHOOL.name])
    assert fleet.memories[SCHOOL.name] == Memory()
    fleet.memories[SCHOOL.name].standings[SMTP] = Standing(VerdictKind.OK, NOON)
    assert fleet.watch([OTHER, SCHOOL], NOON) == ([], [SCHOOL.name])
    assert fleet.memories[SCHOOL.name] == Memory()


def test_who_is_remembered_and_not_watched_after_a_start_is_parted_once_and_known_for_a_week() -> None:
    def started() -> Fleet:
        fleet = Fleet(WHOLE)
        fleet.recall(
            {name: Memory(standings={SMTP: Standing(VerdictKind.OK, NOON)}) for name in (SCHOOL.name, "x")}, NOON
        )
        fleet.watch([OTHER], NOON)
        assert sorted(fleet.part_absent(NOON)) == [SCHOOL.name, "x"]
        assert fleet.part_absent(NOON) == []
        return fleet

    back = started()
    assert back.watch([OTHER, SCHOOL], LATER) == ([], [])
    assert back.memories[SCHOOL.name].standings
    late = started()
    assert late.watch([OTHER, SCHOOL], LATER + 1) == ([], [])
    assert late.memories[SCHOOL.name] == Memory()
