"""Peers that never behave: each ends within its time-out, with an outcome of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from portwatchd.model import Depth, Family, Outcome, Policy, Protocol, Service, Stage, Target
from portwatchd.probes.runner import Prober
from tests.loopback.probes.conftest import NAME, Observe, Peer, reset

# Loading the authorities costs 60 ms, so one network serves all, and it belongs to one loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVER_FIRST = (Protocol.SMTP, Protocol.FTP, Protocol.POP3, Protocol.IMAP, Protocol.SSH)
IN_TLS = (Protocol.TLS, Protocol.HTTPS, Protocol.SMTPS, Protocol.POP3S, Protocol.IMAPS, Protocol.LDAPS)
DIALOGUES = (*SERVER_FIRST, Protocol.HTTP)

GREETINGS = {
    Protocol.SMTP: b"220 mail ESMTP\r\n",
    Protocol.FTP: b"220 ftp\r\n",
    Protocol.POP3: b"+OK ready\r\n",
    Protocol.IMAP: b"* OK ready\r\n",
    Protocol.SSH: b"SSH-2.0-OpenSSH_9.2\r\n",
    Protocol.HTTP: b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


async def silence(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def repeating(data: bytes, pause: float) -> Peer:
    async def peer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(pause)

    return peer


def saying(*said: bytes) -> Peer:
    """Say the first, then each next one after the client has said something; then keep silent."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said[0])
        for data in said[1:]:
            await reader.read(1000)
            writer.write(data)
        await asyncio.Event().wait()

    return peer


async def test_silence(observe: Observe) -> None:
    for seen in await asyncio.gather(*(observe(protocol, silence) for protocol in SERVER_FIRST)):
        assert (seen.outcome, seen.stopped) == (Outcome.TIMEOUT, Stage.GREETING)


async def test_silence_where_the_client_speaks_first(observe: Observe) -> None:
    seen = await observe(Protocol.HTTP, silence)
    assert (seen.outcome, seen.stopped) == (Outcome.TIMEOUT, Stage.DIALOGUE)


async def test_silence_in_the_handshake(observe: Observe) -> None:
    for seen in await asyncio.gather(*(observe(protocol, silence) for protocol in IN_TLS)):
        assert (seen.outcome, seen.stopped) == (Outcome.TIMEOUT, Stage.TLS)


async def test_silence_after_the_handshake(observe: Observe, good: ssl.SSLContext) -> None:
    talkative = (protocol for protocol in IN_TLS if protocol is not Protocol.TLS)
    for seen in await asyncio.gather(*(observe(protocol, silence, tls=good) for protocol in talkative)):
        assert seen.outcome is Outcome.TIMEOUT
        assert seen.stopped in {Stage.GREETING, Stage.DIALOGUE}
        assert seen.certificate is not None
        assert seen.certificate.valid


async def test_a_byte_now_and_then(observe: Observe) -> None:
    slow = repeating(b"2", 0.1)
    for seen in await asyncio.gather(*(observe(protocol, slow) for protocol in DIALOGUES)):
        assert seen.outcome is Outcome.TIMEOUT


