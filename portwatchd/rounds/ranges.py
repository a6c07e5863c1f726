"""Port ranges and the exposed host: asked in rotation, swept when a loss shows, judged by who refused."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from portwatchd.diagnosis.port import Facts, judge
from portwatchd.model import (
    Observation,
    Outcome,
    Proof,
    Protocol,
    RangeState,
    Service,
    Stage,
    Verdict,
    VerdictKind,
)
from portwatchd.rounds.closed import SAMPLE, WENT_SILENT, alike_proven, judge_closed
from portwatchd.rounds.reporting import SEVERITY, Judged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from portwatchd.model import Family
    from portwatchd.rounds.closed import Ground
    from portwatchd.rounds.hopping import Hopper
    from portwatchd.rounds.tools import Round

SWEEP_SECONDS = 12.0
"""Seconds that one round of the daemon spends on a sweep: a range of silent ports would take a minute or more."""
SWEEP_CHUNK = 20
"""Ports asked together while sweeping: enough that one contrast speaks for many."""
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
LOST = frozenset({VerdictKind.FORWARD_LOST, VerdictKind.ROUTER_ANSWERS, VerdictKind.WRONG_DEVICE})
"""Verdicts on a single port that make a hole in a range."""
LOOK_BUDGET = 8
"""TTL-limited probes that a look at two silent ports costs: each asked thrice, between two controls. It is granted
whatever the round has spent before, for it comes seldom."""
_CANARY = Service("canary", Protocol.TCP, 1, 1)
"""How a canary port is judged: as a plain port that must be forwarded."""


async def judge_range(running: Round, ground: Ground, service: Service) -> Judged:
    """Ask the next ports of a range, or all of it where a change shows, a day has passed, or a person waits.

    Where the server answers nowhere, or another machine in its place, nothing is known of single forwards, and what
    was known of them is kept.
    """
    family, address = ground.hopper.family, ground.hopper.address
    every = ports_of(service)
    if (verdict := _beforehand(ground)) is not None:
        running.progress(len(every))
        return Judged(service, family, address, verdict, None, RangeState(0, (), every))
    state = running.memory.ranges.setdefault((family, service.name), {})
    if not ground.scene.server_answers:
        return await _without_server(running, ground, service, state)
    whole = running.complete
    ports = every if whole else next_ports(running, family, service, state)
    turn_on(running, family, service)
    sweeping = running.memory.sweeping.pop((family, service.name), [])
    before = any(state.values())
    likely = () if whole else [port for port in ports if state.get(port, before)]
    verdicts = await judge_closed(running, ground, service, ports, refused_before=before, likely=likely)
    if not whole and not sweeping and (changed := _changed(state, verdicts)):
        running.limited_left = max(running.limited_left, 2 * LOOK_BUDGET)
        verdicts |= await judge_closed(running, ground, service, changed, refused_before=before)
        if _changed(state, verdicts):
            sweeping = list(every)
    if not whole:
        left = list(every) if sweep_due(running) else sweeping
        swept = await _sweep(running, ground, service, left, alike_proven(verdicts), before=before)
        verdicts |= {port: verdict for port, verdict in swept.items() if verdict.kind is not VerdictKind.UNKNOWN}
    remember(state, verdicts)
    verdict, known = sum_up(service, state, verdicts)
    return Judged(service, family, address, verdict, None, known)


async def _without_server(running: Round, ground: Ground, service: Service, state: Mapping[int, bool]) -> Judged:
    """Judge a range where no listed port is answered by the server: by the scene, asked only of a router that lives.

    A dead line and a server that is off say the same of every port; asking them would take seconds of the round.
    """
    family, address, scene = ground.hopper.family, ground.hopper.address, ground.scene
    every = ports_of(service)
    ports: list[int] = []
    if scene.router_alive and not scene.forward_seen:
        ports = next_ports(running, family, service, state)
        turn_on(running, family, service)
        before = any(state.values())
        verdicts = await judge_closed(running, ground, service, ports, refused_before=before, once=True)
        worst = max(verdicts.values(), key=lambda verdict: SEVERITY[verdict.kind])
    else:
        unasked = Observation(running.tools.clock.wall(), Outcome.TIMEOUT, Stage.CONNECT)
        worst = judge(Facts(service, family, address, unasked, scene=scene))
    running.progress(len(every) - len(ports))
    known = RangeState(0, every, ()) if worst.kind in LOST else RangeState(0, (), every)
    return Judged(service, family, address, worst, None, known)


async def _sweep(
    running: Round,
    ground: Ground,
    service: Service,
    ports: list[int],
    known: Verdict | None,
    *,
    before: bool,
) -> dict[int, Verdict]:
    """Ask ports in chunks for some seconds, and leave the others to the next round: the watch does not wait."""
    clock = running.tools.clock
    started = clock.monotonic()
    verdicts: dict[int, Verdict] = {}
    while ports and clock.monotonic() - started < SWEEP_SECONDS:
        chunk, ports = ports[:SWEEP_CHUNK], ports[SWEEP_CHUNK:]
        found = await judge_closed(running, ground, service, chunk, refused_before=before, known=known)
        ports += [port for port, verdict in found.items() if verdict is WENT_SILENT]
        verdicts |= found
    if ports:
        running.memory.sweeping[ground.hopper.family, service.name] = ports
    return verdicts


def _beforehand(ground: Ground) -> Verdict | None:
    """Return the verdict on ports that need not be asked: another machine's, or those of a monitor that is blind."""
    if ground.scene.stranger:
        return Verdict(VerdictKind.WRONG_DEVICE, Proof.IDENTITY, "another machine answers at this address")
    if ground.blind:
        return Verdict(VerdictKind.UNKNOWN, Proof.NONE, "no listed port of the school could be judged")
    return None


