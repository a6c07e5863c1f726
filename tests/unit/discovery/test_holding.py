import pytest

from portwatchd.discovery.entries import Entry
from portwatchd.discovery.holding import Holding


def entries(names: str, host: str = "h") -> dict[str, Entry]:
    return {name: Entry(name, host, "", "iserv") for name in names}


def names(holding: Holding) -> str:
    assert holding.live is not None
    return "".join(sorted(holding.live))


@pytest.mark.parametrize(("names_before", "names_after"), [("abcd", "ab"), ("abcd", "abxyz"), ("a", "a"), ("", "")])
def test_up_to_half_may_go_at_once(names_before: str, names_after: str) -> None:
    holding = Holding(60)
    assert holding.offer(entries(names_before), 0)
    assert holding.offer(entries(names_after), 1)
    assert names(holding) == names_after
    assert holding.held_back == 0


def test_more_than_half_waits_for_the_next_list() -> None:
    holding = Holding(60)
    holding.offer(entries("abcd"), 0)
    assert not holding.offer(entries("a"), 60)
    assert names(holding) == "abcd"
    assert holding.held_back == 3
    assert holding.offer(entries("a"), 120)
    assert names(holding) == "a"
    assert holding.held_back == 0


def test_an_empty_list_waits_too() -> None:
    holding = Holding(60)
    holding.offer(entries("a"), 0)
    assert not holding.offer({}, 60)
    assert names(holding) == "a"


def test_a_list_that_comes_back_ends_the_wait() -> None:
    holding = Holding(60)
    holding.offer(entries("abcd"), 0)
    holding.offer(entries("a"), 60)
    assert holding.offer(entries("abcd"), 120)
    assert holding.held_back == 0
    assert not holding.offer(entries("a"), 180)


def test_a_second_reading_too_soon_confirms_nothing() -> None:
    holding = Holding(60)
    holding.offer(entries("abcd"), 0)
    assert not holding.offer(entries("a"), 60)
    assert not holding.offer(entries("a"), 65)
    assert holding.offer(entries("a"), 120)


def test_a_second_list_that_drops_others_does_not_agree() -> None:
    holding = Holding(60)
    holding.offer(entries("abcd"), 0)
    assert not holding.offer(entries("a"), 60)
    assert not holding.offer(entries("b"), 120)
    assert names(holding) == "abcd"
    assert holding.offer(entries("b"), 180)


def test_what_is_new_counts_meanwhile() -> None:
    holding = Holding(60)
    holding.offer(entries("abcd"), 0)
    assert not holding.offer(entries("a", "moved") | entries("x"), 60)
    assert names(holding) == "abcdx"
    assert holding.live is not None
    assert holding.live["a"].host == "moved"
    assert holding.held_back == 3
