"""The first flight of TLS 1.2 (RFC 5246): a ClientHello, and what a server answers to it in clear, its certificate."""

from __future__ import annotations

from portwatchd.wire.lines import Buffer, Malformed, Reading

ALERT, HANDSHAKE = 21, 22
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_HELLO_DONE = 1, 2, 11, 14
VERSION = b"\x03\x03"
RECORD_LIMIT = 16384
"""Bytes in one record (RFC 5246 6.2.1)."""
RANDOM_SIZE = 32

CIPHER_SUITES = (
    *(0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8),  # ECDHE with AES-GCM and ChaCha20
    *(0x009E, 0x009F, 0xCCAA),  # DHE with the same
    *(0xC009, 0xC013, 0xC00A, 0xC014, 0x0033, 0x0039, 0x009C, 0x009D, 0x002F, 0x0035),  # what older servers have
)
"""What OpenSSL's clients offer too, ECDSA before RSA, so that a server with two certificates shows the same one."""

GROUPS = (0x001D, 0x0017, 0x0018, 0x0019)
"""x25519, secp256r1, secp384r1, secp521r1 (RFC 8422)."""

SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601)
"""ECDSA, Ed25519, RSA-PSS and RSA, with SHA-256 and longer (RFC 8446 4.2.3)."""

FAREWELL = bytes((ALERT, *VERSION, 0, 2, 1, 0))
"""The alert close_notify (RFC 5246 7.2.1): nothing went wrong, and no more is said."""


def client_hello(server_name: str, random: bytes) -> bytes:
    """Return a ClientHello of TLS 1.2 as one record. `random` are 32 bytes; an empty name sends no server_name."""
    extensions = _sized(2, _name(server_name) + _FOR_ALL)
    hello = VERSION + random + _OFFER + extensions
    return _RECORD + _sized(2, _HELLO + _sized(3, hello))


def first_flight(buffer: Buffer) -> Reading[bytes]:
    """Read to ServerHelloDone and return the server's own certificate as DER. Raises `Malformed`, at an alert too."""
    pending = bytearray()
    certificate = b""
    while True:
        head = yield from buffer.take(5)
        length = int.from_bytes(head[3:])
        if head[0] == ALERT:
            raise Malformed("answers a ClientHello with an alert")
        if head[0] != HANDSHAKE or head[1] != VERSION[0] or not 0 < length <= RECORD_LIMIT:
            raise Malformed(f"expected a TLS handshake, got a first byte of 0x{head[0]:02x}")
        pending += yield from buffer.take(length)
        while len(pending) >= 4 and len(pending) >= (end := 4 + int.from_bytes(pending[1:4])):
            kind, body = pending[0], bytes(pending[4:end])
            del pending[:end]
            if kind == SERVER_HELLO and body[:2] != VERSION:
                raise Malformed("speaks another version than TLS 1.2")
            if kind == CERTIFICATE:
                certificate = _first(body)
            elif kind == SERVER_HELLO_DONE:
                if not certificate:
                    raise Malformed("a TLS handshake without a certificate")
                return certificate


def _first(body: bytes) -> bytes:
    """Return the first certificate of a Certificate message, the server's own (RFC 5246 7.4.2)."""
    end = 6 + int.from_bytes(body[3:6])
    if len(body) < 6 or end > len(body):
        raise Malformed("a certificate that reaches beyond its message")
    return body[6:end]


def _numbers(values: tuple[int, ...]) -> bytes:
    return b"".join(value.to_bytes(2) for value in values)


def _sized(size: int, content: bytes) -> bytes:
    """Return the content behind its length in so many bytes."""
    return len(content).to_bytes(size) + content


def _extension(number: int, content: bytes) -> bytes:
    return number.to_bytes(2) + _sized(2, content)


def _name(server_name: str) -> bytes:
    """Return the extension server_name (RFC 6066 section 3)."""
    return _extension(0x0000, _sized(2, b"\x00" + _sized(2, server_name.encode("ascii")))) if server_name else b""


_RECORD = bytes((HANDSHAKE, 3, 1))
_HELLO = bytes((CLIENT_HELLO,))
_OFFER = _sized(1, b"") + _sized(2, _numbers(CIPHER_SUITES)) + b"\x01\x00"
"""No session, the cipher suites, no compression."""
_FOR_ALL = b"".join(
    (
        _extension(0x0017, b""),  # extended_master_secret (RFC 7627)
        _extension(0xFF01, b"\x00"),  # renegotiation_info (RFC 5746)
        _extension(0x000A, _sized(2, _numbers(GROUPS))),
        _extension(0x000B, b"\x01\x00"),  # ec_point_formats: uncompressed
        _extension(0x000D, _sized(2, _numbers(SIGNATURES))),
    )
)
"""The extensions that every ClientHello has, behind the name."""