@pytest.mark.parametrize(
    ("protocol", "data"),
    [
        *((protocol, b"x" * 1000) for protocol in DIALOGUES),
        (Protocol.SMTP, b"220-more and more\r\n" * 50),
        (Protocol.FTP, b"220-more and more\r\n" * 50),
        (Protocol.SSH, b"more and more\r\n" * 50),
        (Protocol.HTTP, b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    ],
)
async def test_an_endless_banner(protocol: Protocol, data: bytes, observe: Observe) -> None:
    seen = await observe(protocol, repeating(data, 0))
    assert seen.outcome is Outcome.MALFORMED
    assert "more than" in seen.detail


@pytest.mark.parametrize(
    ("protocol", "spoken"),
    [(protocol, spoken) for protocol in DIALOGUES for spoken in GREETINGS if protocol is not spoken],
)
async def test_another_protocol(protocol: Protocol, spoken: Protocol, observe: Observe) -> None:
    unknown = b"500 unknown command\r\n"
    seen = await observe(protocol, saying(GREETINGS[spoken], *[unknown] * 3), Policy.TLS_OFFERED)
    assert seen.outcome is Outcome.WRONG_PROTOCOL


@pytest.mark.parametrize("spoken", GREETINGS)
@pytest.mark.parametrize("protocol", IN_TLS)
async def test_plain_text_on_a_tls_port(protocol: Protocol, spoken: Protocol, observe: Observe) -> None:
    seen = await observe(protocol, saying(GREETINGS[spoken]))
    assert (seen.outcome, seen.detail) == (Outcome.WRONG_PROTOCOL, "answers in plain text where TLS is expected")


SMTP_WORDS = (b"220 mail ESMTP\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"220 go ahead\r\n")


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("half", [False, True])
async def test_a_reset_at_any_step(steps: int, half: bool, observe: Observe) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, data in enumerate(SMTP_WORDS[:steps]):
            last = half and number == steps - 1
            writer.write(data[: len(data) // 2] if last else data)
            if not last:
                await reader.read(1000)
        reset(writer)

    seen = await observe(Protocol.SMTP, peer, Policy.TLS_OFFERED, audit=True)
    assert seen.outcome is Outcome.CLOSED
    assert seen.stopped is (Stage.GREETING, Stage.DIALOGUE, Stage.DIALOGUE, Stage.TLS)[max(0, steps - half)]


@pytest.mark.parametrize("how", [reset, lambda writer: writer.close()])
@pytest.mark.parametrize("protocol", IN_TLS)
async def test_an_end_in_the_handshake(protocol: Protocol, how: object, observe: Observe) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        assert callable(how)
        how(writer)

    seen = await observe(protocol, peer)
    assert (seen.outcome, seen.stopped) == (Outcome.CLOSED, Stage.TLS)


async def test_a_handshake_that_stalls_behind_starttls(observe: Observe) -> None:
    seen = await observe(Protocol.SMTP, saying(*SMTP_WORDS), Policy.TLS_OFFERED, audit=True)
    assert (seen.outcome, seen.stopped) == (Outcome.TIMEOUT, Stage.TLS)
    assert [fact.holds for fact in seen.policies] == [None]


UPGRADES = {
    Protocol.SMTP: SMTP_WORDS,
    Protocol.FTP: (b"220 ftp\r\n", b"211-x\r\n AUTH TLS\r\n211 End\r\n", b"234 go\r\n"),
    Protocol.POP3: (b"+OK\r\n", b"+OK\r\nSTLS\r\n.\r\n", b"+OK go\r\n"),
    Protocol.IMAP: (b"* OK [CAPABILITY STARTTLS] x\r\n", b"b OK go\r\n"),
}


@pytest.mark.parametrize("apart", [False, True], ids=["one packet", "two packets"])
@pytest.mark.parametrize("protocol", UPGRADES)
async def test_text_behind_starttls(protocol: Protocol, apart: bool, observe: Observe) -> None:
    *words, accepted = UPGRADES[protocol]

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for data in words:
            writer.write(data)
            await reader.read(1000)
        writer.write(accepted if apart else accepted + b"250 injected\r\n")
        if apart:
            await reader.read(1000)
            writer.write(b"250 injected\r\n")
        await asyncio.Event().wait()

    seen = await observe(protocol, peer, Policy.TLS_OFFERED, audit=True)
    assert (seen.outcome, seen.stopped) == (Outcome.STARTTLS_INJECTED, Stage.TLS)
    assert [fact.holds for fact in seen.policies] == [False]


async def test_nobody_listens(prober: Prober) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        service = Service("tcp", Protocol.TCP, port, port)
        seen = await prober.observe(Target(service, Family.IPV4, "127.0.0.1", port, NAME, Depth.WATCH))
    assert (seen.outcome, seen.stopped) == (Outcome.REFUSED, Stage.CONNECT)
