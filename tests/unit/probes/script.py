"""A scripted peer: a transcript that a probe must follow word for word, on a channel that never waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from portwatchd.model import (
    Certificate,
    Depth,
    Family,
    Policy,
    Protocol,
    Service,
    Target,
    TlsFacts,
)
from portwatchd.probes.conversation import Conversation, Failed
from portwatchd.probes.trace import Trace
from portwatchd.wire.lines import Malformed
from portwatchd.wire.replies import Unwelcome
from portwatchd.world import Secured, Trust

CERTIFICATE = Certificate(
    subject="CN=school.example",
    issuer="CN=authority",
    san=("school.example",),
    not_before=0.0,
    not_after=1e9,
    fingerprint_sha256="ab" * 32,
    valid=True,
    reason="",
    names_match=True,
)
SECURED = Secured(TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384"), CERTIFICATE)


@dataclass(frozen=True)
class Hear:
    """What the server says."""

    data: bytes


@dataclass(frozen=True)
class Say:
    """What the client must say."""

    data: bytes


@dataclass(frozen=True)
class Handshake:
    """What comes of TLS."""

    result: Secured | Exception = SECURED


@dataclass(frozen=True)
class Break:
    """An error in place of bytes."""

    error: Exception


@dataclass(frozen=True)
class End:
    """The server closes."""


Step = Hear | Say | Handshake | Break | End


def transcript(text: str) -> list[Step]:
    """Read `S: ` and `C: ` lines, `TLS` for a handshake and `EOF`; server lines that follow each other come at once."""
    steps: list[Step] = []
    for line in filter(None, (raw.strip() for raw in text.splitlines())):
        if line == "TLS":
            steps.append(Handshake())
        elif line == "EOF":
            steps.append(End())
        elif line.startswith("C:"):
            steps.append(Say(line[3:].encode() + b"\r\n"))
        else:
            assert line.startswith("S:"), line
            said = line[3:].encode() + b"\r\n"
            last = steps[-1] if steps else None
            if isinstance(last, Hear):
                steps[-1] = Hear(last.data + said)
            else:
                steps.append(Hear(said))
    return steps


class Script:
    """A channel that plays a script, in whole pieces or byte by byte, and keeps what it was told."""

    def __init__(self, steps: Iterable[Step], piece: int = 16384) -> None:
        self.steps = deque(steps)
        self.piece = piece
        self.said: list[bytes] = []
        self.shaken: list[tuple[str, Trust]] = []
        self.closed = 0

    async def receive(self) -> bytes:
        step = self.steps.popleft() if self.steps else None
        match step:
            case Hear(data):
                if data[self.piece :]:
                    self.steps.appendleft(Hear(data[self.piece :]))
                return data[: self.piece]
            case End():
                return b""
            case Break(error):
                raise error
            case _:
                raise AssertionError(f"it listens where the script has {step}; said so far: {self.said}")

    async def send(self, data: bytes) -> None:
        step = self.steps.popleft() if self.steps else None
        match step:
            case Say(expected):
                self.said.append(data)
                assert data == expected
            case Break(error):
                raise error
            case _:
                raise AssertionError(f"it says {data!r} where the script has {step}")

    async def start_tls(self, server_name: str, trust: Trust) -> Secured:
        step = self.steps.popleft() if self.steps else None
        assert isinstance(step, Handshake), f"it shakes hands where the script has {step}"
        self.shaken.append((server_name, trust))
        if isinstance(step.result, Exception):
            raise step.result
        return step.result

    def close(self) -> None:
        self.closed += 1


class Ticks:
    """A monotonic clock that goes on by one second at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def a_target(
    protocol: Protocol,
    *policies: Policy,
    port: int = 0,
    audit: bool = False,
    server_name: str = "school.example",
    address: str = "192.0.2.1",
) -> Target:
    service = Service(protocol.value, protocol, port, port, policies=frozenset(policies))
    family = Family.IPV6 if ":" in address else Family.IPV4
    return Target(service, family, address, port, server_name, Depth.AUDIT if audit else Depth.WATCH)


def finish(coroutine: Awaitable[None]) -> None:
    """Run a coroutine that never waits to its end."""
    steps = coroutine.__await__()
    try:
        next(steps)
    except StopIteration:
        return
    raise AssertionError("it waits")


Probe = Callable[[Conversation, Target], Awaitable[None]]


def play(probe: Probe, target: Target, steps: list[Step], trace: Trace, piece: int) -> None:
    """Let a probe talk to a script, which must come to its end. Raises what the probe raises."""
    channel = Script(steps, piece)
    try:
        finish(probe(Conversation(channel, trace), target))
    except Exception:
        assert all(isinstance(step, Hear) for step in channel.steps), f"not reached: {list(channel.steps)}"
        raise
    assert not channel.steps, f"not reached: {list(channel.steps)}"


def converse(probe: Probe, target: Target, script: str | list[Step], trace: Trace | None = None) -> Trace:
    """Play a script in whole pieces, and byte by byte with the same end; return what was learnt, or raise."""
    steps = transcript(script) if isinstance(script, str) else script
    learnt = trace or Trace(Ticks(), target.service.policies)
    slowly: Exception | None = None
    try:
        play(probe, target, steps, Trace(Ticks(), target.service.policies), piece=1)
    except (Failed, Malformed, Unwelcome, OSError) as error:
        slowly = error
    try:
        play(probe, target, steps, learnt, piece=16384)
    except (Failed, Malformed, Unwelcome, OSError) as error:
        if repr(slowly) != repr(error):
            raise AssertionError(f"byte by byte it ended with {slowly!r}") from error
        raise
    assert slowly is None
    return learnt


def fact(trace: Trace, policy: Policy) -> tuple[bool | None, str]:
    """Return what a trace says of a policy."""
    return trace.facts[policy].holds, trace.facts[policy].reason
