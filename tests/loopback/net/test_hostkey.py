"""Asks real SSH servers on the loopback for their host key, and peers that are none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncssh
import pytest

from portwatchd.net.hostkey import host_key

HOME = "127.0.0.1"


class Nobody(asyncssh.SSHServer):
    """Keeps whether anybody tried to log in."""

    tried: list[str]

    def __init__(self) -> None:
        self.tried = TRIED

    def begin_auth(self, username: str) -> bool:
        self.tried.append(username)
        return True


TRIED: list[str] = []


@asynccontextmanager
async def server(*kinds: str) -> AsyncIterator[tuple[int, list[asyncssh.SSHKey]]]:
    keys = [asyncssh.generate_private_key(kind) for kind in kinds]
    TRIED.clear()
    listener = await asyncssh.create_server(Nobody, HOME, 0, server_host_keys=keys)
    try:
        yield listener.get_port(), keys
    finally:
        listener.close()
        await listener.wait_closed()


@asynccontextmanager
async def peer(talk: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    listener = await asyncio.start_server(serve, HOME, 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


@pytest.mark.parametrize("kinds", [("ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519"), ("ssh-ed25519",), ("ssh-rsa",)])
async def test_the_same_key_is_shown_each_time_and_nobody_logs_in(kinds: tuple[str, ...]) -> None:
    async with server(*kinds) as (port, keys):
        found = {await host_key(HOME, port, seconds=5) for _ in range(2)}
    assert found == {keys[-1].get_fingerprint("sha256")}
    assert TRIED == []


async def say_nothing(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(5)


async def hang_up(_: asyncio.StreamWriter) -> None:
    pass


async def say_nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-x\r\n" + b"\xff" * 4000)
    await writer.drain()
    await asyncio.sleep(1)


async def speak_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
    await writer.drain()
    await asyncio.sleep(5)


@pytest.mark.parametrize("talk", [say_nothing, hang_up, say_nonsense, speak_http])
async def test_a_peer_that_is_no_ssh_server_has_no_key(talk: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
    async with peer(talk) as port:
        async with asyncio.timeout(3):
            assert await host_key(HOME, port, seconds=0.5) is None


async def test_a_closed_port_has_no_key() -> None:
    async with peer(hang_up) as port:
        pass
    assert await host_key(HOME, port, seconds=2) is None
