"""A dialogue with one peer: bounded readings, lines out, and an upgrade to TLS that lets nothing slip in before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import TypeVar

from portwatchd.model import Outcome, Policy, Stage, Target
from portwatchd.probes.trace import Trace
from portwatchd.wire.lines import Buffer, Reader, advance
from portwatchd.wire.replies import Unwelcome
from portwatchd.world import Channel, Trust

T = TypeVar("T")


class Failed(Exception):
    """The service did not answer as its protocol says."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail


STILL_LISTENS = frozenset({Outcome.STARTTLS_MISSING, Outcome.TLS_FAILED})
"""Failures after which the peer still awaits a command, so that a farewell reaches it."""


class Conversation:
    """What a probe talks through. Its errors are the channel's, `Failed`, `Malformed` and `Unwelcome`."""

    def __init__(self, channel: Channel, trace: Trace, trust: Trust = Trust.VERIFY) -> None:
        self.trace = trace
        self._channel = channel
        self._trust = trust
        self._buffer = Buffer()

    def stage(self, stage: Stage) -> AbstractContextManager[None]:
        """Count the time inside as this stage's, and remember it if an error ends it."""
        return self.trace.stage(stage)

    async def hear(self, reader: Reader[T]) -> T:
        """Return what the reader makes of what comes; bytes behind it are kept. Raises `Failed` at the stream's end."""
        reading = reader(self._buffer)
        while (read := advance(reading)) is None:
            data = await self._channel.receive()
            if not data:
                raise Failed(Outcome.CLOSED, "the peer closes the connection")
            self._buffer.feed(data)
        self.trace.understood = True
        return read.value

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self._channel.send(data)

    async def say(self, line: str) -> None:
        """Send a line."""
        await self._channel.send(line.encode() + b"\r\n")

    async def ask(self, line: str, reader: Reader[T]) -> T:
        """Send a line and return the answer to it."""
        await self.say(line)
        return await self.hear(reader)

    @asynccontextmanager
    async def until(self, farewell: str) -> AsyncIterator[None]:
        """Say the farewell at the end, after a refusal too; that the peer has gone by then is no failure."""
        try:
            yield
        except (Unwelcome, Failed) as error:
            if isinstance(error, Unwelcome) or error.outcome in STILL_LISTENS:
                with suppress(OSError):
                    await self.say(farewell)
            raise
        with suppress(OSError):
            await self.say(farewell)

    async def start_tls(self, target: Target) -> None:
        """Shake hands; the trace then has TLS facts and certificate, and what follows is inside TLS.

        Raises `Failed` when bytes came before the handshake: whoever is on the way could have put them there, and a
        reader that goes on would take them for the server's own words (CVE-2011-0411, CVE-2021-38371).
        """
        with self.stage(Stage.TLS):
            if self._buffer.unread:
                raise Failed(
                    Outcome.STARTTLS_INJECTED, f"{self._buffer.unread} bytes of plain text before the handshake"
                )
            secured = await self._channel.start_tls(target.server_name, self._trust)
        self.trace.tls = secured.tls
        self.trace.certificate = secured.certificate
        self.trace.note(Policy.TLS_OFFERED, holds=True, reason=f"handshake done, {secured.tls.version}")
