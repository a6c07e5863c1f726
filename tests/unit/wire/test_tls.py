"""A ClientHello that OpenSSL takes, and the first flight that it answers."""

from __future__ import annotations

import ssl

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.wire import tls
from portwatchd.wire.lines import Buffer, Malformed
from tests.unit.wire.feeding import never_breaks, read, whole

NAME = "school.example.org"
RANDOM = bytes(range(32))


def flight(context: ssl.SSLContext, name: str = NAME) -> bytes:
    """Return what OpenSSL answers to the ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(tls.client_hello(name, RANDOM))
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    return outgoing.read()


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture(scope="module", params=list(trustme.KeyType))
def certificate(request: pytest.FixtureRequest) -> trustme.LeafCert:
    return trustme.CA(key_type=request.param).issue_cert(NAME, key_type=request.param)


@pytest.mark.parametrize("name", [NAME, ""])
def test_the_certificate_that_openssl_shows_is_read(certificate: trustme.LeafCert, name: str) -> None:
    leaf = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    assert whole(tls.first_flight, flight(context_of(certificate), name)) == leaf


def test_the_server_learns_the_name(certificate: trustme.LeafCert) -> None:
    context, asked = context_of(certificate), []
    context.sni_callback = lambda _server, name, _context: asked.append(name)
    flight(context)
    flight(context, "")
    assert asked == [NAME, None]


def test_a_server_of_tls_1_3_alone_answers_with_an_alert(certificate: trustme.LeafCert) -> None:
    context = context_of(certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(tls.client_hello(NAME, RANDOM))
    with pytest.raises(ssl.SSLError):
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    with pytest.raises(Malformed, match="alert"):
        read(tls.first_flight, outgoing.read())


def handshake(kind: int, body: bytes) -> bytes:
    message = bytes((kind,)) + len(body).to_bytes(3) + body
    return b"\x16\x03\x03" + len(message).to_bytes(2) + message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"220 mail", "first byte of 0x32"),
        (b"HTTP/1.1 400 Bad Request", "first byte of 0x48"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "alert"),
        (b"\x16\x03\x03\x00\x00", "first byte"),
        (b"\x16\x03\x03\xff\xff", "first byte"),
        (handshake(tls.SERVER_HELLO, b"\x03\x01" + RANDOM), "another version"),
        (handshake(tls.CERTIFICATE, b"\x00\x00\x09\x00\x00\xff123"), "beyond its message"),
        (handshake(tls.CERTIFICATE, b"\x00"), "beyond its message"),
        (handshake(tls.SERVER_HELLO_DONE, b""), "without a certificate"),
    ],
)
def test_what_is_no_first_flight(data: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read(tls.first_flight, data)


@given(st.binary(max_size=300))
def test_nothing_breaks_the_reader(data: bytes) -> None:
    never_breaks(tls.first_flight, data)
    never_breaks(tls.first_flight, handshake(tls.CERTIFICATE, data))


@given(st.data())
def test_a_flight_with_bytes_changed_does_not_break_the_reader(data: st.DataObject) -> None:
    good = bytearray(FLIGHT)
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    never_breaks(tls.first_flight, bytes(good))


FLIGHT = flight(context_of(trustme.CA().issue_cert(NAME)))


def test_the_buffer_bounds_what_is_read() -> None:
    buffer = Buffer()
    reading = tls.first_flight(buffer)
    record = b"\x16\x03\x03\x40\x00" + bytes((tls.CERTIFICATE, 0xFF, 0xFF, 0xFF)) + b"\x00" * 16380
    for _ in range(3):
        buffer.feed(record)
        next(reading)
    with pytest.raises(Malformed, match="more than"):
        buffer.feed(record)
