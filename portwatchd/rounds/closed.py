"""Ports that nobody listens on: who refuses them tells whether they are forwarded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from portwatchd.diagnosis.port import Facts, expired_at_router, judge
from portwatchd.model import Answer, HopEvidence, Observation, Outcome, Proof, Stage, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portwatchd.diagnosis.port import Scene
    from portwatchd.model import HopReply, Service
    from portwatchd.rounds.hopping import Hopper
    from portwatchd.rounds.tools import Round

SAMPLE = 2
"""Doubtful ports that a round of the daemon explains by paced probes; the rotation comes to the others."""
SPREAD = 8
"""Doubtful ports of a whole range that are worth a paced probe at first; one cause explains most of them."""

_OUTCOMES = {
    Answer.CONNECTED: Outcome.OK,
    Answer.RESET: Outcome.REFUSED,
    Answer.REJECTED: Outcome.REJECTED,
    Answer.UNREACHABLE: Outcome.UNREACHABLE,
    Answer.EXPIRED: Outcome.UNREACHABLE,
    Answer.SILENT: Outcome.TIMEOUT,
    Answer.LOCAL_ERROR: Outcome.LOCAL_ERROR,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a closed port showed."""

    observation: Observation
    hop: HopEvidence


@dataclass(frozen=True, slots=True)
class Ground:
    """On which address closed ports are asked, beside what."""

    hopper: Hopper
    scene: Scene


async def judge_closed(running: Round, ground: Ground, service: Service, ports: Sequence[int]) -> dict[int, Verdict]:
    """Ask ports of a service that nobody listens on, and return the verdict on each."""
    asked = await ask(running, ground, ports)
    refuses = any(a.hop.same_machine for a in asked.values())
    family, address = ground.hopper.family, ground.hopper.address
    return {
        port: judge_port(
            Facts(service, family, address, a.observation, a.hop),
            ground.scene,
            server_refuses=refuses,
        )
        for port, a in asked.items()
    }


async def ask(running: Round, ground: Ground, ports: Sequence[int]) -> dict[int, Asked]:
    """Ask closed ports who refuses them; a port that the server itself refuses costs no TTL-limited probe."""
    at, hopper = running.tools.clock.wall(), ground.hopper
    replies = dict(zip(ports, await asyncio.gather(*map(hopper.plain, ports)), strict=True))
    answered = [port for port, reply in replies.items() if reply.answer in {Answer.RESET, Answer.CONNECTED}]
    same = dict(zip(answered, await asyncio.gather(*map(hopper.same_machine, answered)), strict=True))
    doubtful = {
        port: _OUTCOMES[reply.answer]
        for port, reply in replies.items()
        if not same.get(port) and reply.answer is not Answer.LOCAL_ERROR
    }
    explained = await _explain(running, ground, doubtful)
    running.progress(len(ports))
    return {
        port: Asked(_observed(at, reply), explained.get(port, HopEvidence(same_machine=same.get(port))))
        for port, reply in replies.items()
    }


async def _explain(running: Round, ground: Ground, doubtful: dict[int, Outcome]) -> dict[int, HopEvidence]:
    """Spend paced probes on a spread sample; on every silent port only where a person waits and some are forwarded."""
    if not doubtful:
        return {}
    ports, hopper = list(doubtful), ground.hopper
    sample = ports[:: max(1, len(ports) // SPREAD)][:SPREAD] if running.complete else ports[:SAMPLE]
    found = await hopper.explain({port: doubtful[port] for port in sample})
    rest = [port for port in ports if port not in sample and doubtful[port] is not Outcome.REFUSED]
    if running.complete and rest and any(hopper.own(evidence.at_router) for evidence in found.values()):
        running.limited_left += len(rest)
        found |= await hopper.explain({port: doubtful[port] for port in rest})
    return found


def _observed(at: float, reply: HopReply) -> Observation:
    """Return a connect to a closed port as the facts that a judgement wants."""
    outcome = _OUTCOMES[reply.answer]
    return Observation(at, outcome, None if outcome is Outcome.OK else Stage.CONNECT, offender=reply.offender)


def judge_port(facts: Facts, scene: Scene, *, server_refuses: bool) -> Verdict:
    """Judge one port of a range, or a canary: closed is well there, and only a proof tells who refused.

    `server_refuses` says that the server is seen to refuse other such ports: then silence is a contrast, else it may
    be the server's own habit.
    """
    verdict = judge(replace(facts, scene=scene))
    contrast = server_refuses and facts.observation.outcome is not Outcome.REFUSED
    if verdict.proof is Proof.CONTRAST and not contrast and scene.server_answers:
        return Verdict(VerdictKind.UNKNOWN, Proof.NONE, "it is not known who refused, or dropped, the connection")
    if verdict.proof is Proof.ANSWER and not facts.hop.same_machine and not expired_at_router(facts):
        return Verdict(VerdictKind.UNKNOWN, Proof.NONE, "it is not known who answered")
    return verdict
