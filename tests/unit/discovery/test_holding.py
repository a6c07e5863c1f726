import pytest

from portwatchd.discovery.holding import Holding
from portwatchd.model import Profile, School

PROFILE = Profile("iserv", ())


def schools(names: str, host: str = "h") -> dict[str, School]:
    return {name: School(name, host, "", PROFILE) for name in names}


def names(holding: Holding) -> str:
    assert holding.live is not None
    return "".join(sorted(holding.live))


@pytest.mark.parametrize(("names_before", "names_after"), [("abcd", "ab"), ("abcd", "abxyz"), ("a", "a"), ("", "")])
def test_up_to_half_may_go_at_once(names_before: str, names_after: str) -> None:
    holding = Holding(60)
    assert holding.offer(schools(names_before), 0)
    assert holding.offer(schools(names_after), 1)
    assert names(holding) == names_after
    assert holding.held_back == 0


def test_more_than_half_waits_for_the_next_list() -> None:
    holding = Holding(60)
    holding.offer(schools("abcd"), 0)
    assert not holding.offer(schools("a"), 60)
    assert names(holding) == "abcd"
    assert holding.held_back == 3
    assert holding.offer(schools("a"), 120)
    assert names(holding) == "a"
    assert holding.held_back == 0


def test_an_empty_list_waits_too() -> None:
    holding = Holding(60)
    holding.offer(schools("a"), 0)
    assert not holding.offer({}, 60)
    assert names(holding) == "a"


def test_a_list_that_comes_back_ends_the_wait() -> None:
    holding = Holding(60)
    holding.offer(schools("abcd"), 0)
    holding.offer(schools("a"), 60)
    assert holding.offer(schools("abcd"), 120)
    assert holding.held_back == 0
    assert not holding.offer(schools("a"), 180)


def test_a_second_reading_too_soon_confirms_nothing() -> None:
    holding = Holding(60)
    holding.offer(schools("abcd"), 0)
    assert not holding.offer(schools("a"), 60)
    assert not holding.offer(schools("a"), 65)
    assert holding.offer(schools("a"), 120)


def test_a_second_list_that_drops_others_does_not_agree() -> None:
    holding = Holding(60)
    holding.offer(schools("abcd"), 0)
    assert not holding.offer(schools("a"), 60)
    assert not holding.offer(schools("b"), 120)
    assert names(holding) == "abcd"
    assert holding.offer(schools("b"), 180)


def test_what_is_new_counts_meanwhile() -> None:
    holding = Holding(60)
    holding.offer(schools("abcd"), 0)
    assert not holding.offer(schools("a", "moved") | schools("x"), 60)
    assert names(holding) == "abcdx"
    assert holding.live is not None
    assert holding.live["a"].host == "moved"
    assert holding.held_back == 3


def test_a_list_that_is_only_understood_anew_confirms_nothing() -> None:
    holding = Holding(60)
    holding.offer(schools("abcd"), 0)
    assert not holding.offer(schools("a"), 60, confirms=False)
    assert not holding.offer(schools("a"), 120, confirms=False)
    assert names(holding) == "abcd"
    assert holding.offer(schools("a"), 180)
