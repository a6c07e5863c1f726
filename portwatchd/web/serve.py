"""Listening: sockets for the addresses of the command line, sockets that come open, and the stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Iterable, Sequence

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from portwatchd.options import ListenAddress
from portwatchd.web.door import Door
from portwatchd.web.gate import Gate

GRACE_SECONDS = 5.0
"""How long answers under way may take once the daemon stops."""
BACKLOG = 4096
"""Connections that wait to be accepted: more than a crowd, whose SYNs would be lost and repeated a second later."""
NO_SUCH_FAMILY = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


LOGGER = logging.getLogger("portwatchd.web")


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record of aiohttp's is worth a line: what is no HTTP comes from outside, at any rate."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


LOGGER.addFilter(_is_news)


class CannotListen(OSError):
    """An address or a socket cannot be had."""


class WebServer:
    """An application that listens until it is stopped."""

    def __init__(self, app: web.Application, gate: Gate | None = None) -> None:
        """`gate` says who may ask; without one everybody may."""
        self._gate = gate or Gate(None)
        self._door = Door(self._gate.tls)
        app.middlewares.insert(0, self._door.attend)
        app.middlewares.append(self._gate.admit)
        app.on_response_prepare.append(self._gate.dress)
        self._runner = web.AppRunner(
            app, logger=LOGGER, access_log=None, handle_signals=False, shutdown_timeout=GRACE_SECONDS
        )

    async def start(self, addresses: Sequence[ListenAddress], *, sockets: Iterable[socket.socket] = ()) -> list[str]:
        """Listen on all of them and return where. CannotListen names what cannot be had, and then nothing listens."""
        listening = list(sockets)
        try:
            for address in addresses:
                listening += await _bound(address)
            await self._runner.setup()
        except BaseException:
            for one in listening:
                one.close()
            raise
        server = self._runner.server
        assert server is not None  # noqa: S101 - for the type: it is there once the runner is set up
        self._door.handler = server
        where = [_shown(one.getsockname()) for one in listening]
        for one in listening:
            self._door.open(one)
        return where

    async def stop(self) -> None:
        """Listen no more, let answers under way end, and close."""
        await self._door.close()
        await self._runner.cleanup()
        self._door.clear()
        self._gate.close()


async def _bound(address: ListenAddress) -> list[socket.socket]:
    """The sockets of one address: one for each of its families."""
    loop = asyncio.get_running_loop()
    made: list[socket.socket] = []
    try:
        found = await loop.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, name in dict.fromkeys(found):
            try:
                made.append(_listening(family, kind, protocol, name))
            except OSError as error:
                # A machine without IPv6 can still be listened to at all its addresses.
                if address.host or error.errno not in NO_SUCH_FAMILY:
                    raise
        if not made:
            raise OSError(errno.EADDRNOTAVAIL, "there is no such address")
    except OSError as error:
        for one in made:
            one.close()
        raise CannotListen(error.errno, f"cannot listen on {address}: {error.strerror or error}") from error
    return made


def _listening(family: int, kind: int, protocol: int, name: object) -> socket.socket:
    one = socket.socket(family, kind, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(name)  # type: ignore[arg-type] # what getaddrinfo gave
        one.listen(BACKLOG)
    except BaseException:
        one.close()
        raise
    return one


def _shown(name: object) -> str:
    """A socket's name as people write it."""
    return str(ListenAddress(name[0], name[1])) if isinstance(name, tuple) else str(name)
