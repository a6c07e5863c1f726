"""Facts of certificates, and names against them."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.net import certificates
from portwatchd.net.certificates import Facts, describe, matches, read
from portwatchd.net.tls import why_invalid

NAME = "school.example.org"
START = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
NOW = START.timestamp() + 86400
KEY = ec.generate_private_key(ec.SECP256R1())


def made(
    *,
    names: tuple[str, ...] = (NAME,),
    issuer: str = "Authority",
    subject: str = NAME,
    days: int = 90,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = KEY,
    san: bool = True,
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(START)
        .not_valid_after(START + dt.timedelta(days=days))
    )
    if san:
        entries = [*(x509.DNSName(name) for name in names), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(entries), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_facts() -> None:
    certificate = describe(made(), NAME, NOW, verified=True)
    assert certificate.subject == f"CN={NAME}"
    assert certificate.issuer == "CN=Authority"
    assert certificate.san == (NAME, "192.0.2.1")
    assert certificate.not_before == START.timestamp()
    assert certificate.not_after == START.timestamp() + 90 * 86400
    assert len(certificate.fingerprint_sha256) == 64
    assert (certificate.valid, certificate.reason, certificate.names_match) == (True, "", True)


@pytest.mark.parametrize(
    ("der", "name", "now", "reason"),
    [
        (made(), NAME, NOW + 100 * 86400, "expired"),
        (made(), NAME, START.timestamp() - 1, "not yet valid"),
        (made(issuer=NAME), NAME, NOW, "self-signed"),
        (made(), "other.example.org", NOW, "made for another name"),
        (made(key=rsa.generate_private_key(65537, 1024)), NAME, NOW, "the key is too weak (1024 bits)"),
        (made(), NAME, NOW, "not verified"),
        (made(san=False), NAME, NOW, "made for another name"),
    ],
)
def test_reasons(der: bytes, name: str, now: float, reason: str) -> None:
    certificate = describe(der, name, now, verified=False)
    assert (certificate.valid, certificate.reason) == (False, reason)
    assert certificate.names_match == (reason != "made for another name")


def test_without_a_name_every_name_matches() -> None:
    assert describe(made(), "", NOW, verified=False).names_match


@pytest.mark.parametrize(
    ("pattern", "name", "match"),
    [
        ("school.example.org", "SCHOOL.example.org", True),
        ("school.example.org", "school.example.org.", True),
        ("*.example.org", "school.example.org", True),
        ("*.example.org", "a.school.example.org", False),
        ("*.example.org", "example.org", False),
        ("*.org", "example.org", False),
        ("*", "localhost", False),
        ("s*.example.org", "school.example.org", False),
        ("school.*.org", "school.example.org", False),
        ("192.0.2.7", "192.0.2.7", False),
        ("*.0.2.7", "192.0.2.7", False),
    ],
)
def test_names(pattern: str, name: str, match: bool) -> None:
    assert matches(facts(names=(pattern,)), name) is match


@pytest.mark.parametrize(("name", "match"), [("192.0.2.1", True), ("192.0.2.2", False), ("2001:db8::1", True)])
def test_addresses(name: str, match: bool) -> None:
    assert matches(facts(addresses=("192.0.2.1", "2001:db8::1")), name) is match


def facts(names: tuple[str, ...] = (), addresses: tuple[str, ...] = ()) -> Facts:
    return Facts("", "", names, addresses, 0, 0, "", self_signed=False, weakness="")


def test_text_from_outside_is_escaped_and_cut() -> None:
    certificate = describe(made(subject="a\nb\x1b" + "x" * 60), NAME, NOW, verified=False)
    assert certificate.subject.isprintable()
    assert len(describe(made(names=tuple(f"n{n}.example" for n in range(150))), "", NOW, verified=False).san) == 101


@pytest.mark.parametrize("cut", [0, 1, 10, 100])
def test_half_a_certificate_is_a_value_error(cut: int) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read(made()[:cut])


SPECIMEN = made()
"""Made once, for a signature's length differs each time."""


@given(st.integers(min_value=0, max_value=len(SPECIMEN) - 1), st.integers(min_value=0, max_value=255))
def test_a_spoilt_certificate_is_facts_or_a_value_error(at: int, byte: int) -> None:
    der = bytearray(SPECIMEN)
    der[at] = byte
    with contextlib.suppress(ValueError):
        describe(bytes(der), NAME, NOW, verified=False)


def test_the_cache_is_bounded_and_returns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "CACHE_LIMIT", 3)
    certificates._cache.clear()
    ders = [made(days=days) for days in range(1, 6)]
    first = [read(der) for der in ders]
    assert len(certificates._cache) == 3
    assert read(ders[-1]) is first[-1]
    assert read(ders[0]) == first[0]


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (10, "certificate has expired", "expired"),
        (18, "self-signed certificate", "self-signed"),
        (20, "unable to get local issuer certificate", "unknown authority or incomplete chain"),
        (62, "Hostname mismatch, certificate is not valid for 'x'.", "made for another name"),
        (66, "EE certificate key too weak", "the key is too weak"),
        (999, "Something rare.", "something rare"),
        (999, "", "not verified"),
    ],
)
def test_why_invalid(code: int, message: str, words: str) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    assert why_invalid(error) == words