def sweep_due(running: Round) -> bool:
    """Whether a day has passed since all ranges were swept; the first day begins with the first round."""
    memory, now = running.memory, running.tools.clock.wall()
    if memory.swept_at is None:
        memory.swept_at = now
    return now - memory.swept_at >= SWEEP_EVERY


def _changed(state: Mapping[int, bool], verdicts: Mapping[int, Verdict]) -> list[int]:
    """Return the ports that are lost and were not known to be, or forwarded and were lost."""
    return [
        port
        for port, v in verdicts.items()
        if (v.kind in LOST and state.get(port) is not False) or (v.kind in FORWARDED and state.get(port) is False)
    ]


def next_ports(running: Round, family: Family, service: Service, state: Mapping[int, bool]) -> list[int]:
    """Return the ports of a range that are asked now: the next few of the rotation, and a few that were lost."""
    start, every = _turn(running, family, service), ports_of(service)
    step = max(1, len(every) // SAMPLE)
    rotation = [every[(start + turn * step) % len(every)] for turn in range(min(SAMPLE, len(every)))]
    lost = [port for port, forwarded in state.items() if not forwarded and port not in rotation]
    return [*rotation, *lost[start % len(lost) :][:SAMPLE]] if lost else rotation


def turn_on(running: Round, family: Family, service: Service) -> None:
    """Let the next round go on in the rotation."""
    running.memory.cursors[family, service.name] = (_turn(running, family, service) + 1) % len(ports_of(service))


def _turn(running: Round, family: Family, service: Service) -> int:
    """Return where the rotation through a range stands; schools begin at different ports."""
    turn = running.memory.cursors.get((family, service.name))
    return _number(running.school.name) % len(ports_of(service)) if turn is None else turn


async def still_forwarded(running: Round, hopper: Hopper) -> bool:
    """Whether all is as it was with the ranges of an address of which every known port is forwarded.

    The port whose turn it is is asked by two SYNs. False where anything shows, or where more than that is due.
    """
    memory, family = running.memory, hopper.family
    if memory.sweeping or sweep_due(running) or canaries_due(running, hopper):
        return False
    for service in running.school.profile.services:
        if service.protocol is not Protocol.RANGE:
            continue
        key, turn = (family, service.name), _turn(running, family, service)
        port = ports_of(service)[turn]
        turn_on(running, family, service)
        if await hopper.as_before(port) is None:
            memory.cursors[key] = turn  # it is asked again when the round is judged
            return False
        memory.ranges[key][port] = True
    return True


def remember(state: dict[int, bool], verdicts: dict[int, Verdict]) -> None:
    """Keep what was learnt of single ports; a port that could not be judged keeps what was known of it."""
    for port, verdict in verdicts.items():
        if verdict.kind in FORWARDED:
            state[port] = True
        elif verdict.kind in LOST or verdict.kind is VerdictKind.UNUSED:
            state[port] = False


def ports_of(service: Service) -> tuple[int, ...]:
    """Return the ports of a range. The numbers are the same objects at every school, where each would cost 28 bytes."""
    return _span(service.first, service.last)


@cache
def _span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


def sum_up(service: Service, state: Mapping[int, bool], now: Mapping[int, Verdict]) -> tuple[Verdict, RangeState]:
    """Return the verdict on a range, and the state of its ports."""
    whole = ports_of(service)
    lost = tuple(port for port in whole if state.get(port) is False)
    unknown = tuple(port for port in whole if port not in state)
    known = RangeState(len(whole) - len(lost) - len(unknown), lost, unknown)
    if lost:
        proofs = {now[port].proof for port in lost if port in now}
        proof = next((best for best in (Proof.HOP, Proof.ICMP, Proof.CONTRAST) if best in proofs), Proof.HOP)
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


def canaries_due(running: Round, hopper: Hopper) -> bool:
    """Whether it is time to ask the canaries of a family, at an address of which enough is known for that."""
    now, last = running.tools.clock.wall(), running.memory.canaries_at.get(hopper.family)
    due = running.complete or last is None or now - last >= running.tools.settings.audit_interval
    return due and hopper.healthy is not None and hopper.distance.arriving is not None


async def look_for_exposed_host(running: Round, ground: Ground) -> None:
    """Ask today's canaries, where they are due, and remember whether the router forwards what nobody asked for."""
    memory, family = running.memory, ground.hopper.family
    if not canaries_due(running, ground.hopper):
        return
    memory.canaries_at[family] = running.tools.clock.wall()
    running.limited_left = max(running.limited_left, LOOK_BUDGET)
    verdicts = await judge_closed(running, ground, _CANARY, canaries(running))
    answer = exposed(list(verdicts.values()))
    if answer is not None:
        memory.exposed[family] = answer


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


def exposed(verdicts: Sequence[Verdict]) -> bool | None:
    """Whether the router forwards ports that nobody asked for; None where the canaries do not agree."""
    kinds = [v.kind for v in verdicts if v.proof in {Proof.HOP, Proof.ICMP}]
    if len(kinds) < len(verdicts):
        return None
    if all(kind in FORWARDED for kind in kinds):
        return True
    return False if all(kind in LOST or kind is VerdictKind.UNUSED for kind in kinds) else None
