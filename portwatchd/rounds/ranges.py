"""Ports that nobody listens on: a range is judged by who refuses, and canaries tell an exposed host."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from portwatchd.diagnosis.port import Facts, expired_at_router, judge
from portwatchd.model import Answer, HopEvidence, Observation, Outcome, Proof, RangeState, Stage, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portwatchd.diagnosis.port import Scene
    from portwatchd.model import Family, HopReply, Service
    from portwatchd.rounds.hopping import Hopper
    from portwatchd.rounds.tools import Round

SAMPLE = 2
"""Ports of a range that a round asks, in rotation: 100 ports take 50 rounds, and a lost range shows at once."""
SPREAD = 8
"""Doubtful ports of a whole range that are worth a paced probe at first; one cause explains most of them."""
SWEEP_EVERY = 86400.0
"""Seconds between two sweeps of a whole range."""
CANARIES = 2
"""Canary ports of a day; an exposed host shows on all of them."""
CANARY_PORTS = (20000, 59999)
"""Where canaries are drawn from: no profile and hardly any router uses this range."""
DAY = 86400.0
FORWARDED = frozenset(
    {VerdictKind.SERVICE_DOWN, VerdictKind.SERVER_FILTERED, VerdictKind.OK, VerdictKind.SERVICE_FAULTY}
)
LOST = frozenset({VerdictKind.FORWARD_LOST, VerdictKind.ROUTER_ANSWERS})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a closed port showed."""

    observation: Observation
    hop: HopEvidence


_OUTCOMES = {
    Answer.CONNECTED: Outcome.OK,
    Answer.RESET: Outcome.REFUSED,
    Answer.REJECTED: Outcome.REJECTED,
    Answer.UNREACHABLE: Outcome.UNREACHABLE,
    Answer.EXPIRED: Outcome.UNREACHABLE,
    Answer.SILENT: Outcome.TIMEOUT,
    Answer.LOCAL_ERROR: Outcome.LOCAL_ERROR,
}


async def ask(running: Round, hopper: Hopper, ports: Sequence[int], healthy: int | None) -> dict[int, Asked]:
    """Ask closed ports who refuses them; a port that the server itself refuses costs no TTL-limited probe."""
    at = running.tools.clock.wall()
    replies = dict(zip(ports, await asyncio.gather(*map(hopper.plain, ports)), strict=True))
    answered = [port for port, reply in replies.items() if reply.answer in {Answer.RESET, Answer.CONNECTED}]
    same = dict(zip(answered, await asyncio.gather(*map(hopper.same_machine, answered)), strict=True))
    doubtful = {
        port: _OUTCOMES[reply.answer]
        for port, reply in replies.items()
        if not same.get(port) and reply.answer is not Answer.LOCAL_ERROR
    }
    explained = await _explain(running, hopper, doubtful, healthy)
    running.progress(len(ports))
    return {
        port: Asked(_observed(at, reply), explained.get(port, HopEvidence(same_machine=same.get(port))))
        for port, reply in replies.items()
    }


