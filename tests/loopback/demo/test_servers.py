"""A simulated school server, talked to by a bare client over real sockets."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator

import pytest

from portwatchd.demo.certificates import Authority
from portwatchd.demo.connection import FOREIGN_GREETING, Fault
from portwatchd.demo.servers import SimulatedServer
from portwatchd.model import Answer, Policy, Protocol, Service
from portwatchd.net.sockets import SystemNetwork

NAME = "gym-nord.invalid"
ADDRESS = f"127.200.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
UPGRADED = frozenset({Policy.TLS_OFFERED})
PORTS = {
    Protocol.SSH: 20022,
    Protocol.HTTP: 20080,
    Protocol.HTTPS: 20443,
    Protocol.FTP: 20021,
    Protocol.SMTP: 20025,
    Protocol.SMTPS: 20465,
    Protocol.POP3: 20110,
    Protocol.POP3S: 20995,
    Protocol.IMAP: 20143,
    Protocol.IMAPS: 20993,
    Protocol.LDAPS: 30636,
    Protocol.TCP: 20001,
    Protocol.TLS: 20002,
}
SERVICES = [
    *(Service(protocol.value, protocol, port, port, policies=UPGRADED) for protocol, port in PORTS.items()),
    Service("ftp-data", Protocol.RANGE, 63000, 63009),
]
BIND = bytes.fromhex("300c020101600702010304008000")
FIRST_WORDS = {
    Protocol.SSH: b"SSH-2.0-",
    Protocol.FTP: b"220 ",
    Protocol.SMTP: b"220 ",
    Protocol.SMTPS: b"220 ",
    Protocol.POP3: b"+OK ",
    Protocol.POP3S: b"+OK ",
    Protocol.IMAP: b"* OK ",
    Protocol.IMAPS: b"* OK ",
}
IN_TLS = {Protocol.HTTPS, Protocol.SMTPS, Protocol.POP3S, Protocol.IMAPS, Protocol.LDAPS, Protocol.TLS}
UPGRADE = {
    Protocol.FTP: (b"AUTH TLS\r\n", b"234 ", b"USER a\r\n", b"331 "),
    Protocol.SMTP: (b"STARTTLS\r\n", b"220 ", b"EHLO a\r\n", b"250-"),
    Protocol.POP3: (b"STLS\r\n", b"+OK ", b"USER a\r\n", b"+OK"),
    Protocol.IMAP: (b"a STARTTLS\r\n", b"a OK ", b"b NOOP\r\n", b"b OK "),
}


class Client:
    """A bare client: lines out, bytes in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def hear(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(65536), 5)

    async def ask(self, message: bytes) -> bytes:
        self.writer.write(message)
        return await self.hear()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.pem.decode())


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[SimulatedServer]:
    async with SimulatedServer(ADDRESS, SERVICES, authority.server_context(NAME), NAME) as server:
        yield server


@pytest.fixture
async def clients() -> AsyncIterator[list[Client]]:
    clients: list[Client] = []
    yield clients
    for client in clients:
        client.writer.transport.abort()


async def call(clients: list[Client], protocol: Protocol, context: ssl.SSLContext | None = None) -> Client:
    inside = context if protocol in IN_TLS else None
    name = NAME if inside else None
    client = Client(*await asyncio.open_connection(ADDRESS, PORTS[protocol], ssl=inside, server_hostname=name))
    clients.append(client)
    return client


@pytest.mark.parametrize(("protocol", "words"), FIRST_WORDS.items())
async def test_it_greets(
    protocol: Protocol, words: bytes, server: SimulatedServer, trusting: ssl.SSLContext, clients: list[Client]
) -> None:
    client = await call(clients, protocol, trusting)
    assert (await client.hear()).startswith(words)


