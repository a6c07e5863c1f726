import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portwatchd.agenda import first_due, next_due, slot

names = st.text(min_size=1, max_size=20)
intervals = st.floats(1.0, 86400.0)
times = st.floats(0.0, 1e7)


@given(names, intervals)
def test_a_slot_lies_within_the_interval_and_never_changes(name: str, interval: float) -> None:
    found = slot(name, interval)
    assert 0.0 <= found < interval
    assert slot(name, interval) == found


def test_slots_are_known_values() -> None:
    assert slot("gym-nord", 60.0) == pytest.approx(44.1)
    assert slot("gs-sued", 60.0) != slot("gym-nord", 60.0)


def test_slots_of_many_schools_are_spread_evenly() -> None:
    seconds = [0] * 60
    for number in range(10_000):
        seconds[int(slot(f"school-{number}", 60.0))] += 1
    expected = 10_000 / 60
    chi_square = sum((found - expected) ** 2 / expected for found in seconds)
    assert chi_square < 110, "59 degrees of freedom: 1 in 10,000 even spreads lies above"
    assert max(seconds) < 1.35 * expected


@given(names, intervals, times, times)
@example("a", 60.0, 0.0, slot("a", 60.0))
@example("a", 60.0, 0.0, slot("a", 60.0) + 60.0)
def test_the_first_round_is_due_at_the_first_slot_from_now_on(
    name: str, interval: float, origin: float, later: float
) -> None:
    now = origin + later
    due = first_due(name, interval, origin, now)
    assert now <= due
    assert due - now <= interval * (1 + 1e-9) or due == origin + slot(name, interval)
    turns = (due - origin - slot(name, interval)) / interval
    assert math.isclose(turns, round(turns), abs_tol=1e-4)


@given(times, intervals, st.floats(0.0, 1e5))
@example(10.0, 60.0, 60.0)
@example(10.0, 60.0, 0.0)
def test_the_next_slot_is_not_past_and_at_most_one_interval_ahead(due: float, interval: float, lag: float) -> None:
    now = due + lag
    following = next_due(due, interval, now)
    assert following > due
    assert following >= now
    assert following - max(now, due) <= interval * (1 + 1e-9)


def test_a_year_of_rounds_does_not_drift() -> None:
    due = first_due("gym-nord", 60.0, 0.0, 0.0)
    first = due
    for turn in range(1, 365 * 1440):
        due = next_due(due, 60.0, due + 0.0173)
        assert abs(due - first - turn * 60.0) < 1e-3
