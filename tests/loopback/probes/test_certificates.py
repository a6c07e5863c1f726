"""Servers whose TLS is not as it should be: each with its reason, and with the facts of its certificate."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portwatchd.model import Outcome, Policy, Protocol, Stage
from tests.loopback.probes.conftest import NAME, Observe, server_context

# Loading the authorities costs 60 ms, so one network serves all, and it belongs to one loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")

LINKS = 100


async def imap(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"* OK ready\r\n")
    await asyncio.Event().wait()


async def test_a_good_one(observe: Observe, good: ssl.SSLContext) -> None:
    seen = await observe(Protocol.IMAPS, imap, tls=good)
    assert (seen.outcome, seen.stopped, seen.detail) == (Outcome.OK, None, "")
    assert seen.certificate is not None
    assert (seen.certificate.valid, seen.certificate.reason, seen.certificate.san) == (True, "", (NAME,))
    assert seen.tls is not None
    assert seen.tls.version == "TLSv1.3"


async def test_without_a_name_the_chain_alone_is_verified(observe: Observe, authority: trustme.CA) -> None:
    other = server_context(certificate=authority.issue_cert("other.example.org"))
    assert (await observe(Protocol.IMAPS, imap, tls=other, server_name="")).outcome is Outcome.OK
    stranger = server_context(certificate=trustme.CA().issue_cert(NAME))
    assert (await observe(Protocol.IMAPS, imap, tls=stranger, server_name="")).outcome is Outcome.CERTIFICATE_INVALID


def expired(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert(
        NAME, not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=datetime(2020, 4, 1, tzinfo=UTC)
    )


def not_yet(authority: trustme.CA) -> trustme.LeafCert:
    start = datetime.now(UTC) + timedelta(days=10)
    return authority.issue_cert(NAME, not_before=start, not_after=start + timedelta(days=90))


def of_another_name(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("fritz.box")


def of_a_stranger(_: trustme.CA) -> trustme.LeafCert:
    return trustme.CA().issue_cert(NAME)


CASES = [
    (expired, "expired", True),
    (not_yet, "not yet valid", True),
    (of_another_name, "made for another name", False),
    (of_a_stranger, "unknown authority or incomplete chain", True),
]


@pytest.mark.parametrize(("make", "reason", "names_match"), CASES, ids=lambda case: getattr(case, "__name__", None))
async def test_bad_ones(
    make: object,
    reason: str,
    names_match: bool,
    observe: Observe,
    authority: trustme.CA,
) -> None:
    assert callable(make)
    seen = await observe(Protocol.IMAPS, imap, tls=server_context(certificate=make(authority)))
    assert (seen.outcome, seen.stopped) == (Outcome.CERTIFICATE_INVALID, Stage.TLS)
    assert seen.detail == f"the certificate is invalid: {reason}"
    assert seen.certificate is not None
    assert (seen.certificate.valid, seen.certificate.reason) == (False, reason)
    assert seen.certificate.names_match is names_match
    assert seen.banner.shown() == "ready"


async def test_a_bad_one_behind_starttls(observe: Observe, authority: trustme.CA) -> None:
    context = server_context(certificate=expired(authority))

    async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        await reader.readline()
        writer.write(b"250-mail\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go\r\n")
        await writer.start_tls(context)
        await reader.readline()
        writer.write(b"250 mail\r\n")
        assert await reader.readline() == b"QUIT\r\n"

    seen = await observe(Protocol.SMTP, smtp, Policy.TLS_OFFERED, audit=True)
    assert (seen.outcome, seen.detail) == (Outcome.CERTIFICATE_INVALID, "the certificate is invalid: expired")
    assert [fact.holds for fact in seen.policies] == [True]
    assert seen.certificate is not None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_a_server_of_old_tls(version: ssl.TLSVersion, observe: Observe, authority: trustme.CA) -> None:
    context = server_context(certificate=authority.issue_cert(NAME))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    seen = await observe(Protocol.IMAPS, imap, tls=context)
    assert seen.outcome is Outcome.TLS_FAILED
    assert seen.detail == f"speaks only {version.name.replace('_', '.')}"
    assert seen.certificate is not None


def chain_of(links: int, path: Path) -> None:
    """Write a leaf, its key and a chain of so many certificates in whole, each signed by the next."""
    start, end = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=90)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(links)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"link {number}")]) for number in range(links)]
    parts = [keys[0].private_bytes(*_PEM, serialization.NoEncryption())]
    for number in range(links):
        issuer = min(number + 1, links - 1)
        builder = (
            x509.CertificateBuilder(serial_number=number + 1)
            .subject_name(names[number])
            .issuer_name(names[issuer])
            .public_key(keys[number].public_key())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=number > 0, path_length=None), critical=True)
        )
        if number == 0:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        parts.append(builder.sign(keys[issuer], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    path.write_bytes(b"".join(parts))


_PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)


async def test_a_chain_of_a_hundred_links(observe: Observe, tmp_path: Path) -> None:
    path = tmp_path / "chain.pem"
    chain_of(LINKS, path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    seen = await observe(Protocol.IMAPS, imap, tls=context)
    assert (seen.outcome, seen.stopped) == (Outcome.CERTIFICATE_INVALID, Stage.TLS)
    assert seen.certificate is not None
    assert seen.certificate.subject == "CN=link 0"
