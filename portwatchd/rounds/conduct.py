"""The way of one round: resolve, watch, confirm, identify, prove, judge, diagnose, remember, report."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from portwatchd.model import Depth, Diagnosis, DiagnosisKind, Proof, Verdict, VerdictKind
from portwatchd.rounds.calm import as_before, calm_of
from portwatchd.rounds.identifying import learn, look_closer, recognise
from portwatchd.rounds.judging import address_report, by_address, judge_ports, judge_ranges, prove_ahead
from portwatchd.rounds.reporting import Judged, report
from portwatchd.rounds.targets import targets_of
from portwatchd.rounds.tools import Round
from portwatchd.rounds.watching import (
    confirm,
    look_at_ourselves,
    mended_meanwhile,
    observe_all,
    resolve,
    suspects_of,
)
from portwatchd.world import Resolved

if TYPE_CHECKING:
    from collections.abc import Callable

    from portwatchd.diagnosis.port import Identity
    from portwatchd.model import Observation, Report, School, Target
    from portwatchd.rounds.closed import Ground
    from portwatchd.rounds.memory import Memory
    from portwatchd.rounds.tools import Tools


async def conduct(
    school: School,
    memory: Memory,
    tools: Tools,
    *,
    depth: Depth = Depth.WATCH,
    complete: bool = False,
    proofs: bool = True,
    progress: Callable[[int], None] = lambda _done: None,
) -> Report:
    """Carry out one round of a school and return everything it led to; the memory is brought up to date.

    Never raises for what the network does. `complete` asks for every proof and the whole range at once.
    """
    running = Round(school, memory, tools, complete=complete, proofs=proofs, progress=progress)
    calm, memory.calm = memory.calm, None  # it holds from round to round only: whatever ends this one otherwise ends it
    memory.turn += 1
    started = tools.clock.monotonic()
    resolution = await resolve(running)
    if not resolution.addresses:
        lost = resolution.status in {Resolved.NO_SUCH_NAME, Resolved.NAME_SERVER_FAILED}
        kind = DiagnosisKind.DNS_FAILED if lost else DiagnosisKind.UNKNOWN
        judged = _nothing(running, resolution.detail)
        return report(running, started, judged, (), Diagnosis(kind, (), resolution.detail))
    seen = await observe_all(running, targets_of(running, resolution.addresses, depth))
    if calm is not None and depth is Depth.WATCH and not complete:
        told = await as_before(running, calm, started, resolution.addresses, seen)
        if told is not None:
            memory.calm = calm
            return told
    seen = await _confirmed(running, seen, depth)
    await look_at_ourselves(running, seen)
    seen = await look_closer(running, seen, depth)
    judged, identities, grounds = await _judged(running, seen)
    if back := await mended_meanwhile(running, seen, judged):
        seen = await look_closer(running, seen | await observe_all(running, back), depth)
        judged, identities, grounds = await _judged(running, seen)
    learn(running, judged, depth)
    addresses = tuple(address_report(running, family, address) for family, address in by_address(seen))
    told = report(running, started, judged, addresses, None)
    memory.calm = calm_of(running, seen, identities, grounds, told)
    return told


async def _judged(
    running: Round, seen: dict[Target, Observation]
) -> tuple[list[Judged], dict[Target, Identity], list[Ground]]:
    """Judge every port and range; return whose answers they are as well, and on which grounds ranges were judged."""
    identities = recognise(running, seen)
    judged, grounds = await judge_ports(running, seen, identities)
    return judged + await judge_ranges(running, grounds), identities, grounds


async def _confirmed(running: Round, seen: dict[Target, Observation], depth: Depth) -> dict[Target, Observation]:
    """Confirm what looks worse than before, and gather its proofs while the confirmation waits."""
    if not suspects_of(running, seen):
        return seen
    ahead = asyncio.create_task(prove_ahead(running, seen, recognise(running, seen)))
    try:
        seen = await confirm(running, seen, depth)
        if suspects_of(running, seen):
            await ahead
    finally:
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)
    running.grant()
    return seen


def _nothing(running: Round, detail: str) -> list[Judged]:
    """Every port the monitor watches, unknown: no address leads to it."""
    families = [f for f in running.tools.settings.families if f in running.memory.addresses]
    verdict = Verdict(VerdictKind.UNKNOWN, Proof.NONE, detail)
    services = running.school.profile.services
    return [Judged(service, family, "", verdict, None) for family in families for service in services]
