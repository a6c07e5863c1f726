"""What a list says, what the profiles make of it, and what is told of both; from a source that says what it is told."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from portwatchd.config import Config, FileSd, HttpSd, built_in_profiles
from portwatchd.discovery.discovery import Discovery, Keeper, named, sources
from portwatchd.discovery.entries import Listing, listing
from portwatchd.discovery.groups import Broken, Group
from portwatchd.discovery.shelf import NoShelf
from portwatchd.model import Profile
from tests.unit.history.memories import SetClock

BUILT_IN = built_in_profiles()
OURS: Mapping[str, Profile] = {**BUILT_IN, "ours": BUILT_IN["iserv"]}


@dataclass
class Figures:
    """What the discovery says of itself: schools, refused, held back."""

    said: dict[str, tuple[bool, int, int, int]] = field(default_factory=dict)

    def discovered(self, source: str, at: float, *, ok: bool, schools: int, refused: int, held_back: int) -> None:
        self.said[source] = ok, schools, refused, held_back

    def forget_source(self, source: str) -> None:
        del self.said[source]


@dataclass
class Told:
    """A source that says what it is told to."""

    profiles: dict[str, str]
    name: str = "list"
    key: str = "key"
    refresh: float = 60.0
    poll: float = 60.0
    broken: bool = False

    async def read(self, *, whole: bool) -> Listing | None:
        if self.broken:
            raise Broken("no answer")
        return listing(
            Group((f"{name}.example.org",), {"name": name, "profile": profile})
            for name, profile in self.profiles.items()
        )


@dataclass
class Room:
    """A keeper, what it reads, and what it says."""

    source: Told
    figures: Figures = field(default_factory=Figures)
    clock: SetClock = field(default_factory=SetClock)
    changes: int = 0

    def __post_init__(self) -> None:
        self.keeper = Keeper(self.source, self.changed, self.figures, self.clock, NoShelf())

    def changed(self) -> None:
        self.changes += 1

    async def read(self, seconds: float = 60.0) -> None:
        """Let so many seconds pass, and the source be read."""
        self.clock.pass_by(seconds)
        self.keeper.again.set()
        for _ in range(10):
            await asyncio.sleep(0)

    @property
    def live(self) -> dict[str, str]:
        return {name: school.profile.name for name, school in self.keeper.live.items()}


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    room = Room(Told(dict.fromkeys("abcd", "ours")))
    room.keeper.refit("list", OURS)
    await room.read(0)
    assert room.figures.said == {"list": (True, 4, 0, 0)}
    yield room
    room.keeper.task.cancel()
    await asyncio.gather(room.keeper.task, return_exceptions=True)


async def test_a_list_of_unknown_profiles_is_held_back_until_the_next_agrees(room: Room) -> None:
    room.source.profiles |= dict.fromkeys("bcd", "oours")
    with capture_logs() as logs:
        await room.read()
    assert list(room.live) == ["a", "b", "c", "d"]
    assert room.figures.said == {"list": (True, 4, 3, 3)}
    assert "holds a list back" in logs[0]["event"]
    await room.read(1)
    assert list(room.live) == ["a", "b", "c", "d"]
    await room.read()
    assert list(room.live) == ["a"]
    assert room.figures.said == {"list": (True, 1, 3, 0)}
    assert sorted(room.keeper.unusable) == ["b", "c", "d"]


async def test_a_reload_without_their_profile_is_held_back_likewise(room: Room) -> None:
    for _ in range(2):
        room.clock.pass_by(100)
        room.keeper.refit("list", BUILT_IN)
        assert room.live == dict.fromkeys("abcd", "iserv")
        assert room.figures.said == {"list": (True, 4, 4, 4)}
    room.keeper.refit("list", OURS)
    assert room.figures.said == {"list": (True, 4, 0, 0)}
    room.keeper.refit("list", BUILT_IN)
    await room.read()
    assert room.live == {}
    assert room.figures.said == {"list": (True, 0, 4, 0)}


async def test_profiles_that_are_defined_anew_count_at_once(room: Room) -> None:
    room.keeper.refit("list", {**BUILT_IN, "ours": BUILT_IN["iserv-sh"]})
    assert room.live == dict.fromkeys("abcd", "iserv-sh")


async def test_one_unusable_entry_is_told_and_dropped(room: Room) -> None:
    room.source.profiles["d"] = "oours"
    changes = room.changes
    await room.read()
    assert list(room.live) == ["a", "b", "c"]
    assert room.keeper.unusable == {"d": "school 'd': unknown profile 'oours'"}
    assert room.figures.said == {"list": (True, 3, 1, 0)}
    assert room.changes == changes + 1


async def test_a_source_that_fails_keeps_its_list(room: Room) -> None:
    room.source.broken = True
    await room.read()
    assert list(room.live) == ["a", "b", "c", "d"]
    assert room.figures.said == {"list": (False, 4, 0, 0)}


async def test_who_reads_the_same_in_another_way_begins_with_the_list(room: Room) -> None:
    heir = Room(Told({}, broken=True))
    heir.keeper.succeed(room.keeper)
    heir.keeper.refit("list", OURS)
    await heir.read()
    assert list(heir.live) == ["a", "b", "c", "d"]
    assert heir.keeper.tried
    heir.keeper.task.cancel()


def test_urls_that_differ_in_their_query_have_names_of_their_own() -> None:
    urls = [HttpSd(f"http://cmdb.example.org/schools?district={name}") for name in ("nord", "sued")]
    config = Config(profiles=BUILT_IN, http_sd_configs=tuple(urls))
    names = ["http://cmdb.example.org/schools", "http://cmdb.example.org/schools (2)"]
    assert list(named(sources(config)).values()) == names


async def test_a_reload_that_changes_only_the_interval_drops_nobody(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("- targets: [a.example.org, b.example.org]\n")
    read = asyncio.Event()
    figures = Figures()
    discovery = Discovery(read.set, figures, SetClock())
    config = Config(profiles=BUILT_IN, file_sd_configs=(FileSd((file,), 60.0),))
    try:
        discovery.refit(config)
        await read.wait()
        config = Config(profiles=BUILT_IN, file_sd_configs=(FileSd((file,), 30.0),))
        discovery.refit(config)
        assert [school.name for school in discovery.schools(config)] == ["a.example.org", "b.example.org"]
        assert discovery.complete
        assert figures.said == {str(file): (True, 2, 0, 0)}
    finally:
        await discovery.close()


async def test_a_name_that_is_taken_counts_as_refused(tmp_path: Path) -> None:
    for name, host in (("a", "203.0.113.1"), ("b", "203.0.113.2")):
        (tmp_path / f"{name}.yml").write_text(f"- {{targets: [{host}], labels: {{name: both}}}}\n")
    read = asyncio.Event()
    figures = Figures()
    config = Config(profiles=BUILT_IN, file_sd_configs=tuple(FileSd((tmp_path / f"{name}.yml",)) for name in "ab"))
    discovery = Discovery(read.set, figures, SetClock())
    try:
        discovery.refit(config)
        while not discovery.complete:
            await read.wait()
            read.clear()
        with capture_logs() as logs:
            assert len(discovery.schools(config)) == 1
        assert figures.said[str(tmp_path / "b.yml")] == (True, 1, 1, 0)
        assert "is already in" in logs[0]["problem"]
    finally:
        await discovery.close()