@pytest.mark.parametrize("protocol", UPGRADE)
async def test_it_changes_to_tls_with_a_certificate_for_its_name(
    protocol: Protocol, server: SimulatedServer, trusting: ssl.SSLContext, clients: list[Client]
) -> None:
    command, agreed, inside, reply = UPGRADE[protocol]
    client = await call(clients, protocol)
    await client.hear()
    assert (await client.ask(command)).startswith(agreed)
    await client.writer.start_tls(trusting, server_hostname=NAME)
    assert (await client.ask(inside)).startswith(reply)


@pytest.mark.parametrize("protocol", UPGRADE)
async def test_words_said_before_the_handshake_are_not_answered_inside_it(
    protocol: Protocol, server: SimulatedServer, trusting: ssl.SSLContext, clients: list[Client]
) -> None:
    command, agreed, inside, reply = UPGRADE[protocol]
    client = await call(clients, protocol)
    await client.hear()
    assert (await client.ask(command + b"XYZZY\r\n")).startswith(agreed)
    await client.writer.start_tls(trusting, server_hostname=NAME)
    assert (await client.ask(inside)).startswith(reply)


async def test_the_web_and_the_directory_answer(
    server: SimulatedServer, trusting: ssl.SSLContext, clients: list[Client]
) -> None:
    http = await call(clients, Protocol.HTTP)
    assert f"Location: https://{NAME}:20443/".encode() in await http.ask(b"HEAD / HTTP/1.1\r\n\r\n")
    assert await http.hear() == b""
    https = await call(clients, Protocol.HTTPS, trusting)
    assert b"Strict-Transport-Security" in await https.ask(b"GET / HTTP/1.1\r\n\r\n")
    ldaps = await call(clients, Protocol.LDAPS, trusting)
    assert await ldaps.ask(BIND) == bytes.fromhex("300c02010161070a010004000400")


async def test_a_client_that_trusts_nobody_does_no_harm(
    server: SimulatedServer, trusting: ssl.SSLContext, clients: list[Client]
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await call(clients, Protocol.IMAPS, ssl.create_default_context())
    client = await call(clients, Protocol.IMAPS, trusting)
    assert (await client.hear()).startswith(b"* OK")


@pytest.mark.parametrize(("port", "arriving"), [(20025, 63), (63004, 63), (63010, 64)])
async def test_the_server_answers_from_behind_the_router_that_answers_elsewhere(
    port: int, arriving: int, server: SimulatedServer
) -> None:
    network = SystemNetwork()
    forwarded = Answer.CONNECTED if arriving == 63 else Answer.RESET
    for minimum, answer in ((arriving, forwarded), (arriving + 1, Answer.SILENT)):
        reply = await network.probe(ADDRESS, port, seconds=0.2, minimum_ttl=minimum)
        assert reply.answer is answer
    network.close()


async def test_a_lost_forward_comes_back(server: SimulatedServer, clients: list[Client]) -> None:
    for _ in range(3):
        await server.suffer("smtp", Fault.CLOSED)
        with pytest.raises(ConnectionRefusedError):
            await call(clients, Protocol.SMTP)
        await server.suffer("smtp", None)
        client = await call(clients, Protocol.SMTP)
        assert (await client.hear()).startswith(b"220 ")


@pytest.mark.parametrize("name", ["smtp", "ftp-data"])
async def test_a_dropped_syn_is_never_answered(name: str, server: SimulatedServer) -> None:
    await server.suffer(name, Fault.DROPPED)
    port = server.services[name].last
    with socket.socket() as bare:
        bare.setblocking(False)
        connecting = asyncio.get_running_loop().sock_connect(bare, (ADDRESS, port))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connecting, 0.3)


@pytest.mark.parametrize("protocol", [Protocol.SMTP, Protocol.HTTP, Protocol.IMAPS])
async def test_silence_is_silent(protocol: Protocol, server: SimulatedServer, clients: list[Client]) -> None:
    await server.suffer(protocol, Fault.SILENT)
    client = Client(*await asyncio.open_connection(ADDRESS, PORTS[protocol]))
    clients.append(client)
    client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.reader.read(1), 0.2)


