"""Connections that never say what they want, by the thousand, and what a scrape takes meanwhile."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from portwatchd.options import ListenAddress
from portwatchd.web import door as module
from portwatchd.web.serve import WebServer
from tests.running import descriptors

BEGINNING = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"


class Place:
    """A server and its clients."""

    def __init__(self, server: WebServer, where: str) -> None:
        self.server = server
        self.where = where
        self.host, _, port = where.rpartition(":")
        self.port = int(port)
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self, said: bytes) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(said)
        self.writers.append(writer)
        return reader

    async def scrape(self, path: str = "/metrics") -> tuple[int, float]:
        began = time.perf_counter()
        async with aiohttp.ClientSession() as client, client.get(f"http://{self.where}{path}") as answer:
            await answer.read()
            return answer.status, time.perf_counter() - began


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1_000_000)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.post("/", metrics)])
    server = WebServer(app)
    (where,) = await server.start([ListenAddress("127.0.0.1", 0)])
    made = Place(server, where)
    yield made
    for writer in made.writers:
        writer.close()
    await server.stop()


async def ends(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Whether the other side ends the connection in that time."""
    try:
        async with asyncio.timeout(seconds):
            while await reader.read(65536):
                pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


async def test_headers_that_never_end_are_cut_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.5)
    silent, slow = await place.connect(b""), await place.connect(BEGINNING)

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                place.writers[1].write(b"X-A: b\r\n")
                await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    began = time.perf_counter()
    assert await ends(silent, 3)
    assert await ends(slow, 3)
    assert time.perf_counter() - began < 1.5
    await dripping


async def test_an_idle_connection_may_stay_and_a_slow_second_request_may_not(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.5)
    reader = await place.connect(BEGINNING + b"\r\n")
    await reader.readexactly(1_000_000)
    assert not await ends(reader, 1.0)
    place.writers[0].write(BEGINNING)
    assert await ends(reader, 3)


async def test_an_answer_that_nobody_takes_ends_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.5)
    await place.connect((BEGINNING + b"\r\n") * 30)
    await asyncio.sleep(0.2)
    assert len(place.server._door) == 1
    await asyncio.sleep(1.0)
    assert len(place.server._door) == 0


async def test_newcomers_take_the_place_of_the_silent(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS", 3)
    useful = await place.connect(BEGINNING + b"\r\n")
    await useful.readexactly(1_000_000)
    silent = [await place.connect(b"") for _ in range(4)]
    assert await ends(silent[0], 3)
    assert await ends(silent[1], 3)
    assert not await ends(silent[3], 0.2)
    assert not await ends(useful, 0.2)
    assert (await place.scrape())[0] == 200


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET /" + b"a" * 2**20 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (BEGINNING + b"X: " + b"a" * 2**20 + b"\r\n\r\n", b"400"),
        (BEGINNING + b"X: y\r\n" * 10_000 + b"\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
    ],
)
async def test_requests_that_are_too_much(place: Place, said: bytes, status: bytes) -> None:
    reader = await place.connect(said)
    with contextlib.suppress(ConnectionError):
        head = await reader.readline()
        assert head.split()[1:2] in ([status], [])
    assert await ends(reader, 5)
    assert (await place.scrape())[0] == 200


class Counting(asyncio.Protocol):
    """What aiohttp's handler would be given."""

    def __init__(self) -> None:
        self.given = bytearray()

    def data_received(self, data: bytes) -> None:
        self.given += data


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ([b"GET /" + b"a" * 2**20], module.SLICE_BYTES),
        ([b"GET /" + b"a" * 5000, b"a" * 5000, b"a" * 5000], 10_005),
        ([BEGINNING, b"X: " + b"a" * 2**17], len(BEGINNING) + module.SLICE_BYTES),
        ([BEGINNING + b"X: y\r\n" * 3000, b"\r\n"], len(BEGINNING) + 18_002),
        ([BEGINNING + b"X: y\r\n" * 20_000], module.REQUEST_BYTES),
    ],
)
async def test_the_parser_is_given_nothing_after_a_line_that_is_too_long(said: list[bytes], given: int) -> None:
    door, handler = module.Door(None), Counting()
    door.handler = lambda: handler
    with socket.socket() as unused:
        guest = module.Guest(door, unused)
        guest.connection_made(asyncio.Transport())
        for piece in said:
            guest.data_received(piece)
        assert len(handler.given) == given
        guest.connection_lost(None)


@pytest.mark.timeout(60)
async def test_a_thousand_slow_ones_and_fifty_at_once(place: Place) -> None:
    before = descriptors()
    for _ in range(20):
        await asyncio.gather(*(place.connect(BEGINNING) for _ in range(50)))
    assert len(place.server._door) <= module.CONNECTIONS
    times = await asyncio.gather(*(place.scrape() for _ in range(50)))
    assert all(status == 200 for status, _ in times)
    assert (await place.scrape())[1] < 0.5
    for writer in place.writers:
        writer.close()
    await asyncio.sleep(0.5)
    assert descriptors() < before + 20
