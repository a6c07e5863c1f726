from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.config import built_in_profiles
from portwatchd.model import School
from portwatchd.shard import Shard, bucket

NAMES = [f"school-{number}" for number in range(20_000)]


@pytest.mark.parametrize("total", [1, 2, 3, 4, 9, 32])
def test_shares_are_alike(total: int) -> None:
    counts = Counter(bucket(name, total) for name in NAMES)
    assert set(counts) == set(range(total))
    assert max(counts.values()) < 1.2 * len(NAMES) / total
    assert min(counts.values()) > 0.8 * len(NAMES) / total


@pytest.mark.parametrize("total", [1, 2, 3, 4, 9])
def test_growing_moves_a_share_and_only_to_the_new_one(total: int) -> None:
    moves = [(bucket(name, total), bucket(name, total + 1)) for name in NAMES]
    moved = [after for before, after in moves if before != after]
    assert set(moved) == {total}
    assert len(moved) == pytest.approx(len(NAMES) / (total + 1), rel=0.1)


@given(st.text(), st.integers(1, 50))
def test_every_name_is_exactly_one_shards(name: str, total: int) -> None:
    assert sum(Shard(number, total).takes(name) for number in range(total)) == 1


def test_names_stay_where_they_are_in_all_versions() -> None:
    assert [bucket(name, 5) for name in ("gym-nord", "gs-sued", "rs-west", "")] == [0, 1, 4, 2]


def test_the_schools_of_a_shard() -> None:
    schools = [School(name, "h.example.org", "", built_in_profiles()["iserv"]) for name in NAMES[:100]]
    shares = [Shard(number, 3).of(schools) for number in range(3)]
    assert sorted(school.name for share in shares for school in share) == sorted(NAMES[:100])
    assert Shard().of(schools) == schools
