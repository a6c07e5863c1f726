"""SSH: the two identification strings, and no key exchange (RFC 4253 4.2)."""

from __future__ import annotations

import re

from portwatchd.model import Foreign, Outcome, Stage, Target
from portwatchd.probes.conversation import Conversation, Failed
from portwatchd.wire.lines import Buffer, Malformed, Reading
from portwatchd.wire.replies import quoted

OWN_IDENTIFICATION = "SSH-2.0-portwatchd"

_IDENTIFICATION = re.compile(rb"SSH-([0-9.]+)-(.*)", re.DOTALL)
_OTHER_PROTOCOL = re.compile(rb"[0-9]{3}[ -]|\+OK|-ERR|\* |HTTP/|RFB |<|\x15\x03|\x16\x03|\xff")
_REFUSAL = re.compile(rb"Exceeded MaxStartups|Not allowed at this time")


async def probe(talk: Conversation, _target: Target) -> None:
    """The server identifies itself as SSH 2.0, or 1.99 where it knows the old protocol too (RFC 4253 5.1)."""
    with talk.stage(Stage.GREETING):
        line = await talk.hear(_identification)
        talk.trace.banner = Foreign(line)
        match = _IDENTIFICATION.fullmatch(line)
        if match is None:
            raise Failed(Outcome.SERVICE_REFUSES, f"answers {quoted(line)}")
        if match[1] not in {b"2.0", b"1.99"}:
            raise Failed(Outcome.WRONG_PROTOCOL, f"speaks SSH {quoted(match[1])}, not 2.0")
    with talk.stage(Stage.DIALOGUE):
        # sshd logs a client that leaves without this as one that sent no identification string, as scanners do.
        async with talk.until(OWN_IDENTIFICATION):
            pass


def _identification(buffer: Buffer) -> Reading[bytes]:
    """Read the identification string, past lines that a server may send before it; or OpenSSH's line of refusal.

    Such lines may say anything. One that is the greeting of another protocol ends the wait all the same, for its server
    would keep silent until the deadline.
    """
    while not (line := (yield from buffer.line())).startswith(b"SSH-"):
        if _REFUSAL.match(line):
            return line
        if _OTHER_PROTOCOL.match(line):
            raise Malformed(f"expected an SSH identification, got {quoted(line)}")
    if _IDENTIFICATION.fullmatch(line) is None:
        raise Malformed(f"expected an SSH identification, got {quoted(line)}")
    return line
