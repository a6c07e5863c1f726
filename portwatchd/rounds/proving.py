"""Proofs of one address: the distance is learnt on a healthy port, then the ports that fail are explained."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from portwatchd.diagnosis.port import Facts, Identity, Scene, connected, expired_at_router, judge
from portwatchd.model import Answer, Distance, Family, HopEvidence, Outcome, Protocol, VerdictKind
from portwatchd.rounds.distances import FROM_ROUTER, learn, search
from portwatchd.rounds.memory import Proven

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from portwatchd.model import Observation, Target
    from portwatchd.rounds.hopping import Hopper
    from portwatchd.rounds.tools import Round

SILENT_SAMPLE = 4
"""Ports asked by TTL in one round when nothing answers: the cause is one, and a probe costs a second."""
PROOF_HOLDS = 900.0
"""Seconds for which a proof is reused while the outcome stays: one outcome may come to have another cause."""
SILENT_AT_ONCE = 3
"""Silent ports that one round proves: each is asked three times between two controls, and a probe costs a second."""
SEARCH_EVERY = 900.0
"""Seconds between two searches for a router of which nothing is known: each takes up to half a minute."""
HEALTHY_ORDER = (
    Protocol.HTTPS,
    Protocol.TLS,
    Protocol.IMAPS,
    Protocol.POP3S,
    Protocol.SMTPS,
    Protocol.LDAPS,
    Protocol.HTTP,
    Protocol.TCP,
    Protocol.IMAP,
    Protocol.POP3,
    Protocol.SMTP,
    Protocol.FTP,
    Protocol.SSH,
)
"""On which port to learn: first those that mind a short connection least; OpenSSH punishes them."""


def healthy_port(seen: Mapping[Target, Observation], identities: Mapping[Target, Identity]) -> int | None:
    """Return the port to learn and to control on: one that the right machine answers, before one that anybody does."""
    candidates = [
        target
        for target, observation in seen.items()
        if connected(observation)
        and observation.outcome in {Outcome.OK, Outcome.CERTIFICATE_INVALID}
        and identities[target] is not Identity.OTHER
    ]
    named = [target for target in candidates if identities[target] is Identity.RIGHT]
    order = sorted(named or candidates, key=lambda target: HEALTHY_ORDER.index(target.service.protocol))
    return order[0].port if order else None


async def prove(
    hopper: Hopper,
    seen: Mapping[Target, Observation],
    identities: Mapping[Target, Identity],
) -> dict[Target, HopEvidence]:
    """Return the hop evidence on each port of an address that needs one; what was proven and still holds is reused."""
    running, address, healthy = hopper.running, hopper.address, hopper.healthy
    now = running.tools.clock.wall()
    if not _worth_proving(running, seen):
        return {}
    if healthy is not None and (hopper.distance.arriving is None or hopper.distance.hops is None):
        await _learn(hopper, healthy, waited_for=running.complete or _in_need(seen))
    evidence: dict[Target, HopEvidence] = {}
    doubtful: dict[Target, Outcome] = {}
    for target, observation in seen.items():
        fails = _fails(observation)
        known = _known(running, address, target.port)
        if (
            known is not None
            and (known.outcome, known.contrasted) == (observation.outcome, healthy is not None)
            and (fails or _suspicious(running, target, observation, identities))
        ):
            evidence[target] = known.evidence
        elif fails:
            doubtful[target] = observation.outcome
        else:
            running.memory.proven.pop((address, target.port), None)
    fresh = await _explain(hopper, doubtful)
    for target, observation in seen.items():
        if connected(observation) and target not in evidence and _suspicious(running, target, observation, identities):
            fresh[target] = await _whose(hopper, target)
    for target, found in fresh.items():
        proven = Proven(seen[target].outcome, found, healthy is not None, now)
        if not _uncontrolled(seen[target], found):
            running.memory.proven[address, target.port] = proven
        elif healthy is not None:
            continue
        running.proven[address, target.port] = proven
    return evidence | fresh


async def _learn(hopper: Hopper, healthy: int, *, waited_for: bool) -> None:
    """Learn the distance; where no proof waits for it, only if few schools are learning: another round will come."""
    learners = hopper.running.tools.learners
    if waited_for:
        await learn(hopper, healthy)
    elif not learners.locked():
        async with learners:
            await learn(hopper, healthy)


def _known(running: Round, address: str, port: int) -> Proven | None:
    """Return what was proven of a port in this round, or in one not long ago; a person who waits wants it anew."""
    if (here := running.proven.get((address, port))) is not None or running.complete:
        return here
    before = running.memory.proven.get((address, port))
    if before is None or running.tools.clock.wall() - before.at >= PROOF_HOLDS:
        return None
    return before


def _uncontrolled(observation: Observation, evidence: HopEvidence) -> bool:
    """Whether it is a silence that says nothing: it is asked again in the next round."""
    reply = evidence.at_router
    silent = observation.outcome is Outcome.TIMEOUT and reply is not None and reply.answer is Answer.SILENT
    return silent and not evidence.controlled


def _worth_proving(running: Round, seen: Mapping[Target, Observation]) -> bool:
    """Whether proofs are gathered now: at first sight a school that is well is reported first, and learnt later."""
    if not running.proofs:
        return False
    if running.complete or running.memory.standings:
        return True
    return _in_need(seen)


def _in_need(seen: Mapping[Target, Observation]) -> bool:
    """Whether a port that is required fails."""
    return any(target.service.required and _fails(observation) for target, observation in seen.items())


def _fails(observation: Observation) -> bool:
    """Whether no connection came about for a reason that lies outside of the monitor."""
    return not connected(observation) and observation.outcome not in {Outcome.LOCAL_ERROR, Outcome.UNRESOLVED}


async def _explain(hopper: Hopper, doubtful: Mapping[Target, Outcome]) -> dict[Target, HopEvidence]:
    if not doubtful:
        return {}
    running = hopper.running
    order = sorted(doubtful, key=lambda target: (not target.service.required, doubtful[target] is not Outcome.REFUSED))
    most = None
    if hopper.healthy is not None and not running.complete:
        silent = [target for target in order if doubtful[target] is Outcome.TIMEOUT]
        order = [target for target in order if target not in silent[SILENT_AT_ONCE:]]
    if hopper.healthy is None:
        await _search(running, hopper, order[0].port)
        if not running.complete:
            most = max(0, SILENT_SAMPLE - sum(1 for address, _ in running.proven if address == hopper.address))
    found = await hopper.explain({target.port: doubtful[target] for target in order}, most)
    return {target: found[target.port] for target in order if target.port in found}


async def _search(running: Round, hopper: Hopper, port: int) -> None:
    """Look for the router of an address of which nothing is known and where nothing answers (IPv4)."""
    now, last = running.tools.clock.wall(), running.memory.searched_at
    if hopper.family is not Family.IPV4 or hopper.distance.hops is not None:
        return
    if last is not None and now - last < SEARCH_EVERY and not running.complete:
        return
    running.memory.searched_at = now
    await search(hopper, port)


def _suspicious(
    running: Round,
    target: Target,
    observation: Observation,
    identities: Mapping[Target, Identity],
) -> bool:
    """Whether an answer may be another machine's: a strange name, a wrong answer, or a person asks for all proofs."""
    wrong = observation.outcome not in {Outcome.OK, Outcome.CERTIFICATE_INVALID}
    return (
        wrong
        or identities[target] in {Identity.OTHER, Identity.CHANGED}
        or (running.complete and identities[target] is not Identity.RIGHT)
    )


