"""The routes over real sockets, asked as clients ask."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from portwatchd.metrics.own import OwnMetrics
from portwatchd.metrics.store import MetricStore
from portwatchd.model import DiagnosisKind, Report
from portwatchd.options import ListenAddress
from portwatchd.web.api import school_json
from portwatchd.web.serve import WebServer
from portwatchd.web.server import create_app
from tests.unit.reports import SCHOOL, report

ODD = 'gym/süd ?#%20&"<b>'

ANY = ListenAddress("127.0.0.1", 0)


def of(name: str, kind: DiagnosisKind = DiagnosisKind.OK) -> Report:
    return report(kind, school=replace(SCHOOL, name=name, labels=(("district", name[:1]),)))


class World:
    """What the routes show, and the way to them."""

    def __init__(self) -> None:
        self.store = MetricStore([OwnMetrics()])
        self.reports: dict[str, Report] = {}
        self.waiting = [replace(SCHOOL, name="not yet")]
        self.ready = True
        self.reloads: list[str | None] = []
        self.origin = ""
        for made in (of("a"), of("b", DiagnosisKind.LINE_DOWN), of(ODD)):
            self.put(made)

    def put(self, made: Report) -> None:
        self.reports[made.school.name] = made
        self.store.put(made)

    async def reload(self) -> str | None:
        return self.reloads.pop(0)


@contextlib.asynccontextmanager
async def served(world: World, *, lifecycle: bool = False) -> AsyncIterator[aiohttp.ClientSession]:
    app = create_app(
        store=world.store,
        reports=world.reports,
        schools=lambda: [*(made.school for made in world.reports.values()), *world.waiting],
        ready=lambda: world.ready,
        reload=world.reload if lifecycle else None,
    )
    server = WebServer(app)
    (where,) = await server.start([ANY])
    world.origin = f"http://{where}"
    try:
        async with aiohttp.ClientSession(world.origin, auto_decompress=False) as client:
            yield client
    finally:
        await server.stop()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    async with served(world) as session:
        yield session


PLAIN = {"Accept-Encoding": "identity"}


async def fetched(client: aiohttp.ClientSession, path: str, **headers: str) -> tuple[int, str]:
    wanted = PLAIN | {key.replace("_", "-"): value for key, value in headers.items()}
    async with client.get(path, headers=wanted) as response:
        return response.status, await response.text()


async def test_metrics_in_text(client: aiohttp.ClientSession) -> None:
    async with client.get("/metrics", headers=PLAIN) as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "Content-Encoding" not in response.headers
        families = {family.name for family in text_string_to_metric_families(await response.text())}
    assert {"portwatch_port_up", "portwatch_schools", "process_open_fds"} <= families


async def test_metrics_as_prometheus_asks(client: aiohttp.ClientSession) -> None:
    headers = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "Accept-Encoding": "gzip"}
    async with client.get("/metrics", headers=headers) as response:
        assert response.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await response.read()).endswith(b"# EOF\n")


async def test_metrics_by_name(client: aiohttp.ClientSession) -> None:
    _, text = await fetched(client, "/metrics?name[]=portwatch_port_up&name[]=portwatch_schools")
    assert {family.name for family in text_string_to_metric_families(text)} == {
        "portwatch_port_up",
        "portwatch_schools",
    }


async def test_a_head_has_the_headers_and_no_body(client: aiohttp.ClientSession) -> None:
    for path in ("/", "/metrics", "/api/v1/schools", "/api/v1/schools/a", "/sd", "/-/healthy"):
        async with client.head(path) as response:
            assert response.status == 200, path
            assert await response.read() == b""


async def test_the_list_is_every_school_as_check_shows_it(client: aiohttp.ClientSession, world: World) -> None:
    status, text = await fetched(client, "/api/v1/schools")
    assert status == 200
    assert json.loads(text) == [school_json(world.reports[name]) for name in sorted(world.reports)]


@pytest.mark.parametrize(
    ("query", "names"),
    [("diagnosis=line_down", ["b"]), ("label.district=a", ["a"]), ("label.district=z", []), ("limit=1&after=a", ["b"])],
)
async def test_the_list_by_query(client: aiohttp.ClientSession, query: str, names: list[str]) -> None:
    _, text = await fetched(client, f"/api/v1/schools?{query}")
    assert [school["school"] for school in json.loads(text)] == names


async def test_pages_follow_each_other(client: aiohttp.ClientSession, world: World) -> None:
    names: list[str] = []
    path = "/api/v1/schools?limit=1"
    while path:
        async with client.get(path, headers=PLAIN) as response:
            names += [school["school"] for school in await response.json()]
            link = response.headers.get("Link", "")
            path = link.removesuffix('>; rel="next"').removeprefix("<")
    assert names == sorted(world.reports)


@pytest.mark.parametrize("query", ["diagnose=ok", "diagnosis=fine", "limit=0", "lang=fr"])
async def test_a_query_in_vain_is_a_json_error(client: aiohttp.ClientSession, query: str) -> None:
    status, text = await fetched(client, f"/api/v1/schools?{query}")
    assert status == 400
    assert query.partition("=")[0] in json.loads(text)["error"]


async def test_one_school_by_a_name_of_any_characters(world: World) -> None:
    quoted = "gym%2Fs%C3%BCd%20%3F%23%2520%26%22%3Cb%3E"
    async with served(world):
        host, port = world.origin.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /api/v1/schools/{quoted}?lang=de HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(body) == school_json(world.reports[ODD], "de")


async def test_a_school_that_is_not_or_not_yet_there(client: aiohttp.ClientSession) -> None:
    status, text = await fetched(client, "/api/v1/schools/nobody")
    assert (status, json.loads(text)) == (404, {"error": "there is no school of this name"})
    status, text = await fetched(client, "/api/v1/schools/not%20yet")
    assert (status, json.loads(text)) == (503, {"error": "no round of this school is done yet"})


async def test_sentences_in_the_readers_language(client: aiohttp.ClientSession, world: World) -> None:
    _, text = await fetched(client, "/api/v1/schools/b", Accept_Language="de-DE,en;q=0.5")
    assert json.loads(text) == school_json(world.reports["b"], "de")
    _, page = await fetched(client, "/", Accept_Language="de")
    assert "Schulen von außen gesehen" in page
    _, page = await fetched(client, "/?lang=en&diagnosis=line_down", Accept_Language="de")
    assert "Schools seen from outside" in page


async def test_discovery(client: aiohttp.ClientSession) -> None:
    async with client.get("/sd", headers=PLAIN) as response:
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        groups = await response.json()
    assert [group["labels"]["__meta_portwatch_school"] for group in groups] == ["a", "b", ODD, "not yet"]


async def test_nothing_to_show_is_an_empty_list(world: World) -> None:
    world.reports.clear()
    world.waiting.clear()
    async with served(world) as client:
        for path in ("/sd", "/api/v1/schools"):
            assert json.loads((await fetched(client, path))[1]) == []


async def test_health_and_readiness(client: aiohttp.ClientSession, world: World) -> None:
    assert await fetched(client, "/-/healthy") == (200, "portwatchd is healthy.\n")
    assert await fetched(client, "/-/ready") == (200, "portwatchd is ready.\n")
    world.ready = False
    assert (await fetched(client, "/-/ready"))[0] == 503
    assert (await fetched(client, "/-/healthy"))[0] == 200


async def test_reload_is_off_by_default(client: aiohttp.ClientSession) -> None:
    async with client.post("/-/reload") as response:
        assert (response.status, await response.text()) == (403, "Lifecycle API is not enabled.\n")


async def test_reload_says_why_it_failed(world: World) -> None:
    world.reloads = [None, "my.yml:3: unknown key"]
    async with served(world, lifecycle=True) as client:
        async with client.post("/-/reload") as response:
            assert response.status == 200
        async with client.put("/-/reload") as response:
            assert (response.status, await response.text()) == (500, "failed to reload config: my.yml:3: unknown key\n")
        assert (await fetched(client, "/-/reload"))[0] == 405


async def test_other_methods_and_paths(client: aiohttp.ClientSession) -> None:
    async with client.post("/metrics") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")
    async with client.delete("/api/v1/schools/a") as response:
        assert response.status == 405
        assert "error" in await response.json()
    assert (await fetched(client, "/favicon.ico"))[0] == 404


async def test_headers_are_modest_and_the_page_is_closed(client: aiohttp.ClientSession) -> None:
    for path in ("/", "/metrics", "/api/v1/schools?x=1", "/nowhere"):
        async with client.get(path) as response:
            assert response.headers["Server"] == "portwatchd"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
    async with client.get("/") as response:
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_the_api_is_compressed_where_that_is_wanted(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/schools", headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert len(json.loads(gzip.decompress(await response.read()))) == 3


async def test_fifty_scrapers_at_once(client: aiohttp.ClientSession) -> None:
    async def scrape() -> bytes:
        async with client.get("/metrics?name[]=portwatch_port_up", headers={"Accept-Encoding": "gzip"}) as response:
            assert response.status == 200
            return gzip.decompress(await response.read())

    assert len(set(await asyncio.gather(*(scrape() for _ in range(50))))) == 1


async def test_a_client_that_leaves_harms_nobody(world: World) -> None:
    for n in range(300):
        world.put(of(f"school-{n}"))
    async with served(world) as client:
        host, port = world.origin.removeprefix("http://").split(":")
        for _ in range(5):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await writer.drain()
            writer.transport.abort()
        assert (await fetched(client, "/metrics"))[0] == 200


async def test_an_old_client_gets_everything_until_the_end(world: World) -> None:
    async with served(world):
        host, port = world.origin.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    assert b"chunked" not in head
    assert body.startswith(b"# HELP portwatch_port_up ")
    assert b"portwatch_storage_ok" in body
