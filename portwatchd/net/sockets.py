"""Owns connections to the outside: a plain non-blocking socket as a channel, TLS spoken by the channel itself."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

from portwatchd.net import hops, hostkey, ping
from portwatchd.net.errors import failure, listen_for_icmp
from portwatchd.net.names import endpoint
from portwatchd.net.poller import FAILED, Poller
from portwatchd.net.tls import CHUNK, Contexts, TlsLayer

if TYPE_CHECKING:
    from pathlib import Path

    from portwatchd.model import HopReply
    from portwatchd.world import Secured, Trust

_waste = bytearray(65536)
"""What a peer said after the last question is read into this, and never looked at."""


class SocketChannel:
    """A connected socket, and TLS over it once it was asked for. One caller at a time."""

    __slots__ = ("_contexts", "_poller", "_sock", "_tls")

    def __init__(self, sock: socket.socket, poller: Poller, contexts: Contexts) -> None:
        self._sock = sock
        self._poller = poller
        self._contexts = contexts
        self._tls: TlsLayer | None = None

    async def receive(self) -> bytes:
        """Return what has arrived, at most 16 KiB, or `b""` at the end: of the stream, or of TLS in any manner."""
        if self._tls is None:
            return await self.read()
        return await self._tls.receive(self)

    async def send(self, data: bytes) -> None:
        """All of the data is in the kernel's hands. OSError when the connection is gone."""
        if self._tls is None:
            await self.write(data)
        else:
            await self._tls.send(self, data)

    async def start_tls(self, server_name: str, trust: Trust) -> Secured:
        """From now on bytes are inside TLS. Only bytes that the peer sent after this call's start, or that still lie
        unread in the kernel, go into the handshake, where they are no records unless they are TLS.

        A handshake that fails closes the channel. ssl.SSLCertVerificationError when the certificate does not hold.
        """
        if self._tls is not None:
            raise RuntimeError("there is TLS already")
        try:
            layer = TlsLayer(self._contexts, server_name, trust)
            await layer.shake_hands(self)
            result = layer.facts()
        except BaseException:
            self.close()
            raise
        self._tls = layer
        return result

    def close(self) -> None:
        """The socket is closed, a TLS farewell is sent if it fits, and nobody was waited for. May be called twice."""
        sock, descriptor = self._sock, self._sock.fileno()
        if descriptor < 0:
            return
        if self._tls is not None:
            self.write_now(self._tls.farewell())
        # Bytes left unread would turn the FIN into a RST, which servers log as an abort.
        with contextlib.suppress(OSError):
            sock.recv_into(_waste)
        self._poller.forget(descriptor)
        sock.close()

    async def read(self) -> bytes:
        """Return what lies on the wire, in TLS or not: for the TLS layer."""
        sock = self._sock
        while True:
            try:
                return sock.recv(CHUNK)
            except BlockingIOError:
                await self._poller.ready(sock.fileno())

    async def write(self, data: bytes) -> None:
        """All of the data is on the wire as it is: for the TLS layer."""
        sock, rest = self._sock, memoryview(data)
        while rest:
            try:
                rest = rest[sock.send(rest) :]
            except BlockingIOError:
                await self._poller.ready(sock.fileno())

    def write_now(self, data: bytes) -> None:
        """As much of the data is on the wire as it takes at once; errors are of no interest any more."""
        with contextlib.suppress(OSError):
            self._sock.send(data)


class SystemNetwork:
    """The real network, through the kernel's sockets. It belongs to the loop that runs when it is first used."""

    def __init__(self, ca_file: Path | None = None) -> None:
        """Trust the system's authorities, and those of `ca_file`. OSError (ssl.SSLError) when it cannot be read."""
        self._poller = Poller()
        self._contexts = Contexts(ca_file)

    def trust(self, ca_file: Path | None) -> None:
        """New connections trust the system's authorities and these; open ones go on as they are. Raises OSError."""
        self._contexts = Contexts(ca_file)

    async def connect(self, address: str, port: int) -> SocketChannel:
        """A connected channel. IcmpError when ICMP ended the connect, else OSError; a RST is ConnectionRefusedError.

        Faults of this machine (EMFILE, ENETUNREACH, EADDRNOTAVAIL, EHOSTUNREACH for a silent neighbour, ...) are plain
        OSErrors.
        """
        family, where = endpoint(address, port)
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listen_for_icmp(sock, family, on=True)
            number = sock.connect_ex(where)
            if number in {0, errno.EINPROGRESS}:
                self._poller.register(sock.fileno())
            if number == errno.EINPROGRESS:
                events = await self._poller.ready(sock.fileno())
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if events & FAILED else 0
            if number:
                raise failure(sock, number, where[0])
            # An ICMP error on an established connection is a hint, not an end (RFC 1122 section 4.2.3.9).
            listen_for_icmp(sock, family, on=False)
        except BaseException:
            sock.close()
            raise
        return SocketChannel(sock, self._poller, self._contexts)

    async def probe(
        self,
        address: str,
        port: int,
        *,
        seconds: float,
        ttl: int | None = None,
        minimum_ttl: int | None = None,
    ) -> HopReply:
        """What one SYN met; see `hops.probe`."""
        return await hops.probe(self._poller, address, port, seconds=seconds, ttl=ttl, minimum_ttl=minimum_ttl)

    async def ping(self, address: str, *, seconds: float) -> bool | None:
        """Whether an ICMP echo was answered; see `ping.ping`."""
        return await ping.ping(self._poller, address, seconds=seconds)

    async def host_key(self, address: str, port: int, *, seconds: float) -> str | None:
        """The fingerprint of an SSH server's host key; see `hostkey.host_key`."""
        return await hostkey.host_key(address, port, seconds=seconds)

    def close(self) -> None:
        """The loop no longer watches sockets, and every waiter got ConnectionAbortedError. May be called twice."""
        self._poller.close()
