"""Lines, routers and servers as they behave outside: what one SYN meets, by its TTL, and how ICMP is rate-limited."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum

from portwatchd.model import Answer, Family, HopReply
from portwatchd.world import Channel, Clock

ROUND_TRIP = 0.02
"""Seconds until an answer comes."""
ARP = 3.0
"""Seconds after which a router knows that it cannot find a machine (RFC 4861 for IPv6)."""
RETRANSMITS = 1.0
"""Seconds after which the kernel repeats a SYN (RFC 6298)."""
BURST, SECOND = 6.0, 1.0
"""Linux: so many ICMP errors at once to one peer, then one a second (net.ipv4.icmp_ratelimit)."""
NOWHERE = {Family.IPV4: "198.51.100.2", Family.IPV6: "2001:db8::2"}
ROUTER6 = "2001:db8::1"


class Situation(StrEnum):
    """Where a SYN to a port ends."""

    OPEN = "forwarded, service open"
    CLOSED = "forwarded, server closed"
    DROPPED = "forwarded, server's firewall drops"
    REFUSED = "forwarded, server's firewall rejects by ICMP"
    FILTERED = "forwarded, a filter of the router resets"
    NAS = "forwarded to another machine, open"
    NAS_CLOSED = "forwarded to another machine, closed"
    NOBODY = "forwarded to an address where no machine is"
    ROUTER = "the router's own service"
    LOST = "not forwarded"


class Manner(StrEnum):
    """How a router answers on a port that it does not forward."""

    RESET = "reset"
    REJECT = "reject"
    DROP = "drop"


class Who(StrEnum):
    """Whose answer it is."""

    SERVER = "server"
    NAS = "nas"
    ROUTER = "router"


@dataclass(frozen=True, slots=True)
class Meeting:
    """What one SYN met; `arriving` is the TTL of a SYN-ACK or RST."""

    answer: Answer
    offender: str | None = None
    who: Who | None = None
    arriving: int = 0
    after: float = ROUND_TRIP


SILENCE = Meeting(Answer.SILENT)


@dataclass(slots=True)
class Bucket:
    """The tokens of one router for one peer: Linux's inet_peer_xrlim_allow."""

    tokens: float = BURST
    at: float = 0.0
    limited: bool = True

    def allow(self, now: float) -> bool:
        self.tokens, self.at = min(BURST, self.tokens + (now - self.at) / SECOND), now
        if not self.limited:
            return True
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


@dataclass(slots=True)
class Line:
    """One address of a school: the way to it, its router, and what stands behind. `hops` is n, the last router."""

    family: Family = Family.IPV4
    address: str = NOWHERE[Family.IPV4]
    hops: int = 3
    longer_back: int = 0
    """Hops that the way back has more than the way there."""
    start: int = 64
    router_start: int = 64
    nas_start: int = 64
    manner: Manner = Manner.RESET
    time_exceeded: bool = True
    double_nat: bool = False
    """A provider's box before the school's router forwards everything."""
    ports: dict[int, Situation] = field(default_factory=dict)
    rest: Situation = Situation.LOST
    """Every other port: CLOSED makes an exposed host."""
    server_on: bool = True
    up: bool = True
    provider_says_so: bool = False
    """A dead line is answered by the provider's ICMP, not by silence."""
    pings: bool | None = True
    loss: float = 0.0
    """The share of SYNs, and the share of answers, that get lost."""
    icmp: Bucket = field(default_factory=Bucket)
    outer_icmp: Bucket = field(default_factory=Bucket)

    @property
    def router(self) -> str:
        """The address that the last router speaks from: NAT shows the probed one, IPv6 its own."""
        return self.address if self.family is Family.IPV4 else ROUTER6

    def provider(self, ttl: int) -> str:
        return f"203.0.113.{ttl}" if self.family is Family.IPV4 else f"2001:db8:ffff::{ttl}"

    def meet(self, port: int, ttl: int, now: float) -> Meeting:
        """What a SYN of this TTL meets, before anything gets lost."""
        first = self.hops - 1 if self.double_nat else self.hops
        if not self.up:
            if self.provider_says_so and ttl >= 2:
                return Meeting(Answer.UNREACHABLE, self.provider(2))
            return SILENCE if ttl > 1 else Meeting(Answer.EXPIRED, self.provider(1))
        if ttl < first:
            return Meeting(Answer.EXPIRED, self.provider(ttl))
        if ttl < self.hops:
            return self._expire(self.address, self.outer_icmp, now)
        situation = self.ports.get(port, self.rest)
        if self.family is Family.IPV6 and ttl == self.hops:
            return self._expire(self.router, self.icmp, now)
        if situation is Situation.ROUTER:
            return Meeting(Answer.CONNECTED, None, Who.ROUTER, self._from_router)
        if situation is Situation.LOST:
            return self._not_forwarded(now)
        if ttl == self.hops:
            return self._expire(self.router, self.icmp, now)
        return self._behind(situation, now)

    @property
    def _from_router(self) -> int:
        return self.router_start - (self.hops - 1) - self.longer_back

    def _expire(self, speaker: str, bucket: Bucket, now: float) -> Meeting:
        return Meeting(Answer.EXPIRED, speaker) if self.time_exceeded and bucket.allow(now) else SILENCE

    def _not_forwarded(self, now: float) -> Meeting:
        match self.manner:
            case Manner.RESET:
                return Meeting(Answer.RESET, None, Who.ROUTER, self._from_router)
            case Manner.REJECT:
                return Meeting(Answer.REJECTED, self.router) if self.icmp.allow(now) else SILENCE
            case Manner.DROP:
                return SILENCE

    def _behind(self, situation: Situation, now: float) -> Meeting:
        back = self.hops + self.longer_back
        match situation:
            case Situation.FILTERED:
                return Meeting(Answer.RESET, None, Who.ROUTER, self._from_router)
            case Situation.NAS:
                return Meeting(Answer.CONNECTED, None, Who.NAS, self.nas_start - back)
            case Situation.NAS_CLOSED:
                return Meeting(Answer.RESET, None, Who.NAS, self.nas_start - back)
            case _ if situation is Situation.NOBODY or not self.server_on:
                if self.icmp.allow(now):
                    return Meeting(Answer.UNREACHABLE, self.router, None, 0, ARP)
                return SILENCE
            case Situation.OPEN:
                return Meeting(Answer.CONNECTED, None, Who.SERVER, self.start - back)
            case Situation.CLOSED:
                return Meeting(Answer.RESET, None, Who.SERVER, self.start - back)
            case Situation.REFUSED:
                return Meeting(Answer.REJECTED, self.address)
            case _:
                return SILENCE


