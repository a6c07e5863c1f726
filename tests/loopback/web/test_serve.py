"""Listening on real sockets."""

import socket

import aiohttp
import pytest
from aiohttp import web

from portwatchd.options import ListenAddress
from portwatchd.web.serve import CannotListen, WebServer


def application() -> web.Application:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.add_routes([web.get("/", hello)])
    return app


async def greeted(where: str) -> str:
    async with aiohttp.ClientSession() as client, client.get(f"http://{where}/") as response:
        return await response.text()


async def test_several_addresses_at_once() -> None:
    server = WebServer(application())
    listening = await server.start([ListenAddress("127.0.0.1", 0), ListenAddress("::1", 0)])
    try:
        assert [await greeted(where) for where in listening] == ["hello", "hello"]
        assert listening[1].startswith("[::1]:")
    finally:
        await server.stop()


async def test_no_host_is_every_address() -> None:
    server = WebServer(application())
    listening = await server.start([ListenAddress("", 0)])
    try:
        hosts = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
        for where in listening:
            host, _, port = where.rpartition(":")
            assert await greeted(f"{hosts.pop(host)}:{port}") == "hello"
        assert hosts == {}
    finally:
        await server.stop()


async def test_a_socket_that_comes_open() -> None:
    given = socket.create_server(("127.0.0.1", 0))
    server = WebServer(application())
    (where,) = await server.start([], sockets=[given])
    try:
        assert await greeted(where) == "hello"
    finally:
        await server.stop()


async def test_an_address_in_use_is_named_and_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = WebServer(application())
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}: .*in use"):
            await server.start([ListenAddress("127.0.0.2", 0), ListenAddress("127.0.0.1", port)])


async def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(CannotListen, match=r"cannot listen on 192\.0\.2\.1:0: "):
        await WebServer(application()).start([ListenAddress("192.0.2.1", 0)])
