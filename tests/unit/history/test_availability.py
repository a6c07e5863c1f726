"""Seconds in each verdict, from changes and the time that was watched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.history.availability import PortAvailability, Veil, availability, joined
from portwatchd.model import Family, Transition, VerdictKind
from tests.unit.history.memories import change

ALWAYS = [(0.0, 1e9)]


def only(found: list[PortAvailability]) -> PortAvailability:
    (one,) = found
    return one


def test_each_verdict_has_its_time() -> None:
    changes = [change(0, before=None, after="ok"), change(60), change(90, before="forward_lost", after="ok")]
    one = only(availability(changes, ALWAYS, 0, 300))
    assert dict(one.seconds) == {"ok": 270, "forward_lost": 30}
    assert one.share == pytest.approx(0.9)
    assert (one.family, one.service, one.port) == (Family.IPV4, "smtp", "25")


def test_the_last_change_before_the_window_says_how_it_began() -> None:
    assert dict(only(availability([change(10)], ALWAYS, 100, 200)).seconds) == {"forward_lost": 100}


def test_without_one_the_first_change_says_what_was_before() -> None:
    assert dict(only(availability([change(150)], ALWAYS, 100, 200)).seconds) == {"ok": 50, "forward_lost": 50}


def test_time_before_the_first_judgement_does_not_count() -> None:
    assert dict(only(availability([change(150, before=None, after="ok")], ALWAYS, 100, 200)).seconds) == {"ok": 50}


def test_time_without_a_daemon_is_unknown_and_no_part_of_the_share() -> None:
    changes = [change(0, before=None, after="ok"), change(50)]
    one = only(availability(changes, [(0, 25), (75, 100)], 0, 100))
    assert dict(one.seconds) == {"unknown": 50, "ok": 25, "forward_lost": 25}
    assert one.share == pytest.approx(0.5)


def test_veiled_time_is_unknown_for_the_port_that_is_veiled() -> None:
    changes = [change(0, before=None, after="ok"), change(0, before=None, after="ok", service="ssh"), change(50)]
    veiled = [((Family.IPV4, "smtp"), 10.0, 20.0), (None, 40.0, 60.0), ((Family.IPV6, "smtp"), 0.0, 100.0)]
    found = {one.service: dict(one.seconds) for one in availability(changes, ALWAYS, 0, 100, veiled)}
    assert found["smtp"] == {"forward_lost": 40, "ok": 30, "unknown": 30}
    assert found["ssh"] == {"ok": 80, "unknown": 20}


def test_an_unused_port_has_no_share() -> None:
    assert only(availability([change(0, before=None, after="unused")], ALWAYS, 0, 100)).share is None


def test_changes_of_the_diagnosis_are_no_port() -> None:
    assert availability([Transition(1, "a", None, None, None, None, "ok")], ALWAYS, 0, 100) == []


def test_ports_are_in_their_order() -> None:
    changes = [
        Transition(1, "a", Family.IPV4, service, port, None, "ok")
        for service, port in (("ftp-data", "63000-63099"), ("https", "443"), ("smtp", "25"))
    ]
    assert [one.port for one in availability(changes, ALWAYS, 0, 9)] == ["25", "443", "63000-63099"]


@given(
    st.lists(st.tuples(st.floats(0, 1000), st.sampled_from(VerdictKind)), min_size=1, max_size=10),
    st.lists(st.floats(0, 1000), max_size=8, unique=True).map(sorted),
    st.floats(0, 500),
    st.floats(500, 1000),
    st.lists(st.tuples(st.none(), st.floats(0, 1000), st.floats(0, 1000)), max_size=4),
)
def test_all_time_after_the_first_judgement_is_accounted_for(
    steps: list[tuple[float, VerdictKind]], ends: list[float], since: float, until: float, veiled: list[Veil]
) -> None:
    changes = [change(at, before=None, after=kind) for at, kind in sorted(steps)]
    watched = list(zip(ends[::2], ends[1::2], strict=False))
    total = sum(sum(one.seconds.values()) for one in availability(changes, watched, since, until, veiled))
    assert total == pytest.approx(max(0, until - max(since, changes[0].at)))


seconds = st.integers(0, 60)
spans = st.lists(st.tuples(seconds, seconds), max_size=6)


@given(spans, spans)
def test_each_second_is_known_or_not(watched: list[tuple[int, int]], hidden: list[tuple[int, int]]) -> None:
    known = {second for first, last in watched for second in range(first, last)}
    known -= {second for first, last in hidden for second in range(first, last)}
    apart = joined((float(first), float(last)) for first, last in watched if first < last)
    veiled: list[Veil] = [(None, float(first), float(last)) for first, last in hidden if first < last]
    changes = [change(10, before=None, after="ok")]
    found = availability(changes, apart, 0, 50, veiled)
    assert only(found).seconds.get("ok", 0) == len(known & set(range(10, 50)))
