"""One connection to a simulated server: feeds a dialogue, changes to TLS, and plays the faults that a peer can see."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

from portwatchd.demo.dialogues import Dialogue, Scene, Step, Then

MESSAGE_LIMIT = 64 * 1024
"""No message of a well-behaved client comes near it; a longer one ends the connection."""
DRIP_SECONDS = 1.0
FOREIGN_GREETING = b"RFB 003.008\n"
"""A VNC server: no protocol of a school server."""
RECORD_OF_ZEROS = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
"""The head of a TLS record of 16 KiB with a ServerHello in it, which will never be whole."""


class Fault(StrEnum):
    """What can be wrong with one service."""

    CLOSED = "closed"
    """Nothing listens, and this machine's kernel answers by a RST, as a router that lost the forward."""
    DROPPED = "dropped"
    """A SYN is not answered at all, as by a router in stealth mode."""
    SILENT = "silent"
    """The connection comes about, and nothing is ever said."""
    REFUSES = "refuses"
    """The service says in its own words that it is not willing."""
    NO_STARTTLS = "no_starttls"
    """TLS is neither listed nor given."""
    WRONG_PROTOCOL = "wrong_protocol"
    """Something else speaks on this port."""
    TARPIT = "tarpit"
    """A byte a second, without end."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a server plays on one port."""

    dialogue: Dialogue
    scene: Scene
    context: ssl.SSLContext
    implicit_tls: bool = False
    fault: Fault | None = None

    @property
    def shakes_hands(self) -> bool:
        """Whether a connection is inside TLS from the beginning; a fault may keep it from that."""
        return self.implicit_tls and self.fault not in {Fault.SILENT, Fault.TARPIT}


class Connection(asyncio.Protocol):
    """A server's side of one connection. It is in `living` as long as it lives."""

    def __init__(self, part: Part, living: set[Connection]) -> None:
        self._part = part
        self._living = living
        self._scene = replace(part.scene, offers_tls=part.fault is not Fault.NO_STARTTLS)
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._drip: asyncio.TimerHandle | None = None
        self.upgrade: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or misbehave."""
        self._transport = cast("asyncio.Transport", transport)
        self._living.add(self)
        self._scene = replace(self._scene, secure=transport.get_extra_info("ssl_object") is not None)
        if self._part.fault is Fault.TARPIT:
            self._let_fall(self._tarpit_text(), 0)
        elif self._part.fault is not Fault.SILENT:
            self._greet()

    def data_received(self, data: bytes) -> None:
        """Answer every whole message in its turn."""
        if self._part.fault in {Fault.SILENT, Fault.TARPIT, Fault.WRONG_PROTOCOL}:
            return
        self._buffer += data
        if len(self._buffer) > MESSAGE_LIMIT:
            self.abort()
        self._hear()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection."""
        self._living.discard(self)
        if self._drip:
            self._drip.cancel()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self.upgrade:
            self.upgrade.cancel()
        if self._transport:
            self._transport.abort()
        self.connection_lost(None)

    def _open(self) -> asyncio.Transport | None:
        """Return the transport while it can be written to; a handshake under way is no such time."""
        if self.upgrade or self._transport is None or self._transport.is_closing():
            return None
        return self._transport

    def _hear(self) -> None:
        while self._open() and self._buffer and (end := self._part.dialogue.frame(bytes(self._buffer))):
            message = bytes(self._buffer[:end])
            del self._buffer[:end]
            self._do(self._answer(message))

    def _greet(self) -> None:
        dialogue = self._part.dialogue
        if self._part.fault is Fault.WRONG_PROTOCOL:
            self._do(Step(FOREIGN_GREETING))
        elif dialogue.greeting and self._part.fault is Fault.REFUSES:
            self._do(Step(dialogue.refusal, Then.CLOSE))
        elif dialogue.greeting:
            self._do(Step(self._greeting()))

    def _greeting(self) -> bytes:
        return f"{self._part.dialogue.greeting.format(name=self._scene.server_name)}\r\n".encode()

    def _answer(self, message: bytes) -> Step:
        if self._part.fault is Fault.REFUSES:
            return Step(self._part.dialogue.refusal, Then.CLOSE)
        return self._part.dialogue.answer(message, self._scene)

    def _do(self, step: Step) -> None:
        if not (transport := self._open()):
            return
        if step.then is Then.UPGRADE:
            transport.pause_reading()  # what comes next is a handshake
        if step.reply:
            transport.write(step.reply)
        if step.then is Then.UPGRADE:
            self._start_tls(transport)
        elif step.then is Then.CLOSE:
            transport.close()

    def _start_tls(self, plain: asyncio.Transport) -> None:
        plain.pause_reading()
        self._buffer.clear()  # what came in clear is not inside TLS (CVE-2011-0411)
        self.upgrade = asyncio.get_running_loop().create_task(self._shake_hands(plain))

    async def _shake_hands(self, plain: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(plain, self, self._part.context, server_side=True)
        except OSError:  # the client does not trust the certificate, or went away
            secured = None
        if secured is None:
            self.abort()
            return
        self.upgrade = None
        self._transport = secured
        self._scene = replace(self._scene, secure=True)
        self._hear()  # the first words inside TLS may be here already

    def _tarpit_text(self) -> bytes:
        if self._part.implicit_tls:
            return RECORD_OF_ZEROS
        return self._greeting().rstrip() if self._part.dialogue.greeting else b"HTTP/1.1 200 OK\r\nX-Endless: "

    def _let_fall(self, text: bytes, position: int) -> None:
        if transport := self._open():
            transport.write(text[position : position + 1] or (b"\x00" if self._part.implicit_tls else b"."))
            self._drip = asyncio.get_running_loop().call_later(DRIP_SECONDS, self._let_fall, text, position + 1)
