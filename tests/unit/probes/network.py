"""A scripted network in fake time: channels that are silent, slow or good, one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NoReturn

from portwatchd.model import HopReply, Policy, Protocol
from portwatchd.probes.runner import Prober
from portwatchd.world import Channel, Secured, Trust
from tests.unit.probes.script import Script, Step, a_target, transcript


class Silence(Script):
    """Plays its script, and then keeps silent."""

    async def receive(self) -> bytes:
        if not self.steps:
            await forever()
        return await super().receive()

    async def start_tls(self, server_name: str, trust: Trust) -> Secured:
        if not self.steps:
            await forever()
        return await super().start_tls(server_name, trust)


class Trickle(Script):
    """Sends a byte a second, for ever."""

    async def receive(self) -> bytes:
        await asyncio.sleep(1)
        return b"x"


async def forever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


class Net:
    """Gives out one prepared channel after the other; an exception is raised, None is silence."""

    def __init__(self, *channels: Script | BaseException | None) -> None:
        self.channels = deque(channels)
        self.asked: list[tuple[str, int]] = []
        self.given: list[Script] = []

    async def connect(self, address: str, port: int) -> Channel:
        self.asked.append((address, port))
        channel = self.channels.popleft()
        if channel is None:
            await forever()
        if isinstance(channel, BaseException):
            raise channel
        self.given.append(channel)
        return channel

    async def probe(
        self,
        address: str,
        port: int,
        *,
        seconds: float,
        ttl: int | None = None,
        minimum_ttl: int | None = None,
    ) -> HopReply:
        raise AssertionError("a probe sends no bare SYN")

    async def ping(self, address: str, *, seconds: float) -> bool | None:
        raise AssertionError("a probe does not ping")

    async def host_key(self, address: str, port: int, *, seconds: float) -> str | None:
        raise AssertionError("a probe asks for no host key")


class LoopClock:
    """The loop's own fake time, and a wall that stands still."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return 1000.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def prober(net: Net, *, stalled: bool = False) -> Prober:
    return Prober(net, LoopClock(), connect_timeout=5, timeout=15, stalled=lambda _start, _end: stalled)


def script(text: str) -> Script:
    return Script(transcript(text))


def steps(*parts: str | Step) -> Script:
    found: list[Step] = []
    for part in parts:
        found += transcript(part) if isinstance(part, str) else [part]
    return Script(found)


GOOD_SMTP = "S: 220 mail\nC: EHLO portwatchd.invalid\nS: 250-mail\nS: 250 STARTTLS"
SMTP = a_target(Protocol.SMTP, Policy.TLS_OFFERED, port=25)
AUDIT = a_target(Protocol.SMTP, Policy.TLS_OFFERED, port=25, audit=True)
IMAPS = a_target(Protocol.IMAPS, Policy.CERTIFICATE_VALID, port=993)
TCP = a_target(Protocol.TCP, port=22)