async def _explain(
    running: Round,
    hopper: Hopper,
    doubtful: dict[int, Outcome],
    healthy: int | None,
) -> dict[int, HopEvidence]:
    """Spend paced probes on a spread sample; on every silent port only where a person waits and some are forwarded."""
    if not doubtful:
        return {}
    ports = list(doubtful)
    sample = ports[:: max(1, len(ports) // SPREAD)][:SPREAD] if running.complete else ports[:SAMPLE]
    found = await hopper.explain({port: doubtful[port] for port in sample}, healthy)
    rest = [port for port in ports if port not in sample and doubtful[port] is not Outcome.REFUSED]
    if running.complete and rest and any(hopper.own(evidence.at_router) for evidence in found.values()):
        running.limited_left += len(rest)
        found |= await hopper.explain({port: doubtful[port] for port in rest}, healthy)
    return found


def _observed(at: float, reply: HopReply) -> Observation:
    """Return a connect to a closed port as the facts that a judgement wants."""
    outcome = _OUTCOMES[reply.answer]
    return Observation(at, outcome, None if outcome is Outcome.OK else Stage.CONNECT, offender=reply.offender)


def next_ports(running: Round, family: Family, service: Service, *, whole: bool) -> list[int]:
    """Return the ports of a range that are asked now: all of them, or the next few of the rotation."""
    if whole:
        return list(range(service.first, service.last + 1))
    key = (family, service.name)
    size = service.last - service.first + 1
    start = running.memory.cursors.get(key, _number(running.school.name) % size)
    running.memory.cursors[key] = (start + 1) % size
    return [service.first + (start + step * max(1, size // SAMPLE)) % size for step in range(min(SAMPLE, size))]


def canaries(running: Round) -> list[int]:
    """Return today's canary ports of a school: ports that nobody listens on, different ones each day."""
    listed = {port for s in running.school.profile.services for port in range(s.first, s.last + 1)}
    day = int(running.tools.clock.wall() // DAY)
    low, high = CANARY_PORTS
    drawn: list[int] = []
    turn = 0
    while len(drawn) < CANARIES:
        port = low + _number(f"{running.school.name}/{day}/{turn}") % (high - low + 1)
        turn += 1
        if port not in listed and port not in drawn:
            drawn.append(port)
    return drawn


def _number(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:6])


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


def remember(state: dict[int, bool], verdicts: dict[int, Verdict]) -> None:
    """Keep what was learnt of single ports; a port that could not be judged keeps what was known of it."""
    for port, verdict in verdicts.items():
        if verdict.kind in FORWARDED:
            state[port] = True
        elif verdict.kind in LOST or verdict.kind is VerdictKind.UNUSED:
            state[port] = False


def judge_range(service: Service, state: dict[int, bool], now: dict[int, Verdict]) -> tuple[Verdict, RangeState]:
    """Return the verdict on a range, and the state of its ports.

    Where the ports asked now show that the whole server or line is gone, that is the verdict, and nothing is known
    of the single forwards.
    """
    whole = range(service.first, service.last + 1)
    for verdict in now.values():
        if verdict.kind in {
            VerdictKind.SERVER_DOWN,
            VerdictKind.LINE_DOWN,
            VerdictKind.BLOCKED_HERE,
            VerdictKind.WRONG_DEVICE,
        }:
            return verdict, RangeState(0, (), tuple(whole))
    lost = tuple(port for port in whole if state.get(port) is False)
    unknown = tuple(port for port in whole if port not in state)
    known = RangeState(len(whole) - len(lost) - len(unknown), lost, unknown)
    if lost:
        proof = next((now[port].proof for port in lost if port in now), Proof.HOP)
        kind = VerdictKind.FORWARD_LOST if service.required else VerdictKind.UNUSED
        return Verdict(kind, proof, f"not forwarded: {spans(lost)}"), known
    if known.forwarded:
        return Verdict(
            VerdictKind.OK, Proof.HOP, f"{known.forwarded} of {len(whole)} ports are seen to be forwarded"
        ), known
    return next(iter(now.values()), Verdict(VerdictKind.UNKNOWN, Proof.NONE)), known


def spans(ports: Sequence[int]) -> str:
    """Return ports as people read them: `63017, 63040-63042`."""
    runs: list[list[int]] = []
    for port in sorted(ports):
        if runs and runs[-1][-1] == port - 1:
            runs[-1][-1] = port
        else:
            runs.append([port, port])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def exposed(verdicts: Sequence[Verdict]) -> bool | None:
    """Whether the router forwards ports that nobody asked for; None where the canaries do not agree."""
    kinds = [v.kind for v in verdicts if v.proof in {Proof.HOP, Proof.ICMP}]
    if len(kinds) < len(verdicts):
        return None
    if all(kind in FORWARDED for kind in kinds):
        return True
    return False if all(kind in LOST or kind is VerdictKind.UNUSED for kind in kinds) else None
