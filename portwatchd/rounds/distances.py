"""How far an address is: the TTL with which its server's answers arrive, and the hop on which its router stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portwatchd.model import Answer, Distance, HopMethod

if TYPE_CHECKING:
    from portwatchd.model import HopReply
    from portwatchd.rounds.hopping import Hopper

ANSWERED = frozenset({Answer.CONNECTED, Answer.RESET})
OPEN = frozenset({Answer.CONNECTED})
"""What a healthy port answers; a reset there means that it is healthy no more, and nothing can be learnt on it."""
FROM_ROUTER = ANSWERED | {Answer.REJECTED}
STARTS = (64, 128, 255)
"""TTLs that systems start with."""
FARTHEST = 30
"""Hops after which a search ends; longer paths are not met."""
SILENCE_IN_A_ROW = 4
"""Silent hops after which a search for the router ends."""


async def learn(hopper: Hopper, port: int) -> None:
    """Learn the distance on a port that the server accepts: the arriving TTL, then the hop before it.

    A port that accepts no more teaches nothing, and what was learnt before is kept.
    """
    hopper.settled = True
    arriving = await _arriving(hopper, port)
    if arriving is None:
        return
    hopper.keep(Distance(None, arriving, HopMethod.OFF))
    guess = next(start for start in STARTS if start >= arriving) - arriving
    await _step(hopper, port, guess)


async def _arriving(hopper: Hopper, port: int) -> int | None:
    """Return the largest minimum at which the port still answers, found by halving."""
    low, high = 1, 255
    for start in STARTS:
        if not await hopper.answers_at(port, start + 1, met=OPEN):
            low, high = max(1, start - FARTHEST - 2), start
            break
    if (await hopper.plain(port, minimum=low)).answer not in OPEN:
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if await hopper.answers_at(port, middle, met=OPEN) else (low, middle - 1)
    return low


async def _step(hopper: Hopper, port: int, guess: int) -> None:
    """Find the smallest TTL that reaches the server, from a guess; the last router stands one hop before it."""
    hops, before, reached = max(0, guess), None, False
    for _ in range(FARTHEST):
        at_server = await hopper.limited(port, hops + 1)
        if at_server is None:
            return
        if at_server.answer not in OPEN:
            again = await hopper.limited(port, hops + 1) if at_server.answer is Answer.SILENT else at_server
            if again is None or again.answer not in OPEN:
                if reached or hops >= FARTHEST:
                    return
                hops += 1
                continue
        reached = True
        before = await hopper.limited(port, hops) if hops else None
        if before is not None and before.answer is Answer.SILENT:
            before = await hopper.limited(port, hops) or before
        if before is None or before.answer not in OPEN or hops == 0:
            break
        hops -= 1
    hopper.keep(_distance(hopper, hops, before))


def _distance(hopper: Hopper, hops: int, before: HopReply | None) -> Distance:
    arriving = hopper.distance.arriving
    if hops == 0 or before is None:
        return Distance(hops, arriving, HopMethod.ANSWERS)
    router = before.offender if before.answer is Answer.EXPIRED else None
    method = HopMethod.TIME_EXCEEDED if hopper.own(before) else HopMethod.ANSWERS
    return Distance(hops, arriving, method, router)


async def search(hopper: Hopper, port: int) -> HopReply | None:
    """Step out to a port of which nothing is known, until its router shows itself; return what it showed.

    The largest TTL with a time-exceeded from the address itself is the router's; an answer at a TTL where
    nothing from the address came before is the router's own.
    """
    silent, found = 0, None
    for ttl in range(1, FARTHEST + 1):
        reply = await hopper.limited(port, ttl)
        if reply is None:
            return found
        if hopper.own(reply):
            silent, found = 0, reply
            hopper.keep(Distance(ttl, hopper.distance.arriving, HopMethod.TIME_EXCEEDED, reply.offender))
        elif reply.answer in FROM_ROUTER and (reply.answer in ANSWERED or reply.offender == hopper.address):
            if found is None:
                hopper.keep(Distance(ttl, hopper.distance.arriving, HopMethod.ANSWERS))
                return reply
            return found
        elif reply.answer is Answer.EXPIRED:
            silent = 0
        else:
            silent += 1
        if silent >= SILENCE_IN_A_ROW or (found is not None and not hopper.own(reply)):
            return found
    return found
