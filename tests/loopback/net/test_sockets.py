"""Connections and TLS over real sockets, on both loops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
import trustme

from portwatchd.net.sockets import SocketChannel, SystemNetwork
from portwatchd.world import Trust

from .conftest import NAME, Serve, context_of

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


@pytest.fixture
async def secure_port(serve: Serve, server_context: ssl.SSLContext) -> int:
    return await serve(greeter, tls=server_context)


@pytest.mark.parametrize("trust", list(Trust))
async def test_tls_carries_bytes(network: SystemNetwork, secure_port: int, trust: Trust) -> None:
    channel = await network.connect("127.0.0.1", secure_port)
    secured = await channel.start_tls(NAME, trust)
    assert secured.tls.version == "TLSv1.3"
    assert secured.tls.cipher.startswith("TLS_")
    assert secured.certificate.san == (NAME, "127.0.0.1")
    assert secured.certificate.names_match
    assert secured.certificate.valid == (trust is Trust.VERIFY)
    assert await channel.receive() == b"220 hello\r\n"
    await channel.send(b"x" * 40_000)
    got = b""
    while len(got) < 40_000:
        piece = await channel.receive()
        assert 0 < len(piece) <= 16384
        got += piece
    assert got == b"X" * 40_000
    channel.close()


@pytest.mark.parametrize(("name", "match"), [("", True), ("127.0.0.1", True), ("SCHOOL.example.org.", True)])
async def test_which_names_verify(network: SystemNetwork, secure_port: int, name: str, match: bool) -> None:
    channel = await network.connect("127.0.0.1", secure_port)
    certificate = (await channel.start_tls(name, Trust.VERIFY)).certificate
    assert (certificate.valid, certificate.names_match) == (True, match)
    channel.close()


async def test_another_name_fails_and_closes(network: SystemNetwork, secure_port: int) -> None:
    channel = await network.connect("127.0.0.1", secure_port)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await channel.start_tls("other.example.org", Trust.VERIFY)
    with pytest.raises(OSError, match="Bad file descriptor"):
        await channel.receive()


async def test_an_impossible_server_name_is_an_oserror(network: SystemNetwork, secure_port: int) -> None:
    channel = await network.connect("127.0.0.1", secure_port)
    with pytest.raises(OSError, match="is not a host name"):
        await channel.start_tls("a..b", Trust.LAX)


async def test_a_stranger_is_seen_under_lax(network: SystemNetwork, serve: Serve) -> None:
    stranger = trustme.CA(organization_name="Elsewhere").issue_cert("nas.example.org")
    port = await serve(greeter, tls=context_of(stranger))
    channel = await network.connect("127.0.0.1", port)
    with pytest.raises(ssl.SSLCertVerificationError):
        await channel.start_tls(NAME, Trust.VERIFY)
    channel = await network.connect("127.0.0.1", port)
    certificate = (await channel.start_tls(NAME, Trust.LAX)).certificate
    assert (certificate.valid, certificate.names_match) == (False, False)
    assert certificate.reason == "made for another name"
    assert "Elsewhere" in certificate.issuer
    channel.close()


async def test_what_was_said_before_the_handshake_is_not_inside_it(
    network: SystemNetwork, serve: Serve, server_context: ssl.SSLContext
) -> None:
    """CVE-2021-38371's kind: what is unread when the handshake starts breaks it."""

    async def injected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 go ahead\r\n250 injected\r\n")
        await writer.drain()
        with contextlib.suppress(ssl.SSLError):
            await writer.start_tls(server_context)

    port = await serve(injected)
    channel = await network.connect("127.0.0.1", port)
    assert await channel.receive() == b"220 go ahead\r\n250 injected\r\n"
    channel.close()
    channel = await network.connect("127.0.0.1", port)
    with pytest.raises(ssl.SSLError):  # it is read as a record, and is none
        await channel.start_tls(NAME, Trust.LAX)


async def test_starttls_after_plain_talk(network: SystemNetwork, serve: Serve, server_context: ssl.SSLContext) -> None:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.readline()
        writer.write(b"220 go ahead\r\n")
        await writer.start_tls(server_context)
        writer.write(await reader.readline())
        await reader.read()

    channel = await network.connect("127.0.0.1", await serve(upgrade))
    assert await channel.receive() == b"220 hello\r\n"
    await channel.send(b"STARTTLS\r\n")
    assert await channel.receive() == b"220 go ahead\r\n"
    assert (await channel.start_tls(NAME, Trust.VERIFY)).certificate.valid
    await channel.send(b"inside\r\n")
    assert await channel.receive() == b"inside\r\n"
    channel.close()


async def test_plain_text_instead_of_tls(network: SystemNetwork, serve: Serve) -> None:
    channel = await network.connect("127.0.0.1", await serve(greeter))
    with pytest.raises(ssl.SSLError):
        await channel.start_tls(NAME, Trust.VERIFY)


async def test_the_end_amid_the_handshake(network: SystemNetwork, serve: Serve) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write_eof()
        await reader.read()

    channel = await network.connect("127.0.0.1", await serve(leave))
    with pytest.raises(ssl.SSLEOFError):
        await channel.start_tls(NAME, Trust.LAX)


async def test_a_cancelled_handshake_leaves_nothing(
    network: SystemNetwork, serve: Serve, descriptors: Descriptors
) -> None:
    port = await serve(mute)
    before = len(descriptors())
    channel = await network.connect("127.0.0.1", port)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await channel.start_tls(NAME, Trust.VERIFY)
    assert network._poller.waiting == 0
    assert len(descriptors()) == before + 1  # the server's end


async def test_an_end_without_farewell_is_an_end(
    network: SystemNetwork, serve: Serve, server_context: ssl.SSLContext
) -> None:
    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"last words")
        await writer.drain()
        raw = writer.get_extra_info("socket")
        with socket.socket(fileno=socket.dup(raw.fileno())) as end:
            end.shutdown(socket.SHUT_WR)
        await asyncio.sleep(60)

    channel = await network.connect("127.0.0.1", await serve(drop, tls=server_context))
    await channel.start_tls(NAME, Trust.LAX)
    assert await read_all(channel) == b"last words"
    channel.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_an_old_server_is_recognised_under_lax_alone(
    network: SystemNetwork, serve: Serve, authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    context = context_of(authority.issue_cert(NAME))
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    port = await serve(greeter, tls=context)
    channel = await network.connect("127.0.0.1", port)
    with pytest.raises(ssl.SSLError):
        await channel.start_tls(NAME, Trust.VERIFY)
    channel = await network.connect("127.0.0.1", port)
    secured = await channel.start_tls(NAME, Trust.LAX)
    assert secured.tls.version == version.name.replace("_", ".")
    assert await channel.receive() == b"220 hello\r\n"
    channel.close()


async def test_a_second_handshake_is_a_mistake(network: SystemNetwork, secure_port: int) -> None:
    channel = await network.connect("127.0.0.1", secure_port)
    await channel.start_tls(NAME, Trust.LAX)
    with pytest.raises(RuntimeError):
        await channel.start_tls(NAME, Trust.LAX)
    channel.close()


def test_a_missing_ca_file_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SystemNetwork(tmp_path / "none.pem")
