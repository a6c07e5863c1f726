"""TLS over real sockets: what a handshake believes, what it carries, and how it fails, on both loops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from portwatchd.net.sockets import SystemNetwork
from portwatchd.world import Trust

from .conftest import NAME, Serve, context_of
from .test_sockets import greeter, mute, read_all

pytestmark = pytest.mark.timeout(20, method="thread")

Descriptors = Callable[[], set[str]]


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


async def test_authorities_may_change(network: SystemNetwork, secure_port: int, ca_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    open_before = await network.connect("127.0.0.1", secure_port)
    network.trust(other)
    channel = await network.connect("127.0.0.1", secure_port)
    with pytest.raises(ssl.SSLCertVerificationError):
        await channel.start_tls(NAME, Trust.VERIFY)
    assert (await open_before.start_tls(NAME, Trust.VERIFY)).certificate.valid
    open_before.close()
    with pytest.raises(OSError, match="No such file"):
        network.trust(tmp_path / "missing.pem")
    network.trust(ca_file)
    channel = await network.connect("127.0.0.1", secure_port)
    assert (await channel.start_tls(NAME, Trust.VERIFY)).certificate.valid
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
