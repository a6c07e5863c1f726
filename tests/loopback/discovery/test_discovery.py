"""Files that change under the daemon, and servers that answer well, badly, slowly and not at all."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from portwatchd.config import Config, FileSd, HttpSd, built_in_profiles
from portwatchd.discovery import sources as places
from portwatchd.discovery.discovery import Discovery
from portwatchd.discovery.groups import Broken
from portwatchd.discovery.once import found
from portwatchd.discovery.sources import FileSource, HttpSource
from portwatchd.net.clock import SystemClock


def groups(*names: str) -> str:
    return json.dumps([{"targets": [f"{name}.example.org"], "labels": {"name": name}} for name in names])


@dataclass
class Figures:
    """What the discovery says of itself."""

    said: dict[str, dict[str, float]] = field(default_factory=dict)

    def discovered(self, source: str, at: float, *, ok: bool, schools: int, refused: int, held_back: int) -> None:
        self.said[source] = {"ok": ok, "schools": schools, "refused": refused, "held_back": held_back}

    def forget_source(self, source: str) -> None:
        del self.said[source]


async def read(source: FileSource | HttpSource, *, whole: bool = True) -> tuple[list[str], tuple[str, ...]]:
    listing = await source.read(whole=whole)
    assert listing is not None
    return list(listing.entries), listing.faults


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.02)


async def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(groups("a"))
    (tmp_path / "b.yml").write_text("- targets: [b.example.org]\n")
    source = FileSource(FileSd((tmp_path / "*.json", tmp_path / "*.yml")))
    assert await read(source) == (["a", "b.example.org"], ())
    assert await source.read(whole=False) is None
    new = tmp_path / ".a.new"
    new.write_text(groups("c"))
    new.rename(tmp_path / "a.json")
    assert await read(source, whole=False) == (["c", "b.example.org"], ())
    (tmp_path / "b.yml").unlink()
    assert await read(source, whole=False) == (["c"], ())
    (tmp_path / "d.json").write_text(groups("d"))
    assert await read(source, whole=False) == (["c", "d"], ())


async def test_a_broken_file_keeps_its_last_good_list(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(groups("a"))
    (tmp_path / "b.json").write_text(groups("b"))
    source = FileSource(FileSd((tmp_path / "*.json",)))
    await read(source)
    file.write_text(groups("a")[:-5])
    names, faults = await read(source, whole=False)
    assert names == ["a", "b"]
    assert faults[0].startswith(f"{file}: line 1: is not JSON")
    file.unlink()
    file.mkdir()
    assert (await read(source))[1] == (f"{file}: is a directory",)
    file.rmdir()
    file.write_text(groups("c"))
    assert await read(source, whole=False) == (["c", "b"], ())


@dataclass
class Server:
    """Serves a list as told."""

    url: str = ""
    body: str = "[]"
    status: int = 200
    kind: str = "application/json"
    delay: float = 0.0
    location: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.headers))
        await asyncio.sleep(self.delay)
        headers = {"Content-Type": self.kind} | ({"Location": self.location} if self.location else {})
        return web.Response(status=self.status, body=self.body.encode(), headers=headers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    app = web.Application()
    app.add_routes([web.get("/schools", served.answer)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/schools?token=secret"
    yield served
    await runner.cleanup()


async def test_a_url_is_asked_as_prometheus_asks(server: Server) -> None:
    server.body = groups("a", "b")
    server.kind = 'application/json; charset="utf-8"'
    source = HttpSource(HttpSd(server.url, 30.0), None)
    assert await read(source) == (["a", "b"], ())
    assert server.asked[0]["Accept"] == "application/json"
    assert server.asked[0]["X-Prometheus-Refresh-Interval-Seconds"] == "30"
    assert "secret" not in source.name


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 500}, "status 500"),
        ({"status": 404}, "status 404"),
        ({"kind": "text/html"}, "text/html, but application/json"),
        ({"kind": "application/json; charset=latin-1"}, "but application/json"),
        ({"body": "[{]"}, "is not JSON"),
        ({"delay": 2.0}, "no whole answer within 1s"),
        ({"status": 302, "location": "/schools?token=secret"}, "more than 5 redirects"),
        ({"status": 302, "location": "http://a b/schools?token=secret"}, "onnect"),
        ({"status": 302, "location": "gopher://a/schools?token=secret"}, r"gopher://a/schools\?\.\.\."),
    ],
)
async def test_what_a_server_does_wrong(server: Server, fault: dict[str, str], reason: str) -> None:
    for name, value in fault.items():
        setattr(server, name, value)
    with pytest.raises(Broken, match=reason) as told:
        await HttpSource(HttpSd(server.url, 1.0), None).read(whole=True)
    assert "secret" not in str(told.value)


async def test_an_answer_without_end_is_cut(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SIZE_LIMIT", 2**20)
    server.body = " " * (2**20 + 1)
    with pytest.raises(Broken, match="larger than 1 MiB"):
        await HttpSource(HttpSd(server.url, 30.0), None).read(whole=True)


async def test_nobody_listens() -> None:
    with pytest.raises(Broken, match="onnect"):
        await HttpSource(HttpSd("http://127.0.0.1:1/schools", 30.0), None).read(whole=True)


async def test_the_watch_over_sources(tmp_path: Path, server: Server) -> None:
    file = tmp_path / "a.json"
    file.write_text(groups("a", "b", "c", "d"))
    server.body = groups("e", "a")
    config = Config(
        profiles=built_in_profiles(),
        file_sd_configs=(FileSd((file,), 1.0),),
        http_sd_configs=(HttpSd(server.url, 0.2),),
    )
    figures = Figures()
    seen: list[list[str]] = []
    discovery = Discovery(
        lambda: seen.append([school.name for school in discovery.schools(config)]), figures, SystemClock()
    )
    at = str(file)
    try:
        discovery.refit(config)
        await until(lambda: bool(seen) and seen[-1] == ["a", "b", "c", "d", "e"])
        assert discovery.complete
        url = server.url.partition("?")[0]
        assert figures.said[at] == {"ok": True, "schools": 4, "refused": 0, "held_back": 0}
        server.status = 503
        await until(lambda: not figures.said[url]["ok"])
        assert figures.said[url]["schools"] == 2
        assert "e" in seen[-1]
        file.write_text(groups("a"))
        await until(lambda: figures.said[at]["held_back"] == 3)
        assert seen[-1] == ["a", "b", "c", "d", "e"]
        await until(lambda: seen[-1] == ["a", "e"])
        assert figures.said[at] == {"ok": True, "schools": 1, "refused": 0, "held_back": 0}
        config = Config(profiles=config.profiles, file_sd_configs=config.file_sd_configs)
        discovery.refit(config)
        assert [school.name for school in discovery.schools(config)] == ["a"]
        assert list(figures.said) == [at]
    finally:
        await discovery.close()


def test_one_reading_for_a_check(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(groups("a"))
    config = Config(
        profiles=built_in_profiles(),
        file_sd_configs=(FileSd((file,)),),
        http_sd_configs=(HttpSd("http://127.0.0.1:1/"),),
    )
    schools, faults, notes = found(config)
    assert [school.name for school in schools] == ["a"]
    assert len(faults) == 1
    assert faults[0].startswith("http://127.0.0.1:1/: ")
    assert notes == []
