"""Connections and TLS over real sockets, on both loops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from portwatchd.net.sockets import SocketChannel, SystemNetwork
from portwatchd.world import Trust

from .conftest import NAME, Serve

# A signal does not wake uvloop while it has nothing to do, so pytest-timeout needs its thread.
pytestmark = pytest.mark.timeout(20, method="thread")

Descriptors = Callable[[], set[str]]


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says nothing and reads nothing until the test ends."""
    await asyncio.sleep(60)


async def greeter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello\r\n")
    while data := await reader.read(1000):
        writer.write(data.upper())


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port on loopback whose queue is full: a further SYN is never answered."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def read_all(channel: SocketChannel) -> bytes:
    data = b""
    while piece := await channel.receive():
        data += piece
    return data


async def test_talks_in_both_families(network: SystemNetwork, serve: Serve, host: str) -> None:
    port = await serve(greeter, host=host)
    channel = await network.connect(host, port)
    assert await channel.receive() == b"220 hello\r\n"
    await channel.send(b"ehlo\r\n")
    assert await channel.receive() == b"EHLO\r\n"
    channel.close()
    channel.close()


async def test_the_end_of_the_stream_is_empty(network: SystemNetwork, serve: Serve) -> None:
    async def farewell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        await reader.read()

    channel = await network.connect("127.0.0.1", await serve(farewell))
    assert await read_all(channel) == b"bye"
    assert await channel.receive() == b""
    channel.close()


async def test_a_read_is_16_kib_at_most(network: SystemNetwork, serve: Serve) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(100_000))
        await writer.drain()
        writer.write_eof()
        await reader.read()

    channel = await network.connect("127.0.0.1", await serve(flood))
    sizes = []
    while piece := await channel.receive():
        sizes.append(len(piece))
    channel.close()
    assert sum(sizes) == 100_000
    assert max(sizes) <= 16384


async def test_large_data_reaches_a_slow_reader(network: SystemNetwork, serve: Serve) -> None:
    got = asyncio.get_running_loop().create_future()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(len(await reader.readexactly(5_000_000)))

    channel = await network.connect("127.0.0.1", await serve(slow))
    await channel.send(bytes(5_000_000))
    assert await got == 5_000_000
    channel.close()


async def test_refused_is_a_plain_refusal(network: SystemNetwork, host: str, descriptors: Descriptors) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        taken.bind((host, 0))
        before = descriptors()
        with pytest.raises(ConnectionRefusedError) as caught:
            await network.connect(host, taken.getsockname()[1])
        assert type(caught.value) is ConnectionRefusedError
        del caught
        assert descriptors() == before


async def test_no_route_is_this_machines_fault(network: SystemNetwork) -> None:
    with pytest.raises(OSError, match="unreachable") as caught:
        await network.connect("224.0.0.1", 80)  # multicast has no way for TCP
    assert caught.value.errno == errno.ENETUNREACH
    assert type(caught.value) is OSError


@pytest.mark.parametrize("name", ["localhost", "", "1.2.3", "::g"])
async def test_a_name_is_never_looked_up(network: SystemNetwork, name: str) -> None:
    with pytest.raises(OSError, match="is not an address"):
        await network.connect(name, 80)


async def test_no_descriptors_left_is_emfile(network: SystemNetwork, serve: Serve) -> None:
    port = await serve(greeter)
    (await network.connect("127.0.0.1", port)).close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as highest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest.fileno(), hard))
    try:
        with contextlib.ExitStack() as stack, pytest.raises(OSError, match="Too many open files") as caught:  # noqa: PT012
            for _ in range(50):
                channel = await network.connect("127.0.0.1", port)
                stack.callback(channel.close)
        assert caught.value.errno == errno.EMFILE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_cancelled_connect_leaves_nothing(network: SystemNetwork, descriptors: Descriptors) -> None:
    with full_backlog() as port:
        before = descriptors()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await network.connect("127.0.0.1", port)
        assert descriptors() == before
        assert network._poller.waiting == 0


async def test_a_cancelled_read_leaves_nothing_and_may_be_repeated(network: SystemNetwork, serve: Serve) -> None:
    say = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say.wait()
        writer.write(b"late")
        await reader.read()

    channel = await network.connect("127.0.0.1", await serve(late))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await channel.receive()
    assert network._poller.waiting == 0
    say.set()
    assert await channel.receive() == b"late"
    channel.close()


@pytest.mark.parametrize("secured", [False, True])
async def test_a_peer_that_reads_nothing_blocks_only_until_cancelled(
    network: SystemNetwork, serve: Serve, server_context: ssl.SSLContext, secured: bool, descriptors: Descriptors
) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cast("asyncio.Transport", writer.transport).pause_reading()
        await asyncio.sleep(60)

    port = await serve(deaf, tls=server_context if secured else None)
    channel = await network.connect("127.0.0.1", port)
    if secured:
        await channel.start_tls(NAME, Trust.VERIFY)
    before = len(descriptors())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await channel.send(bytes(50_000_000))
    assert network._poller.waiting == 0
    channel.close()
    assert len(descriptors()) == before - 1


async def test_closing_wakes_who_waits(network: SystemNetwork, serve: Serve) -> None:
    channel = await network.connect("127.0.0.1", await serve(mute))
    waiting = asyncio.ensure_future(channel.receive())
    await asyncio.sleep(0.01)
    channel.close()
    with pytest.raises(ConnectionAbortedError):
        await waiting


async def test_closing_the_network_wakes_who_waits(network: SystemNetwork, serve: Serve) -> None:
    channel = await network.connect("127.0.0.1", await serve(mute))
    waiting = asyncio.ensure_future(channel.receive())
    await asyncio.sleep(0.01)
    network.close()
    with pytest.raises(ConnectionAbortedError):
        await waiting
    channel.close()


async def test_a_reset_is_an_error(network: SystemNetwork, serve: Serve) -> None:
    async def slam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await reader.read(1)

    channel = await network.connect("127.0.0.1", await serve(slam))
    await channel.send(b"x")
    with pytest.raises(ConnectionResetError):
        await channel.receive()
    channel.close()


async def test_many_at_once(network: SystemNetwork, serve: Serve, descriptors: Descriptors) -> None:
    port = await serve(greeter)
    before = len(descriptors())

    async def one() -> bytes:
        channel = await network.connect("127.0.0.1", port)
        try:
            return await channel.receive()
        finally:
            channel.close()

    answers = await asyncio.gather(*(one() for _ in range(300)))
    assert set(answers) == {b"220 hello\r\n"}
    assert network._poller.waiting == 0
    assert len(descriptors()) <= before + 300  # the server's ends may still be closing
