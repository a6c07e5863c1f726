"""Real sockets on loopback, on both event loops, and a certificate authority of our own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import trustme
import uvloop

from portwatchd.net.sockets import SystemNetwork

NAME = "school.example.org"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., Awaitable[int]]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="session")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    return context_of(authority.issue_cert(NAME, "127.0.0.1"))


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest_asyncio.fixture
async def network(ca_file: Path) -> AsyncIterator[SystemNetwork]:
    network = SystemNetwork(ca_file)
    yield network
    network.close()


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server on loopback and return its port; all are gone when the test ends."""
    servers: list[asyncio.Server] = []

    async def start(talk: Talk, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> int:
        async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await talk(reader, writer)
            except OSError:
                pass
            finally:
                writer.transport.abort()

        # A queue that overflows drops the last ACK (SYN cookies): clients are connected, the server knows nothing.
        server = await asyncio.start_server(polite, host, 0, ssl=tls, backlog=1000)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()
    await asyncio.sleep(0)


@pytest.fixture
def descriptors() -> Callable[[], set[str]]:
    """The sockets that this process has open."""

    def sockets() -> set[str]:
        found = set()
        for descriptor in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # the one that lists them
                found.add(str(descriptor.readlink()))
        return {target for target in found if target.startswith("socket:")}

    return sockets