async def _whose(hopper: Hopper, target: Target) -> HopEvidence:
    """Ask whose answer it is on a port that answers: by arriving TTL, and at the router where that leaves a doubt."""
    same = await hopper.same_machine(target.port, ask_again=target.service.protocol is not Protocol.SSH)
    if same or hopper.family is not Family.IPV4 or not hopper.distance.hops:
        return HopEvidence(None, same)
    return HopEvidence(await hopper.limited(target.port, hopper.distance.hops), same)


async def signs_of_life(running: Round, hopper: Hopper, ports: Sequence[int]) -> bool:
    """Whether a router that shows nothing on its listed ports answers a ping, or a port that nobody uses."""
    ping = asyncio.create_task(running.tools.network.ping(hopper.address, seconds=2.0))
    replies = await asyncio.gather(*(hopper.plain(port, seconds=2.0) for port in ports))
    return await ping is True or any(
        reply.answer in FROM_ROUTER and (reply.offender is None or reply.offender == hopper.address)
        for reply in replies
    )


def scene(facts: Sequence[Facts], distance: Distance) -> Scene:
    """Return what the ports of one address say together."""
    own_icmp = any(_from_router(f, distance) for f in facts)
    refused = any(f.observation.outcome is Outcome.REFUSED for f in facts)
    at_router = [f.hop.at_router for f in facts if f.hop.at_router is not None]
    alive = any(_server_answers(f) for f in facts)
    silent = [f for f in facts if f.observation.outcome is Outcome.TIMEOUT and f.hop.at_router is not None]
    forwarded = any(expired_at_router(f) for f in silent)
    return Scene(
        silence_means_lost=not forwarded and any(f.hop.controlled for f in silent),
        stranger=_stranger(facts),
        server_answers=alive,
        forward_seen=not alive and any(expired_at_router(f) or _cannot_reach(f, distance) for f in facts),
        router_alive=own_icmp or refused or any(r.answer in FROM_ROUTER for r in at_router),
        distance=distance,
        router=distance.router,
    )


def _stranger(facts: Sequence[Facts]) -> bool:
    """Whether all that answers is another machine's; a router that answers in place of a forward is none."""
    kinds = {judge(f).kind for f in facts if f.identity is Identity.OTHER}
    others = any(connected(f.observation) and f.identity is not Identity.OTHER for f in facts)
    return VerdictKind.WRONG_DEVICE in kinds and not others


def _from_router(facts: Facts, distance: Distance) -> bool:
    """Whether an ICMP answer came from the school's router or from behind it, not from the way to it."""
    seen = facts.observation
    if seen.offender is None or seen.outcome not in {Outcome.REJECTED, Outcome.UNREACHABLE}:
        return False
    rejected_v6 = facts.family is Family.IPV6 and seen.outcome is Outcome.REJECTED
    return rejected_v6 or seen.offender in {facts.address, distance.router}


def _cannot_reach(facts: Facts, distance: Distance) -> bool:
    """Whether the router said that it cannot reach the server: it tried to forward."""
    return facts.observation.outcome is Outcome.UNREACHABLE and _from_router(facts, distance)


def _server_answers(facts: Facts) -> bool:
    """Whether the school's server itself answered on a port, even by refusing."""
    seen = facts.observation
    if connected(seen):
        router = facts.hop.at_router is not None and facts.hop.at_router.answer is Answer.CONNECTED
        return not router and facts.hop.same_machine is not False and facts.identity is not Identity.OTHER
    return seen.outcome is Outcome.REFUSED and (facts.hop.same_machine is True or expired_at_router(facts))
