"""Lists that outlive the process: their text, and a start while their source is broken or says too little."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from portwatchd.config import Config, FileSd, HttpSd, built_in_profiles
from portwatchd.discovery.discovery import Discovery, sources
from portwatchd.discovery.groups import Broken
from portwatchd.discovery.shelf import from_text, to_text
from portwatchd.model import School
from portwatchd.net.clock import SystemClock
from tests.unit.discovery.test_discovery import Figures

PROFILES = built_in_profiles()


@dataclass
class Kept:
    """A shelf in memory that counts what is written."""

    texts: dict[str, str] = field(default_factory=dict)
    written: int = 0

    def lists(self) -> Mapping[str, str]:
        return self.texts

    def keep_list(self, source: str, text: str | None) -> None:
        if self.texts.get(source) == text:
            return
        self.written += 1
        self.texts = {key: one for key, one in (self.texts | {source: text}).items() if one is not None}


def groups(*names: str) -> str:
    return json.dumps([{"targets": [f"{name}.example.org"], "labels": {"name": name}} for name in names])


@dataclass
class Life:
    """A discovery from its start to its end."""

    discovery: Discovery
    config: Config
    figures: Figures

    @property
    def names(self) -> list[str]:
        return [school.name for school in self.discovery.schools(self.config)]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 - what is awaited has no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def life(config: Config, shelf: Kept) -> AsyncIterator[Life]:
    figures = Figures()
    discovery = Discovery(lambda: None, figures, SystemClock(), shelf)
    try:
        discovery.refit(config)
        yield Life(discovery, config, figures)
    finally:
        await discovery.close()


def files(*paths: Path) -> Config:
    return Config(profiles=PROFILES, file_sd_configs=(FileSd(paths, 30.0),))


def test_a_list_is_the_same_after_it_was_written() -> None:
    school = School("gym-nord", "203.0.113.7", "gym.example.org", PROFILES["iserv-sh"], (("district", "nord"),))
    (entry,) = from_text(to_text([school])).values()
    assert (entry.name, entry.host, entry.server_name) == ("gym-nord", "203.0.113.7", "gym.example.org")
    assert (entry.profile, entry.labels) == ("iserv-sh", (("district", "nord"),))


NO_LISTS = (
    *("", "{", "7", '{"a": 1}', '["a"]', "[[1]]", "[" * 99_999),
    '[["n", "h", "s", "p", 1]]',
    '[["n", "not a host", "", "p", []]]',
    '[["n", "h", "s", "p", [["a"]]]]',
)


@pytest.mark.parametrize("text", NO_LISTS)
def test_what_is_no_list_is_broken(text: str) -> None:
    with pytest.raises(Broken, match="stored before the start"):
        from_text(text)


def test_a_key_says_nothing_of_the_url() -> None:
    urls = [HttpSd(f"http://cmdb.example.org/schools?token={token}") for token in ("secret", "other")]
    keys = [source.key for source in sources(Config(http_sd_configs=tuple(urls))).values()]
    assert len({*keys}) == 2
    assert "cmdb" not in "".join(keys)
    assert "secret" not in "".join(keys)


async def test_a_start_with_a_broken_file_has_the_list_from_before(tmp_path: Path) -> None:
    shelf, config = Kept(), files(tmp_path / "a.json", tmp_path / "b.json")
    (tmp_path / "a.json").write_text(groups("a", "b", "c"))
    (tmp_path / "b.json").write_text(groups("d"))
    async with life(config, shelf) as before:
        await before.until(lambda: before.names == ["a", "b", "c", "d"])
    assert shelf.written == 1
    (tmp_path / "b.json").write_text("[{")
    with capture_logs() as logs:
        async with life(config, shelf) as after:
            assert after.names == ["a", "b", "c", "d"]
            assert after.figures.said == {}
            await after.until(lambda: after.discovery.complete)
            assert sorted(after.names) == ["a", "b", "c", "d"]
            ((ok, schools, refused, held_back),) = after.figures.said.values()
            assert (ok, schools, refused, held_back) == (False, 4, 0, 0)
    assert [line for line in logs if "stored before the start" in line["event"]]
    (tmp_path / "b.json").write_text("[]")
    async with life(config, shelf) as mended:
        await mended.until(lambda: mended.names == ["a", "b", "c"])


async def test_half_a_list_after_a_start_is_held_back(tmp_path: Path) -> None:
    shelf, config = Kept(), files(tmp_path / "a.json")
    (tmp_path / "a.json").write_text(groups("a", "b", "c", "d"))
    async with life(config, shelf) as before:
        await before.until(lambda: len(before.names) == 4)
    (tmp_path / "a.json").write_text(groups("a"))
    async with life(config, shelf) as after:
        await after.until(lambda: after.discovery.complete)
        assert after.names == ["a", "b", "c", "d"]
        assert after.figures.said == {str(tmp_path / "a.json"): (True, 4, 0, 3)}
    assert shelf.written == 1


async def test_a_source_that_is_configured_no_longer_is_dropped(tmp_path: Path) -> None:
    shelf, config = Kept(), files(tmp_path / "a.json")
    (tmp_path / "a.json").write_text(groups("a"))
    async with life(config, shelf) as before:
        await before.until(lambda: before.names == ["a"])
    async with life(Config(profiles=PROFILES), shelf):
        assert shelf.texts == {}


async def test_a_damaged_list_is_a_start_without_one(tmp_path: Path) -> None:
    shelf, config = Kept(), files(tmp_path / "a.json")
    (tmp_path / "a.json").write_text(groups("a"))
    async with life(config, shelf) as before:
        await before.until(lambda: before.names == ["a"])
    shelf.texts = dict.fromkeys(shelf.texts, "[[1]]")
    with capture_logs() as logs:
        async with life(config, shelf) as after:
            assert after.names == []
            await after.until(lambda: after.names == ["a"])
    assert "damaged" in logs[0]["problem"]


async def test_whom_a_source_lists_is_settled_by_a_whole_list_of_now_or_before(tmp_path: Path) -> None:
    shelf, config = Kept(), files(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("[{")
    async with life(config, shelf) as first:
        await first.until(lambda: first.discovery.complete)
        assert not first.discovery.settled
        (tmp_path / "a.json").write_text("[]")
        first.discovery.refit(config)
        await first.until(lambda: first.discovery.settled)
        (tmp_path / "a.json").write_text(groups("a"))
        first.discovery.refit(config)
        await first.until(lambda: first.names == ["a"])
    (tmp_path / "a.json").write_text("[{")
    async with life(config, shelf) as second:
        assert second.discovery.settled