@pytest.mark.parametrize("protocol", [Protocol.SMTP, Protocol.HTTP, Protocol.IMAPS])
async def test_a_tarpit_gives_its_first_byte_at_once_and_no_second(
    protocol: Protocol, server: SimulatedServer, clients: list[Client]
) -> None:
    await server.suffer(protocol, Fault.TARPIT)
    client = Client(*await asyncio.open_connection(ADDRESS, PORTS[protocol]))
    clients.append(client)
    assert len(await client.hear()) == 1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.reader.read(1), 0.2)


@pytest.mark.parametrize(
    ("protocol", "question", "words"),
    [
        (Protocol.SSH, b"", b"Not allowed"),
        (Protocol.SMTP, b"", b"421 "),
        (Protocol.FTP, b"", b"421 "),
        (Protocol.POP3, b"", b"-ERR"),
        (Protocol.IMAPS, b"", b"* BYE"),
        (Protocol.HTTPS, b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 503 "),
        (Protocol.LDAPS, BIND, bytes.fromhex("3017020101611 20a0134".replace(" ", ""))),
    ],
)
async def test_a_service_refuses_in_its_own_words_and_closes(
    protocol: Protocol,
    question: bytes,
    words: bytes,
    server: SimulatedServer,
    trusting: ssl.SSLContext,
    clients: list[Client],
) -> None:
    await server.suffer(protocol, Fault.REFUSES)
    client = await call(clients, protocol, trusting)
    assert (await client.ask(question)).startswith(words)
    assert await client.hear() == b""


@pytest.mark.parametrize("protocol", [Protocol.SSH, Protocol.HTTP, Protocol.IMAPS])
async def test_another_protocol_greets(
    protocol: Protocol, server: SimulatedServer, trusting: ssl.SSLContext, clients: list[Client]
) -> None:
    await server.suffer(protocol, Fault.WRONG_PROTOCOL)
    client = await call(clients, protocol, trusting)
    assert await client.hear() == FOREIGN_GREETING


async def test_without_starttls_it_is_neither_listed_nor_given(server: SimulatedServer, clients: list[Client]) -> None:
    await server.suffer("smtp", Fault.NO_STARTTLS)
    client = await call(clients, Protocol.SMTP)
    await client.hear()
    assert b"STARTTLS" not in await client.ask(b"EHLO a\r\n")
    assert (await client.ask(b"STARTTLS\r\n")).startswith(b"500 ")


async def test_an_endless_message_ends_the_connection(server: SimulatedServer, clients: list[Client]) -> None:
    client = await call(clients, Protocol.SMTP)
    await client.hear()
    client.writer.write(b"x" * 200_000)
    with pytest.raises(ConnectionResetError):
        await client.hear()


async def test_the_end_drops_every_connection(
    authority: Authority, trusting: ssl.SSLContext, clients: list[Client]
) -> None:
    async with SimulatedServer(ADDRESS, SERVICES, authority.server_context(NAME), NAME):
        plain = await call(clients, Protocol.SMTP)
        await plain.hear()
        inside = await call(clients, Protocol.IMAPS, trusting)
        await inside.hear()
        leaving = await call(clients, Protocol.POP3S, trusting)
        leaving.writer.write(b"QUIT\r\n")
    for client in clients:
        with contextlib.suppress(ConnectionResetError):  # inside TLS it may come as a plain end
            while await client.hear():
                pass
    with pytest.raises(ConnectionRefusedError):
        await call(clients, Protocol.SMTP)


async def test_a_port_in_use_leaves_nothing_behind(server: SimulatedServer, authority: Authority) -> None:
    own = [Service("free", Protocol.TCP, 20003, 20003), Service("smtp", Protocol.SMTP, 20025, 20025)]
    with pytest.raises(OSError, match="in use"):
        await SimulatedServer(ADDRESS, own, authority.server_context(NAME)).__aenter__()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(ADDRESS, 20003)
