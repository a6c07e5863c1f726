"""Who is watched, and what a new list changes."""

from __future__ import annotations

import dataclasses

import pytest

from portwatchd.inventory import Difference, Inventory, difference
from portwatchd.model import Profile, Protocol, School, Service

PROFILE = Profile("p", (Service("vpn", Protocol.TCP, 1194, 1194),))
A = School("a", "a.example.org", "a.example.org", PROFILE)
B = School("b", "b.example.org", "b.example.org", PROFILE)


def test_schools_are_found_by_name_in_the_order_given() -> None:
    inventory = Inventory([B, A])
    assert list(inventory) == ["b", "a"]
    assert inventory["a"] is A
    assert len(inventory) == 2
    assert "c" not in inventory


def test_an_inventory_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Inventory([A])["b"] = B  # type: ignore[index]


def test_two_schools_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two schools are named 'a'"):
        Inventory([A, A])


def test_nothing_differs_between_equal_inventories() -> None:
    assert difference(Inventory([A, B]), Inventory([B, A])) == Difference(frozenset(), frozenset(), frozenset())


@pytest.mark.parametrize(
    "new",
    [
        dataclasses.replace(A, host="c.example.org"),
        dataclasses.replace(A, labels=(("x", "y"),)),
        dataclasses.replace(A, profile=Profile("p", ())),
    ],
)
def test_a_school_with_any_other_fact_has_changed(new: School) -> None:
    assert difference(Inventory([A, B]), Inventory([new, B])).changed == {"a"}


def test_added_and_removed() -> None:
    assert difference(Inventory([A]), Inventory([B])) == Difference(frozenset({"b"}), frozenset({"a"}), frozenset())
