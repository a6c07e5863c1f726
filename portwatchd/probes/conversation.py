"""A dialogue with one peer: bounded readings, lines out, and an upgrade to TLS that lets nothing slip in before it."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
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


class Farewell:
    """The end of a dialogue; see `Conversation.until`."""

    __slots__ = ("_line", "_talk")

    def __init__(self, talk: Conversation, line: str) -> None:
        self._talk = talk
        self._line = line

    async def __aenter__(self) -> None:
        """Begin the dialogue."""

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Say the farewell, if somebody may still listen."""
        refused = isinstance(error, Failed) and error.outcome in STILL_LISTENS
        if error is None or refused or isinstance(error, Unwelcome):
            with suppress(OSError):
                await self._talk.say(self._line)


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
        return read[0]

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

    def until(self, farewell: str) -> Farewell:
        """Say the farewell at the end, after a refusal too; that the peer has gone by then is no failure."""
        return Farewell(self, farewell)

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