@dataclass(frozen=True, slots=True)
class Sent:
    """One hop probe as it was sent: when, where, and with which TTL."""

    at: float
    address: str
    port: int
    ttl: int | None
    minimum: int | None


class SimulatedNetwork:
    """Everything outside of the monitor. It keeps what was sent, and how much of it was in flight at once."""

    def __init__(self, clock: Clock, lines: list[Line], *, seed: int = 1) -> None:
        self.clock = clock
        self.lines = {line.address: line for line in lines}
        self.hosts: dict[tuple[str, int], bool] = {}
        """Canaries and controls: whether they answer."""
        self.cut: set[Family] = set()
        """The monitor's own line is dead in these families."""
        self.blocked: set[int] = set()
        """Ports that the monitor's own provider drops."""
        self.sent: list[Sent] = []
        self.pinged: list[str] = []
        self.keys_asked: list[tuple[float, str]] = []
        self.host_keys: dict[Who, str] = {}
        """Host keys that are not the usual ones."""
        self.in_flight = self.most_in_flight = 0
        self._random = random.Random(seed)

    async def connect(self, address: str, port: int) -> Channel:
        raise NotImplementedError("rounds connect through their prober")

    async def probe(
        self,
        address: str,
        port: int,
        *,
        seconds: float,
        ttl: int | None = None,
        minimum_ttl: int | None = None,
    ) -> HopReply:
        self.sent.append(Sent(self.clock.monotonic(), address, port, ttl, minimum_ttl))
        met = await self.syn(address, port, seconds=seconds, ttl=ttl, minimum=minimum_ttl or 0)
        return HopReply(met.answer, met.offender)

    async def ping(self, address: str, *, seconds: float) -> bool | None:
        self.pinged.append(address)
        line = self.lines.get(address)
        if line is None or line.pings is None:
            return None
        answers = line.up and line.pings and line.family not in self.cut
        if line.family is Family.IPV6:
            answers = answers and line.server_on
        await self.clock.sleep(ROUND_TRIP if answers else seconds)
        return answers

    async def host_key(self, address: str, port: int, *, seconds: float) -> str | None:
        """The key of whoever answers there: each machine has one of its own."""
        met = await self.syn(address, port, seconds=seconds)
        if met.answer is not Answer.CONNECTED or met.who is None:
            return None
        self.keys_asked.append((self.clock.monotonic(), address))
        return self.host_keys.get(met.who, f"SHA256:{met.who}")

    async def syn(
        self, address: str, port: int, *, seconds: float, ttl: int | None = None, minimum: int = 0
    ) -> Meeting:
        """One connect, its repetition included where there is time for one."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            waited = 0.0
            for left in (RETRANSMITS, seconds - RETRANSMITS) if seconds > RETRANSMITS and ttl is None else (seconds,):
                patience = min(left, 0.95) if ttl is not None else left
                met = self._meet(address, port, ttl or 64)
                heard = met.answer is not Answer.SILENT and (
                    met.arriving >= minimum or met.answer not in {Answer.CONNECTED, Answer.RESET}
                )
                if heard and met.after <= seconds - waited:
                    await self.clock.sleep(met.after)
                    return met
                await self.clock.sleep(patience)
                waited += patience
            return SILENCE
        finally:
            self.in_flight -= 1

    def _meet(self, address: str, port: int, ttl: int) -> Meeting:
        family = Family.IPV6 if ":" in address else Family.IPV4
        if family in self.cut or port in self.blocked:
            return SILENCE
        line = self.lines.get(address)
        if line is None:
            up = self.hosts.get((address, port), False)
            return Meeting(Answer.CONNECTED, None, None, 50) if up else SILENCE
        if line.loss and self._random.random() < line.loss:
            return SILENCE
        met = line.meet(port, ttl, self.clock.monotonic())
        return SILENCE if line.loss and self._random.random() < line.loss else met

    def limited_times(self) -> list[float]:
        """When TTL-limited probes were sent."""
        return [sent.at for sent in self.sent if sent.ttl is not None]
