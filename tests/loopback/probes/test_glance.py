"""A glance at a TLS port: the certificate that is known is enough, whatever is new is looked at in full."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import pytest_asyncio
import trustme

from portwatchd.model import Observation, Outcome, Policy, Protocol, Stage
from tests.loopback.probes.conftest import NAME, TIMEOUT, Observe, server_context

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def imap(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"* OK ready\r\n")
    await asyncio.Event().wait()


async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def told(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """A server that is hung after the handshake: only who looks in full is told."""
    await reader.read()


@pytest_asyncio.fixture(loop_scope="module")
async def known(observe: Observe, good: ssl.SSLContext) -> Observation:
    seen = await observe(Protocol.IMAPS, imap, tls=good)
    assert seen.outcome is Outcome.OK
    return seen


async def test_the_known_certificate_is_enough(observe: Observe, good: ssl.SSLContext, known: Observation) -> None:
    seen = await observe(Protocol.IMAPS, told, tls=good, known=known)
    assert (seen.outcome, seen.banner, seen.tls) == (Outcome.OK, known.banner, known.tls)
    assert seen.certificate is known.certificate
    assert [stage for stage, _ in seen.stages] == [Stage.CONNECT, Stage.TLS, Stage.TOTAL]
    assert seen.at >= known.at


async def test_a_renewed_certificate_is_verified(observe: Observe, authority: trustme.CA, known: Observation) -> None:
    renewed = server_context(certificate=authority.issue_cert(NAME))
    seen = await observe(Protocol.IMAPS, imap, tls=renewed, known=known)
    assert seen.outcome is Outcome.OK
    assert known.certificate is not None
    assert seen.certificate is not None
    assert seen.certificate.fingerprint_sha256 != known.certificate.fingerprint_sha256


async def test_another_machine_is_found_out(observe: Observe, known: Observation) -> None:
    nas = server_context(certificate=trustme.CA().issue_cert("diskstation.local"))
    seen = await observe(Protocol.IMAPS, imap, tls=nas, known=known)
    assert seen.outcome is Outcome.CERTIFICATE_INVALID


async def test_a_server_of_tls_1_3_alone_is_asked_in_full(
    observe: Observe, authority: trustme.CA, known: Observation
) -> None:
    modern = server_context(certificate=authority.issue_cert(NAME))
    modern.minimum_version = ssl.TLSVersion.TLSv1_3
    assert (await observe(Protocol.IMAPS, imap, tls=modern, known=known)).outcome is Outcome.OK


async def test_plain_text_in_place_of_tls(observe: Observe, known: Observation) -> None:
    assert (await observe(Protocol.IMAPS, imap, known=known)).outcome is Outcome.WRONG_PROTOCOL


async def test_a_server_that_is_hung(observe: Observe, known: Observation) -> None:
    seen = await observe(Protocol.IMAPS, silent, known=known)
    assert (seen.outcome, seen.stopped, seen.certificate) == (Outcome.TIMEOUT, Stage.TLS, None)
    assert (seen.seconds(Stage.TOTAL) or 0) >= TIMEOUT


@pytest.mark.parametrize(
    ("protocol", "greeting", "farewell"),
    [
        (Protocol.SMTP, b"220 mx.example.org ESMTP\r\n", b"QUIT\r\n"),
        (Protocol.FTP, b"220 ready\r\n", b"QUIT\r\n"),
        (Protocol.POP3, b"+OK ready\r\n", b"QUIT\r\n"),
        (Protocol.IMAP, b"* OK ready\r\n", b"z LOGOUT\r\n"),
    ],
)
async def test_a_service_that_is_known_to_offer_tls_is_only_greeted(
    observe: Observe, protocol: Protocol, greeting: bytes, farewell: bytes
) -> None:
    heard = asyncio.get_running_loop().create_future()

    async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        heard.set_result(await reader.read())

    seen = await observe(protocol, polite, Policy.TLS_OFFERED, known=Observation(0.0, Outcome.OK))
    assert (seen.outcome, seen.stopped) == (Outcome.OK, None)
    assert seen.banner.raw.strip() in greeting
    assert await heard == farewell


async def test_a_service_that_is_known_and_greets_wrongly_is_faulty(observe: Observe) -> None:
    known = Observation(0.0, Outcome.OK)
    seen = await observe(Protocol.SMTP, imap, Policy.TLS_OFFERED, known=known)
    assert seen.outcome is Outcome.WRONG_PROTOCOL
