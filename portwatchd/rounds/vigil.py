"""Is it the schools, or is it us: canaries, controls of single ports, and other schools, asked in doubt."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from portwatchd.model import Answer, Family
from portwatchd.rounds.distances import ANSWERED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from portwatchd.model import School
    from portwatchd.rounds.memory import Memory
    from portwatchd.world import Clock, Network, Resolver

PEERS = 10
"""Other schools that are asked when one looks wholly lost: enough to tell half of them from one."""
ENOUGH_PEERS = 3
"""So many silent peers outweigh a canary that still answers."""
PATIENCE = 2.5
"""Seconds to wait for a canary, a control or a peer: a lost SYN is sent again after one."""
HOLDS = 1.0
"""Seconds for which an answer to "is it us" is shared; in a mass outage hundreds of rounds ask at once."""
CONTROL_HOLDS = 10.0
"""Seconds for which the state of a port's control is shared."""
LOOKS = 15.0
"""Seconds between two looks at canaries and controls while nothing is in doubt."""


class Watched(Protocol):
    """Is told what is known of the monitor itself."""

    def isolated(self, isolated: bool) -> None:  # noqa: FBT001 - what a gauge is set to
        """The monitor is cut off, or not."""
        ...

    def canary(self, name: str, up: bool) -> None:  # noqa: FBT001 - what a gauge is set to
        """A canary is reached, or not."""
        ...

    def control(self, port: int, up: bool) -> None:  # noqa: FBT001 - what a gauge is set to
        """The control of a port is reached, or not."""
        ...


@dataclass(frozen=True, slots=True)
class Signs:
    """By what the monitor tells that it is the fault itself: hosts and ports, and a share of the schools."""

    families: tuple[Family, ...]
    canaries: tuple[tuple[str, int], ...] = ()
    controls: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    isolated_above: float = 0.5


class Watch:
    """Answers whether the monitor's own line is dead (by family), and whether a port is blocked where it stands."""

    def __init__(
        self,
        network: Network,
        resolver: Resolver,
        clock: Clock,
        watched: Watched,
        fleet: Mapping[str, Memory],
        signs: Signs,
    ) -> None:
        """`fleet` are the memories of all schools by name: each is a canary for the others."""
        self._network = network
        self._resolver = resolver
        self._clock = clock
        self._watched = watched
        self._fleet = fleet
        self._signs = signs
        self._cut: dict[Family, bool] = {}
        self._answers: dict[tuple[str, object], tuple[float, asyncio.Task[bool]]] = {}

    def refit(self, signs: Signs) -> None:
        """Go by other signs from now on."""
        self._signs = signs
        self._answers.clear()

    async def isolated(self, school: School | None, family: Family, *, helpless: bool = False) -> bool:
        """Whether the monitor is cut off in this family, as all canaries or most of other schools show just now.

        `helpless`: not one packet could be sent to the school that asks; without canaries and peers that decides.
        """
        name = school.name if school else None
        if helpless and not self._signs.canaries and len(self._fleet) <= 1:
            self._cut[family] = True
            self._watched.isolated(True)
            return True
        return await self._shared(("isolated", family), HOLDS, lambda: self._judge(name, family))

    async def blocked(self, port: int) -> bool:
        """Whether the control of a port is lost, so that a loss at a school says nothing. Without one: False."""
        if port not in self._signs.controls:
            return False
        return await self._shared(("control", port), CONTROL_HOLDS, lambda: self._control_lost(port))

    async def keep(self) -> None:
        """Look at canaries and controls again and again, and whether an isolation is over, until cancelled."""
        while True:
            for port in self._signs.controls:
                await self.blocked(port)
            for family in self._signs.families:
                if self._signs.canaries or self._cut.get(family):
                    await self.isolated(None, family)
            self._watched.isolated(any(self._cut.values()))
            await self._clock.sleep(HOLDS * 2 if any(self._cut.values()) else LOOKS)

    async def _shared(self, key: tuple[str, object], holds: float, ask: Callable[[], Awaitable[bool]]) -> bool:
        """Ask once for all who want to know at the same time."""
        now = self._clock.monotonic()
        known = self._answers.get(key)
        if known is None or (known[1].done() and now - known[0] > holds):
            known = now, asyncio.ensure_future(_wrapped(ask))
            self._answers[key] = known
        return await asyncio.shield(known[1])

    async def _judge(self, asking: str | None, family: Family) -> bool:
        """Whether a family is cut off; one with nothing to go by is cut off where another one is."""
        cut = await self._look(asking, family)
        if cut is None:
            others = [other for other in self._signs.families if other is not family]
            cut = any(await asyncio.gather(*(self._look(asking, other) for other in others)))
        self._cut[family] = cut
        self._watched.isolated(any(self._cut.values()))
        return cut

    async def _look(self, asking: str | None, family: Family) -> bool | None:
        """Ask canaries and peers of a family; None where there are none."""
        canaries, peers = await asyncio.gather(self._ask_canaries(family), self._ask_peers(asking, family))
        if asking is None and not canaries and 0 < len(peers) < ENOUGH_PEERS:
            # A dead school may be the only peer here: it can end an isolation, and not begin one.
            return self._cut.get(family, False) and not any(peers)
        cut = bool(canaries) and not any(canaries)
        if peers and (len(peers) >= ENOUGH_PEERS or not any(canaries)):
            cut = cut or 1 - sum(peers) / len(peers) > self._signs.isolated_above
        return cut if canaries or peers else None

    async def _ask_canaries(self, family: Family) -> list[bool]:
        """Return whether each canary that has an address of the family answers."""
        answers = await asyncio.gather(*(self._canary(canary, family) for canary in self._signs.canaries))
        return [up for up in answers if up is not None]

    async def _canary(self, canary: tuple[str, int], family: Family) -> bool | None:
        host, port = canary
        resolution = await self._resolver.resolve(host, self._signs.families)
        addresses = [address for of, address in resolution.addresses if of is family]
        if not addresses:
            return None if resolution.addresses else False
        up = await self._answers_on(addresses[0], port)
        self._watched.canary(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", up)
        return up

    async def _ask_peers(self, asking: str | None, family: Family) -> list[bool]:
        """Return whether some other schools, which answered in their last round, answer now."""
        others = [m.healthy[family] for name, m in self._fleet.items() if name != asking and family in m.healthy]
        chosen = random.sample(others, min(PEERS, len(others)))
        return list(await asyncio.gather(*(self._answers_on(address, port) for address, port in chosen)))

    async def _control_lost(self, port: int) -> bool:
        host, of = self._signs.controls[port]
        resolution = await self._resolver.resolve(host, self._signs.families)
        tries = (self._network.probe(address, of, seconds=PATIENCE) for _, address in resolution.addresses)
        up = any(reply.answer is Answer.CONNECTED for reply in await asyncio.gather(*tries))
        self._watched.control(port, up)
        return not up

    async def _answers_on(self, address: str, port: int) -> bool:
        reply = await self._network.probe(address, port, seconds=PATIENCE)
        return reply.answer in ANSWERED


async def _wrapped(ask: Callable[[], Awaitable[bool]]) -> bool:
    return await ask()
