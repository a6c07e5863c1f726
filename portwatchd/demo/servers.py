"""A simulated school server: every service of a profile at one address, and faults that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterable, Mapping
from typing import Self

from portwatchd.demo.connection import Connection, Fault, Part
from portwatchd.demo.dialogues import DIALOGUES, Scene
from portwatchd.model import Protocol, Security, Service

BACKLOG = 4096
"""Connections that wait to be accepted: a round of thousands of schools may come at once."""
HANDSHAKE_SECONDS = 10.0
TTL_BEHIND_ROUTER = 63
"""The server answers as from behind one router, for which this machine's kernel stands with its 64: it answers on ports
where nothing listens. So the daemon can tell them apart, as it does outside (`IP_MINTTL`)."""
FILLERS = 4
"""Connections that fill the queue of a listener that never accepts; from then on the kernel drops each SYN."""


class SimulatedServer:
    """A school server at one address; `0.0.0.0` is every loopback address at once.

    Used as an async context manager it listens inside, and leaves nothing behind.
    """

    def __init__(
        self,
        address: str,
        services: Iterable[Service],
        context: ssl.SSLContext,
        server_name: str = "school.invalid",
        faults: Mapping[str, Fault] | None = None,
    ) -> None:
        self.address = address
        self.services = {service.name: service for service in services}
        self._context = context
        https = [service.first for service in self.services.values() if service.protocol is Protocol.HTTPS]
        self._scene = Scene(server_name, https_port=https[0] if https else 443)
        self._faults: dict[str, Fault] = dict(faults or {})
        self._servers: dict[str, list[asyncio.Server]] = {}
        self._holes: dict[str, list[socket.socket]] = {}
        self._living: set[Connection] = set()

    async def __aenter__(self) -> Self:
        """Listen on every port. A port in use is an `OSError`."""
        try:
            for name in self.services:
                await self._open(name)
        except OSError:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and drop every connection; one amid its first handshake ends by itself."""
        for name in self.services:
            self._close(name)
        living = list(self._living)
        for connection in living:
            connection.abort()
        await asyncio.gather(*(item.upgrade for item in living if item.upgrade), return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes aborted transports in its next turn

    async def suffer(self, name: str, fault: Fault | None) -> None:
        """Give a service a fault, or none. Connections that exist keep what they have."""
        self._close(name)
        if fault is None:
            self._faults.pop(name, None)
        else:
            self._faults[name] = fault
        await self._open(name)

    async def _open(self, name: str) -> None:
        service, fault = self.services[name], self._faults.get(name)
        ports = range(service.first, service.last + 1)
        if fault is Fault.DROPPED:
            self._holes[name] = [item for port in ports for item in _hole(self.address, port)]
        elif fault is not Fault.CLOSED:
            implicit_tls = service.security is Security.TLS
            part = Part(DIALOGUES[service.protocol], self._scene, self._context, implicit_tls, fault)
            for port in ports:
                self._servers.setdefault(name, []).append(await self._listen(part, port))

    async def _listen(self, part: Part, port: int) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(part, self._living),
            sock=_socket(self.address, port, BACKLOG),
            ssl=self._context if part.shakes_hands else None,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if part.shakes_hands else None,
            backlog=BACKLOG,
        )

    def _close(self, name: str) -> None:
        for server in self._servers.pop(name, ()):
            server.close()
        for item in self._holes.pop(name, ()):
            item.close()


def _hole(address: str, port: int) -> list[socket.socket]:
    """Return sockets that make the kernel drop each further SYN to the port, as a router in stealth mode does."""
    held = [_socket(address, port, 0)]
    for _ in range(FILLERS):
        filler = socket.socket()
        held.append(filler)
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            filler.connect((address, port))
    return held


def _socket(address: str, port: int, backlog: int) -> socket.socket:
    """Return a listening socket whose answers have come one hop further than those of this machine's kernel."""
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL_BEHIND_ROUTER)
        listener.bind((address, port))
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {address}:{port}: {os.strerror(error.errno or 0)}") from error
    return listener
