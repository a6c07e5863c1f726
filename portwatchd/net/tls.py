"""Owns TLS: a context for each trust, the handshake and the records between two memory buffers, and why it failed."""

from __future__ import annotations

import contextlib
import ssl
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from portwatchd.model import TlsFacts
from portwatchd.net.certificates import describe
from portwatchd.net.names import SPELT, ascii_name, bare_address
from portwatchd.world import Secured, Trust

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 16384
"""Bytes of one read: the largest TLS record (RFC 8446 section 5.1), and what `Channel.receive` promises at most."""
OP_LEGACY_SERVER_CONNECT = 0x4
"""SSL_OP_LEGACY_SERVER_CONNECT: servers from before RFC 5746. The ssl module names it from 3.12 on."""
LAX_CIPHERS = "ALL:!aNULL:@SECLEVEL=0"
"""Every cipher that shows a certificate, with keys and digests of any weakness: an old server is to be recognised."""

_EXPIRED = "expired"
_REASONS = {
    2: "the issuer is missing: the chain is incomplete or the authority is unknown",
    7: "a signature in the chain is wrong",
    9: "not yet valid",
    10: _EXPIRED,
    18: "self-signed",
    19: "signed by an unknown authority (a self-signed certificate in the chain)",
    20: "unknown authority or incomplete chain",
    21: "unknown authority or incomplete chain",
    22: "the chain is too long",
    23: "revoked",
    24: "a certificate in the chain is no authority",
    25: "the chain is longer than an authority in it allows",
    26: "not made for TLS servers",
    27: "the authority is not trusted",
    28: "the authority is rejected",
    47: "the name is outside what the authority may sign",
    48: "the name is excluded by the authority's constraints",
    62: "made for another name",
    63: "made for another name",
    64: "made for another address",
    66: "the key is too weak",
    67: "the key of an authority in the chain is too weak",
    68: "a signature in the chain uses a digest that is too weak",
}
"""X509_V_ERR_* of OpenSSL's x509_vfy.h, in words."""


class Wire(Protocol):
    """The stream that TLS records travel on."""

    async def read(self) -> bytes:
        """Return the next bytes, `b""` at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send all of the data."""
        ...

    def write_now(self, data: bytes) -> None:
        """Send what can be sent without waiting; never raises."""
        ...


class Contexts:
    """One context for each trust, built once: loading the authorities costs 25 ms and 2 MB."""

    def __init__(self, ca_file: Path | None = None) -> None:
        """OSError (ssl.SSLError) when `ca_file` cannot be read or holds no certificate."""
        self._verifying = _verifying(ca_file)
        self._nameless = _verifying(ca_file)
        self._nameless.check_hostname = False
        self._lax = _lax()

    def choose(self, server_name: str, trust: Trust) -> ssl.SSLContext:
        """The context for a handshake. Without a server name only the chain can be verified."""
        if trust is Trust.LAX:
            return self._lax
        return self._verifying if server_name else self._nameless


class TlsLayer:
    """One TLS connection as a client. It never sees a byte that was read from the wire before `shake_hands`."""

    __slots__ = ("_incoming", "_outgoing", "_server_name", "_tls", "_trust")

    def __init__(self, contexts: Contexts, server_name: str, trust: Trust) -> None:
        """OSError where the server name is no name. An address as server name is compared, not sent (RFC 6066)."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._server_name = _spelling(server_name)
        self._trust = trust
        self._tls = contexts.choose(self._server_name, trust).wrap_bio(
            self._incoming, self._outgoing, server_hostname=self._server_name or None
        )

    async def shake_hands(self, wire: Wire) -> None:
        """The handshake is done. ssl.SSLError when it fails; the peer was told by an alert if it took one."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._exchange(wire)
            except ssl.SSLError:
                wire.write_now(self._outgoing.read())
                raise
            else:
                break
        await self._flush(wire)

    def facts(self) -> Secured:
        """What the handshake agreed on. ssl.SSLError when the certificate is missing or is no readable X.509."""
        der = self._tls.getpeercert(binary_form=True)
        cipher = self._tls.cipher()
        if not der:
            raise ssl.SSLError("the server showed no certificate")
        try:
            certificate = describe(der, self._server_name, time.time(), verified=self._trust is Trust.VERIFY)
        except ValueError as error:
            raise ssl.SSLError(str(error)) from error
        return Secured(TlsFacts(self._tls.version() or "", cipher[0] if cipher else ""), certificate)

    async def receive(self, wire: Wire) -> bytes:
        """Return the next bytes from inside; `b""` at the end, also where the peer ends without a close_notify."""
        while True:
            try:
                return self._tls.read(CHUNK)
            except ssl.SSLWantReadError:
                await self._exchange(wire)
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b""

    async def send(self, wire: Wire, data: bytes) -> None:
        """All of the data is sent inside TLS."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._tls.write(rest) :]
            except ssl.SSLWantReadError:  # an old TLS renegotiates
                await self._exchange(wire)
            await self._flush(wire)

    def farewell(self) -> bytes:
        """Return the close_notify; nobody waits for the peer's own."""
        with contextlib.suppress(ssl.SSLError):  # it wants the peer's
            self._tls.unwrap()
        return self._outgoing.read()

    async def _exchange(self, wire: Wire) -> None:
        """What OpenSSL has to say is sent, and what came next is given to it."""
        await self._flush(wire)
        data = await wire.read()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self, wire: Wire) -> None:
        data = self._outgoing.read()
        if data:
            await wire.write(data)


def why_invalid(error: ssl.SSLCertVerificationError) -> str:
    """In words, why a handshake did not believe the certificate; OpenSSL's own words where it is a rare reason."""
    return _REASONS.get(error.verify_code) or error.verify_message.lower().removesuffix(".") or "not verified"


@lru_cache(SPELT)
def _spelling(server_name: str) -> str:
    """The server name as it is sent and compared. OSError where it is no name."""
    if not server_name:
        return ""
    address = bare_address(server_name)
    if address is not None:
        return address[1]
    try:
        return ascii_name(server_name)
    except ValueError as error:
        raise OSError(str(error)) from error


def _verifying(ca_file: Path | None) -> ssl.SSLContext:
    """The chain and the name must hold, by subjectAltName alone (RFC 9525 section 6.3)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.set_default_verify_paths()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def _lax() -> ssl.SSLContext:
    """Everything goes, from TLS 1.0 on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.options |= ssl.OP_NO_SSLv3 | OP_LEGACY_SERVER_CONNECT
    context.set_ciphers(LAX_CIPHERS)
    return context
