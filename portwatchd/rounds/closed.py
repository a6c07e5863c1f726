"""Ports that nobody listens on: who refuses them tells whether they are forwarded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from portwatchd.diagnosis.port import Facts, expired_at_router, judge
from portwatchd.model import Answer, HopEvidence, Observation, Outcome, Proof, Stage, Verdict, VerdictKind
from portwatchd.rounds.distances import ANSWERED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from portwatchd.diagnosis.port import Scene
    from portwatchd.model import HopReply, Service
    from portwatchd.rounds.hopping import Hopper
    from portwatchd.rounds.tools import Round

SAMPLE = 2
"""Doubtful ports that a round of the daemon explains by paced probes; the rotation comes to the others."""
ATTEMPTS = 3
"""Times that a port is asked which is silent while others answer."""
CONTRASTED = frozenset({VerdictKind.FORWARD_LOST, VerdictKind.ROUTER_ANSWERS, VerdictKind.UNUSED})
"""What may be said of silent ports by contrast with those that were proven, where all of them say so."""
SPREAD = 8
"""Doubtful ports of a whole range that are worth a paced probe at first; one cause explains most of them."""
WENT_SILENT = Verdict(VerdictKind.UNKNOWN, Proof.NONE, "the line went silent meanwhile")

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
    blind: bool = False
    """Not one listed port could be judged: then nothing is to be said of closed ones either."""


async def judge_closed(
    running: Round,
    ground: Ground,
    service: Service,
    ports: Sequence[int],
    *,
    refused_before: bool = False,
    known: Verdict | None = None,
    once: bool = False,
    likely: Collection[int] = (),
) -> dict[int, Verdict]:
    """Ask ports of a service that nobody listens on, and return the verdict on each.

    `refused_before`: the server was seen to refuse such ports, so that a silence is not its habit. `known`: what was
    just proven of ports like these, so that silent ones need no proof of their own. `once`: a silence is no surprise.
    `likely`: ports that are forwarded as far as is known; to see that they are costs two SYNs.
    """
    prove, attempts = known is None and not once, 1 if once else ATTEMPTS
    asked = await ask(running, ground, ports, prove=prove, attempts=attempts, likely=likely)
    refuses = refused_before or any(a.hop.same_machine for a in asked.values())
    family, address = ground.hopper.family, ground.hopper.address
    verdicts = {
        port: judge_port(
            Facts(service, family, address, a.observation, a.hop),
            ground.scene,
            server_refuses=refuses,
        )
        for port, a in asked.items()
    }
    if (sure := alike_proven(verdicts, known)) is not None:
        alike = Verdict(sure.kind, Proof.CONTRAST, "silent like others that are proven not to be forwarded")
        silent = [port for port, a in asked.items() if a.observation.outcome is Outcome.TIMEOUT]
        verdicts |= {port: alike for port in silent if verdicts[port].kind is VerdictKind.UNKNOWN}
    contrasted = [
        port
        for port, a in asked.items()
        if a.observation.outcome is Outcome.TIMEOUT and verdicts[port].proof is Proof.CONTRAST
    ]
    if contrasted and not await ground.hopper.still_answers():
        verdicts |= dict.fromkeys(contrasted, WENT_SILENT)
    return verdicts


def alike_proven(verdicts: Mapping[int, Verdict], known: Verdict | None = None) -> Verdict | None:
    """Return one of the verdicts that are proven, if all of those say that the port is not forwarded."""
    proven = [verdict for verdict in verdicts.values() if verdict.proof in {Proof.HOP, Proof.ICMP}]
    if known is not None:
        proven.append(known)
    return proven[0] if proven and all(verdict.kind in CONTRASTED for verdict in proven) else None


async def ask(
    running: Round,
    ground: Ground,
    ports: Sequence[int],
    *,
    prove: bool = True,
    attempts: int = ATTEMPTS,
    likely: Collection[int] = (),
) -> dict[int, Asked]:
    """Ask closed ports who refuses them; a port that the server itself refuses costs no TTL-limited probe.

    A silence is asked again: it is a packet lost, or a port that differs; not where a whole range is silent.
    """
    at, hopper = running.tools.clock.wall(), ground.hopper
    before = [port for port in ports if port in likely]
    found = dict(zip(before, await asyncio.gather(*map(hopper.as_before, before)), strict=True))
    replies = {port: reply for port, reply in found.items() if reply is not None}
    same: dict[int, bool | None] = dict.fromkeys(replies, True)
    again: Sequence[int] = [port for port in ports if port not in replies]
    for _ in range(attempts):
        replies |= dict(zip(again, await asyncio.gather(*map(hopper.plain, again)), strict=True))
        again = [port for port, reply in replies.items() if reply.answer is Answer.SILENT]
        if len(again) == len(ports) > SPREAD:
            break
    answered = [port for port, reply in replies.items() if reply.answer in ANSWERED and port not in same]
    same |= zip(answered, await asyncio.gather(*map(hopper.same_machine, answered)), strict=True)
    doubtful = {
        port: _OUTCOMES[reply.answer]
        for port, reply in replies.items()
        if not same.get(port) and reply.answer is not Answer.LOCAL_ERROR
    }
    explained = await _explain(running, ground, doubtful, same) if prove else {}
    running.progress(len(ports))
    return {
        port: Asked(_observed(at, reply), explained.get(port, HopEvidence(same_machine=same.get(port))))
        for port, reply in replies.items()
    }


async def _explain(
    running: Round,
    ground: Ground,
    doubtful: dict[int, Outcome],
    same: dict[int, bool | None],
) -> dict[int, HopEvidence]:
    """Spend paced probes on a spread sample; on every silent port only where a person waits and some are forwarded."""
    if not doubtful:
        return {}
    ports, hopper = list(doubtful), ground.hopper
    most = SPREAD if running.complete else SAMPLE
    sample = ports[:: max(1, len(ports) // most)][:most]
    found = await hopper.explain({port: doubtful[port] for port in sample}, same=same)
    rest = [port for port in ports if port not in sample and doubtful[port] is not Outcome.REFUSED]
    if running.complete and rest and any(hopper.own(evidence.at_router) for evidence in found.values()):
        running.limited_left += len(rest)
        found |= await hopper.explain({port: doubtful[port] for port in rest}, same=same)
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
