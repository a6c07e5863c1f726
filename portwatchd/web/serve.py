"""Listening: addresses as the command line gives them, sockets that come open, and the stop."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from socket import socket

from aiohttp import web

DEFAULT_ADDRESS = "127.0.0.1:10052"
GRACE_SECONDS = 5.0
"""How long answers under way may take once the daemon stops."""
BACKLOG = 256
"""Connections that wait to be accepted."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. No host means every address of both families."""

    host: str | None
    port: int


def parse_address(text: str) -> Address:
    """Return `host:port`, `:port` or `[::1]:port`; ValueError says what is wrong with it."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"listen address {text!r} is not host:port, :port or [host]:port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"listen address {text!r}: an IPv6 address stands in brackets, as in [::1]:10052")
    return Address(host or None, int(port))


class WebServer:
    """An application that listens until it is stopped."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=GRACE_SECONDS)

    async def start(
        self,
        addresses: Sequence[str] = (DEFAULT_ADDRESS,),
        *,
        sockets: Iterable[socket] = (),
        tls: ssl.SSLContext | None = None,
    ) -> list[str]:
        """Listen on all of them and return where; OSError names the address that cannot be had, and nothing listens."""
        parsed = [parse_address(text) for text in addresses]
        await self._runner.setup()
        try:
            for given in sockets:
                await web.SockSite(self._runner, given, ssl_context=tls, backlog=BACKLOG).start()
            for text, address in zip(addresses, parsed, strict=True):
                await self._listen(text, address, tls)
        except BaseException:
            await self._runner.cleanup()
            raise
        return [_shown(name) for name in self._runner.addresses]

    async def _listen(self, text: str, address: Address, tls: ssl.SSLContext | None) -> None:
        try:
            await web.TCPSite(
                self._runner, address.host, address.port, ssl_context=tls, backlog=BACKLOG, reuse_address=True
            ).start()
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {text}: {error.strerror or error}") from error

    async def stop(self) -> None:
        """Listen no more, let answers under way end, and close."""
        await self._runner.cleanup()


def _shown(name: object) -> str:
    """A socket's name as people write it."""
    if isinstance(name, tuple):
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
    return str(name)
