"""Hop probes of one address, paced: who answers on a port, from which distance, and where the router stands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from portwatchd.model import Answer, Distance, Family, HopEvidence, HopMethod, HopReply, Outcome
from portwatchd.rounds.distances import ANSWERED, FROM_ROUTER, OPEN, STARTS, learn, search

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from portwatchd.rounds.tools import Round

PACE = 1.1
"""Seconds between two TTL-limited probes to one school: a Linux router sends one ICMP error a second to one peer."""
PATIENCE = 1.0
"""Seconds to wait for an answer to a hop probe; a later one is taken for silence, so silences are repeated."""
QUICK = (0.15, 0.5)
"""The least and the most seconds to wait for an answer that is expected to be missing."""
ROUND_TRIPS = 6.0
"""Round trips to wait for it: what a loaded line delays."""
SETTLED_HOLDS = 900.0
"""Seconds for which the learnt TTL, once seen to hold, is believed of ports that answer as before: it costs three SYNs
to see, and a way back that changes shows on those ports too, but for a loss in the same quarter of an hour."""


class Hopper:
    """Asks one address of a school, within the round's budget of TTL-limited probes."""

    def __init__(
        self,
        running: Round,
        family: Family,
        address: str,
        *,
        healthy: int | None = None,
        round_trip: float | None = None,
    ) -> None:
        """Take what was learnt of the address before.

        `healthy` is a port that the school's server answers, to learn and to control on; `round_trip` is what a
        connect takes, in seconds.
        """
        self.running = running
        self.family = family
        self.address = address
        self.healthy = healthy
        self._settling = asyncio.Lock()
        self.settled = False
        """Whether the learnt TTL was seen to hold in this round."""
        self.distance = running.memory.distances.get(address, Distance())
        least, most = QUICK
        self._quick = most if round_trip is None else min(most, max(least, round_trip * ROUND_TRIPS))

    async def plain(self, port: int, *, minimum: int | None = None, seconds: float = PATIENCE) -> HopReply:
        """Send a SYN of full TTL, deaf to answers that arrive with less than `minimum`; needs no pace."""
        running = self.running
        async with running.permits, running.tools.waiters:
            return await running.tools.network.probe(self.address, port, seconds=seconds, minimum_ttl=minimum)

    async def limited(self, port: int, ttl: int) -> HopReply | None:
        """Send a SYN that expires after `ttl` hops, a second after the last one; None when the budget is spent."""
        running, clock = self.running, self.running.tools.clock
        if running.limited_left <= 0:
            return None
        running.limited_left -= 1
        async with running.pace:
            last = running.memory.limited_at
            if last is not None and (wait := last + PACE - clock.monotonic()) > 0:
                await clock.sleep(wait)
            async with running.permits, running.tools.waiters:
                running.memory.limited_at = clock.monotonic()
                return await running.tools.network.probe(self.address, port, seconds=PATIENCE, ttl=ttl)

    async def still_answers(self) -> bool:
        """Whether the healthy port answers even now, so that a silence just met says something; True without one."""
        if self.healthy is None:
            return True
        return await self.answers_at(self.healthy, 1)

    def own(self, reply: HopReply | None) -> bool:
        """Whether a time-exceeded came from the probed address itself: the router forwards (IPv4 only)."""
        return (
            self.family is Family.IPV4
            and reply is not None
            and reply.answer is Answer.EXPIRED
            and reply.offender == self.address
        )

    async def same_machine(self, port: int, *, ask_again: bool = True) -> bool | None:
        """Whether the answers of a port arrive with the TTL of the server's: an answer at `arriving`, silence above it.

        The learnt TTL is controlled on the healthy port first, once in a round: the way back may have changed.
        `ask_again` False spares all but one connect, for a service that dislikes many of them.
        """
        async with self._settling:
            if not self.settled and self.healthy is not None and self.distance.arriving is not None:
                self.settled = True
                alike = await self._arrives_alike(self.healthy, met=OPEN)
                if alike is False:
                    await learn(self, self.healthy)
                if alike is not None:
                    self.running.memory.settled[self.address] = self.running.tools.clock.wall()
        return await self._arrives_alike(port, ask_again=ask_again)

    async def as_before(self, port: int) -> HopReply | None:
        """Return the answer of a port that is likely to be forwarded, where two SYNs show that the server gave it.

        It arrives with the learnt TTL, which must have been seen to hold lately, and not with a larger one. None: that
        needs a closer look.
        """
        arriving, held = self.distance.arriving, self.running.memory.settled.get(self.address)
        if arriving is None or held is None or not 0 <= self.running.tools.clock.wall() - held < SETTLED_HOLDS:
            return None
        reply = await self.plain(port, minimum=arriving)
        if reply.answer not in ANSWERED or await self.answers_at(port, arriving + 1, attempts=1):
            return None
        return reply

    async def _arrives_alike(
        self,
        port: int,
        *,
        ask_again: bool = True,
        met: AbstractSet[Answer] = ANSWERED,
    ) -> bool | None:
        arriving = self.distance.arriving
        if arriving is None:
            return None
        if not ask_again:
            return not await self.answers_at(port, arriving + 1, attempts=1)
        if await self.answers_at(port, arriving + 1, met=met):
            return False
        for _ in range(2):
            reply = await self.plain(port, minimum=arriving)
            if reply.answer in met:
                return True
            if reply.answer is not Answer.SILENT:
                return None
        unhindered = await self.plain(port)
        return False if unhindered.answer in met else None

    async def answers_at(
        self,
        port: int,
        minimum: int,
        attempts: int = 2,
        met: AbstractSet[Answer] = ANSWERED,
    ) -> bool:
        """Whether a port answers with at least this TTL; a silence is asked again before it is believed."""
        for _ in range(attempts if minimum <= STARTS[-1] else 0):
            if (await self.plain(port, minimum=minimum, seconds=self._quick)).answer in met:
                return True
        return False

    def keep(self, distance: Distance) -> None:
        """Remember what was learnt of the address."""
        self.distance = distance
        self.running.memory.distances[self.address] = distance

    async def explain(
        self,
        failing: Mapping[int, Outcome],
        most: int | None = None,
        same: Mapping[int, bool | None] | None = None,
    ) -> dict[int, HopEvidence]:
        """Gather evidence on ports that fail, by port; at most `most` of them by TTL-limited probes.

        `same` is whose answers they are, where that was asked before.
        What the server itself refuses needs none. A silence at the router counts only if it repeats between two
        controls that were answered.
        """
        if same is None:
            refused = [port for port, outcome in failing.items() if outcome is Outcome.REFUSED]
            same = dict(zip(refused, await asyncio.gather(*map(self.same_machine, refused)), strict=True))
        at_router: dict[int, HopReply] = {}
        controlled: set[int] = set()
        doubtful = [port for port in failing if not same.get(port)][:most]
        if doubtful and self.family is Family.IPV4 and self.distance.hops:
            held = await self._holds(doubtful[0])
            for port in doubtful if self.distance.hops else ():
                if (reply := await self.limited(port, self.distance.hops)) is not None:
                    at_router[port] = reply
            silent = [port for port, reply in at_router.items() if reply.answer is Answer.SILENT]
            if silent and held:
                controlled = await self._repeat(silent, at_router)
        return {
            port: HopEvidence(at_router.get(port), same.get(port), port in controlled)
            for port in failing
            if port in at_router or same.get(port) is not None
        }

    async def _holds(self, failing: int) -> bool:
        """Whether the learnt distance holds, on a forwarded port; it is learnt anew where the route has changed."""
        hops, healthy = self.distance.hops, self.healthy
        if hops is None:
            return False
        if healthy is None:
            nearer = await self.limited(failing, hops - 1) if hops > 1 else None
            if nearer is not None and nearer.answer in ANSWERED:
                self.keep(Distance())
                await search(self, failing)
            return False
        proper = await self._control(healthy, hops)
        if proper is not None:
            return proper
        await learn(self, healthy)
        return self.distance.hops is not None and await self._control(healthy, self.distance.hops) is True

    async def _control(self, healthy: int, hops: int) -> bool | None:
        """Ask a forwarded port with the TTL of the router: True as learnt, False silent, None the route has changed."""
        expires = self.distance.method is HopMethod.TIME_EXCEEDED
        for _ in range(2):
            control = await self.limited(healthy, hops)
            if control is None:
                return False
            if control.answer is Answer.CONNECTED or self._elsewhere(control):
                return None
            if control.answer in FROM_ROUTER:
                return False
            if not expires or self.own(control):
                return True
        return False

    def _elsewhere(self, control: HopReply) -> bool:
        """Whether a SYN expired on another router than the one learnt."""
        expected = {self.address, self.distance.router}
        return control.answer is Answer.EXPIRED and control.offender not in expected

    async def _repeat(self, silent: Sequence[int], at_router: dict[int, HopReply]) -> set[int]:
        """Ask silent ports twice more, and the control after them; return those whose silence counts."""
        still = set(silent)
        for port in [*silent, *silent]:
            if port not in still:
                continue
            again = await self.limited(port, self.distance.hops or 1)
            if again is None:
                return set()
            at_router[port] = again
            if again.answer is not Answer.SILENT:
                still.discard(port)
        hops = self.distance.hops
        if self.healthy is None or hops is None or not await self._control(self.healthy, hops):
            return set()
        return still
