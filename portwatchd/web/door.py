"""The door: how many connections there are at once, and how long one may take to say what it wants."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from enum import Enum
from socket import socket
from typing import cast

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

CONNECTIONS = 512
"""Connections at once; a newcomer beyond them takes the place of the one that has been silent for longest."""
REQUEST_SECONDS = 10.0
"""For a whole request, and for TLS before the first: from the connect, or from the first byte after an answer."""
IDLE_SECONDS = 150.0
"""Without a request after an answer; longer than scrapes are apart. What is left of a slow answer must go in it too."""
REQUEST_BYTES = 65_536
"""Of one request, pipelined ones included; the parser's own bounds on lines and fields are narrower."""
LINE_BYTES = 8190
"""Of one line of a request, as the parser has it. After it has refused one it is given no more: that costs 0.1 ms."""
SLICE_BYTES = 8192
"""Given to the parser at once: what it makes of a line that is too long grows with the piece."""
OVERRUN_SECONDS = 1.0
"""For the answer to who said too much."""
ACCEPT_PAUSE = 0.5
"""After an accept that failed, as where files have run out."""

log = structlog.get_logger()

Tls = Callable[[], Awaitable[ssl.SSLContext | None]]


class State(Enum):
    """What a connection is doing; those that come first go first, and the busy stay."""

    ASKING = 0
    """It has not said what it wants."""
    IDLE = 1
    BUSY = 2


class Guest(asyncio.Protocol):
    """One connection, between its transport and aiohttp's own handler of it."""

    def __init__(self, door: Door, given: socket) -> None:
        """Take the socket; the transport comes later, perhaps after TLS."""
        self._door = door
        self._inner: asyncio.Protocol | None = None
        self._socket: socket | None = given
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.opening: asyncio.Task[None] | None = None
        self.state = State.ASKING
        self._asked = 0
        self._line = 0
        self._until(REQUEST_SECONDS)

    @property
    def _too_much(self) -> bool:
        return self._asked > REQUEST_BYTES or self._line > LINE_BYTES

    def _until(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.turn_out)

    def turn_out(self) -> None:
        """End the connection, wherever it stands."""
        if self._transport is not None:
            self._transport.abort()
        elif self.opening is not None:
            self.opening.cancel()
        self.gone()

    def gone(self) -> None:
        """The connection is no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._door.leave(self)

    def given_away(self) -> None:
        """From now on a transport owns the socket, and closes it."""
        self._socket = None

    def begin(self) -> None:
        """A whole request is there; how long its answer takes is for the handler to bound."""
        self.state = State.BUSY
        if self._too_much:
            return
        self._asked = self._line = 0
        if self._timer is not None:
            self._timer.cancel()

    def end(self) -> None:
        """The request is answered, but for what the transport still holds."""
        self.state = State.IDLE
        if not self._too_much:
            self._until(IDLE_SECONDS)
        self._door.behind(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand the connection to aiohttp, unless its time is up."""
        self._transport = cast("asyncio.Transport", transport)
        inner = self._door.handler()
        self._inner = inner
        self._door.guests[transport] = self
        inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Note the first byte of the next request; pass on no more than a request may have."""
        if self._too_much or self._inner is None:
            return
        if self.state is State.IDLE:
            self.state = State.ASKING
            self._until(REQUEST_SECONDS)
        if self.state is State.ASKING:
            self._asked += len(data)
            if self._asked > REQUEST_BYTES:
                self._until(OVERRUN_SECONDS)
                data = data[:REQUEST_BYTES]
        for start in range(0, len(data), SLICE_BYTES):
            piece = data[start : start + SLICE_BYTES]
            self._inner.data_received(piece)
            if self.state is State.ASKING:
                self._line = len(piece) - 1 - end if (end := piece.rfind(b"\n")) >= 0 else self._line + len(piece)
                if self._line > LINE_BYTES:
                    self._until(OVERRUN_SECONDS)
                    return

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        """Pass it on."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on, and be gone."""
        if self._transport is not None:
            self._door.guests.pop(self._transport, None)
        if self._inner is not None:
            self._inner.connection_lost(exc)
            self._inner = None
        self.gone()


class Door:
    """Owns the listening sockets and all that came through them."""

    def __init__(self, tls: Tls | None) -> None:
        """`tls` says what each connection is encrypted with."""
        self.handler: Callable[[], asyncio.Protocol] = asyncio.Protocol
        """Makes aiohttp's protocol for each connection."""
        self._tls = tls
        self.guests: dict[asyncio.BaseTransport, Guest] = {}
        """Whose transport is whose."""
        self._guests: dict[Guest, None] = {}
        """The one that has been silent for longest comes first."""
        self._accepting: dict[asyncio.Task[None], socket] = {}

    def __len__(self) -> int:
        return len(self._guests)

    def open(self, listening: socket) -> None:
        """Let in who comes by a listening socket."""
        listening.setblocking(False)
        task = asyncio.create_task(self._accept(listening), name="web accept")
        self._accepting[task] = listening

    async def _accept(self, listening: socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                given, _ = await loop.sock_accept(listening)
            except OSError as error:
                log.warning("cannot accept", problem=str(error))
                await asyncio.sleep(ACCEPT_PAUSE)
                continue
            if len(self._guests) >= CONNECTIONS:
                last = self._last()
                if last is None:
                    given.close()
                    continue
                last.turn_out()
            guest = Guest(self, given)
            self._guests[guest] = None
            guest.opening = asyncio.create_task(self._open(guest, given), name="web connection")

    def _last(self) -> Guest | None:
        """Return who has been silent for longest, unasked ones first; None where all are busy."""
        for state in (State.ASKING, State.IDLE):
            for guest in self._guests:
                if guest.state is state:
                    return guest
        return None

    async def _open(self, guest: Guest, given: socket) -> None:
        tls = await self._tls() if self._tls is not None else None
        guest.given_away()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: guest,
                given,
                ssl=tls,
                ssl_handshake_timeout=REQUEST_SECONDS if tls is not None else None,
            )
        except (OSError, ssl.SSLError, EOFError):
            guest.gone()

    def leave(self, guest: Guest) -> None:
        """A connection has ended."""
        self._guests.pop(guest, None)

    def behind(self, guest: Guest) -> None:
        """A connection has just been of use, so others go before it."""
        if guest in self._guests:
            del self._guests[guest]
            self._guests[guest] = None

    async def close(self) -> None:
        """Let in nobody more; who is inside may stay."""
        for task, listening in self._accepting.items():
            task.cancel()
            with contextlib.suppress(OSError):
                listening.close()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        self._accepting.clear()

    def clear(self) -> None:
        """Turn out all who are left."""
        for guest in list(self._guests):
            guest.turn_out()

    @web.middleware
    async def attend(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note when a request begins and ends."""
        guest = self.guests.get(request.transport) if request.transport is not None else None
        if guest is None:
            return await handler(request)
        guest.begin()
        try:
            return await handler(request)
        finally:
            guest.end()
