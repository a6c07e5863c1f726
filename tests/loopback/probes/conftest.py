"""Real sockets on loopback: peers that are played by functions, and the prober that meets them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
import pytest_asyncio
import trustme

from portwatchd.model import Depth, Family, Observation, Policy, Protocol, Service, Target
from portwatchd.net.clock import SystemClock
from portwatchd.net.sockets import SystemNetwork
from portwatchd.probes.runner import Prober

NAME = "school.example.org"
TIMEOUT = 0.5
GRACE = 0.25
"""Seconds that a probe may take beyond its time-out."""

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Observe = Callable[..., Awaitable[Observation]]


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a RST in place of a FIN."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def server_context(*, certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def good(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context whose certificate is beyond reproach."""
    return server_context(certificate=authority.issue_cert(NAME))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prober(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prober]:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    network = SystemNetwork(path)
    yield Prober(network, SystemClock(), connect_timeout=TIMEOUT, timeout=TIMEOUT, stalled=lambda _start, _end: False)
    network.close()


@pytest_asyncio.fixture(loop_scope="module")
async def observe(prober: Prober) -> AsyncIterator[Observe]:
    """Start a peer, let the prober meet it, and return what it saw, in time."""
    servers: list[asyncio.Server] = []
    talks: set[asyncio.Task[None]] = set()

    async def meet(
        protocol: Protocol,
        peer: Peer,
        *policies: Policy,
        tls: ssl.SSLContext | None = None,
        audit: bool = False,
        server_name: str = NAME,
        known: Observation | None = None,
    ) -> Observation:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            talks.add(task)
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await peer(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(play, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        service = Service(protocol.value, protocol, port, port, policies=frozenset(policies))
        depth = Depth.AUDIT if audit else Depth.WATCH
        start = time.monotonic()
        seen = await prober.observe(Target(service, Family.IPV4, "127.0.0.1", port, server_name, depth, known))
        assert time.monotonic() - start < TIMEOUT + GRACE
        return seen

    yield meet
    for task in talks:
        task.cancel()
    await asyncio.gather(*talks, return_exceptions=True)
    for server in servers:
        server.close()
