"""The first half of a round: look the school up, probe every port, and confirm what looks worse than before."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from portwatchd.diagnosis.port import connected, unanswered
from portwatchd.diagnosis.standing import VEILS
from portwatchd.model import Answer, Depth, Outcome, Target, VerdictKind
from portwatchd.rounds.distances import ANSWERED
from portwatchd.rounds.targets import CALM, targets_of
from portwatchd.world import Resolved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from portwatchd.model import Family, Observation
    from portwatchd.rounds.reporting import Judged
    from portwatchd.rounds.tools import Round
    from portwatchd.world import Resolution

WELL = frozenset({Outcome.OK, Outcome.CERTIFICATE_INVALID})
NOT_THE_SCHOOL = frozenset({Outcome.LOCAL_ERROR, Outcome.UNRESOLVED})
SPEAK_FOR_ALL = 4
"""Ports of a wholly silent address that are asked again in each attempt; all of them would take half a minute."""


async def resolve(running: Round, *, fresh: bool = False) -> Resolution:
    """Look the school's host up and remember its addresses; a name that is gone is looked up again before it counts."""
    tools, school = running.tools, running.school
    resolution = await tools.resolver.resolve(school.host, tools.settings.families, fresh=fresh)
    attempts = tools.settings.confirm_attempts
    while resolution.status in {Resolved.NO_SUCH_NAME, Resolved.NAME_SERVER_FAILED} and attempts > 0:
        attempts -= 1
        await tools.clock.sleep(tools.settings.confirm_spacing)
        resolution = await tools.resolver.resolve(school.host, tools.settings.families, fresh=True)
    resolution = _bounded(running, resolution)
    if resolution.addresses:
        _remember(running, resolution)
    return resolution


def _bounded(running: Round, resolution: Resolution) -> Resolution:
    """The same resolution, with the first few addresses of each family only."""
    most = running.tools.settings.addresses_per_family
    kept = [
        one
        for family in running.tools.settings.families
        for one in [a for a in resolution.addresses if a[0] is family][:most]
    ]
    return replace(resolution, addresses=tuple(kept))


def _remember(running: Round, resolution: Resolution) -> None:
    """Keep the addresses, and count a change of a family's addresses."""
    memory = running.memory
    for family in running.tools.settings.families:
        found = tuple(address for of, address in resolution.addresses if of is family)
        known = memory.addresses.get(family)
        if not found or found == known:
            continue
        if known is not None:
            memory.changes[family] = memory.changes.get(family, 0) + 1
            memory.audit_due = 0.0
            for address in set(known) - set(found):
                memory.distances.pop(address, None)
        memory.addresses[family] = found


async def observe_all(running: Round, targets: Sequence[Target]) -> dict[Target, Observation]:
    """Probe targets at once, as far as the permits allow; the addresses in turn, so that a silent one is soon known."""
    running.silences.clear()
    running.asked_at = running.tools.clock.monotonic()
    turns: dict[str, int] = {}
    order: list[tuple[int, Target]] = []
    for target in targets:
        turns[target.address] = turn = turns.get(target.address, 0) + 1
        order.append((turn, target))
    ordered = [target for _, target in sorted(order, key=lambda entry: entry[0])]
    seen: dict[Target, Observation] = {}
    waiting = iter(ordered)

    async def lane() -> None:
        for target in waiting:
            seen[target] = await running.observe(target)

    await asyncio.gather(*(lane() for _ in range(min(running.tools.settings.school_concurrency, len(ordered)))))
    return {target: seen[target] for target in targets}


async def confirm(
    running: Round,
    seen: dict[Target, Observation],
    depth: Depth,
) -> dict[Target, Observation]:
    """Probe again whatever looks worse than what is believed; one good answer among the attempts is enough.

    The name is looked up afresh first: a school that has moved is watched at its new address, and what answered at
    the old one says nothing.
    """
    tools = running.tools
    suspects = suspects_of(running, seen)
    for attempt in range(tools.settings.confirm_attempts):
        if not suspects:
            break
        if attempt == 0 and (moved := await _moved(running, seen)) is not None:
            seen = await observe_all(running, targets_of(running, moved, depth))
            suspects = suspects_of(running, seen)
        last = attempt == tools.settings.confirm_attempts - 1
        if last:
            await look_at_ourselves(running, seen)
        await tools.clock.sleep(max(0.0, running.asked_at + tools.settings.confirm_spacing - tools.clock.monotonic()))
        again = await observe_all(running, _sample(seen, suspects))
        if len(again) < len(suspects) and not all(map(unanswered, again.values())):
            again |= await observe_all(running, [target for target in suspects if target not in again])
        seen |= {target: _worth_more(seen[target], now) for target, now in again.items()}
        suspects = [t for t in suspects if t not in again or not _well(running, t, again[t])]
        if last and suspects:
            seen |= await observe_all(running, await _gone_meanwhile(running, seen, suspects))
    return seen


def _worth_more(before: Observation, now: Observation) -> Observation:
    """Return what is kept of two looks: a router's word that nobody is there outlasts the silence between two words."""
    silent = now.outcome is Outcome.TIMEOUT and unanswered(now)
    return before if silent and before.outcome is Outcome.UNREACHABLE else now


def suspects_of(running: Round, seen: Mapping[Target, Observation]) -> list[Target]:
    """Return the ports that would change what is believed for the worse, so that they must be seen again."""
    return [target for target, observation in seen.items() if _suspect(running, target, observation)]


def _sample(seen: Mapping[Target, Observation], suspects: Sequence[Target]) -> list[Target]:
    """Return the suspects that are asked again: of an address that is wholly silent, a few speak for all."""
    silent = {t.address for t in seen} - {t.address for t, o in seen.items() if not unanswered(o)}
    left = dict.fromkeys(silent, SPEAK_FOR_ALL)
    sample: list[Target] = []
    for target in sorted(suspects, key=lambda target: not target.service.required):
        if target.address in left:
            left[target.address] -= 1
        if left.get(target.address, 0) >= 0:
            sample.append(target)
    return sample


async def _gone_meanwhile(
    running: Round,
    seen: Mapping[Target, Observation],
    suspects: Sequence[Target],
) -> list[Target]:
    """Return the ports that answered early in the round, where not even one of them accepts a connection now.

    A line that broke in mid-round would else look like the loss of those ports that came to their turn too late.
    """
    stale: list[Target] = []
    for address in {target.address for target in suspects}:
        well = [target for target, o in seen.items() if target.address == address and connected(o)]
        patience = running.tools.settings.control_patience
        if well and not any([await _meets(running, well[end], patience) in ANSWERED for end in (0, -1)]):
            stale += well
    return stale


async def _meets(running: Round, target: Target, patience: float) -> Answer:
    async with running.permits, running.tools.waiters:
        return (await running.tools.network.probe(target.address, target.port, seconds=patience)).answer


async def mended_meanwhile(
    running: Round,
    seen: Mapping[Target, Observation],
    judged: Sequence[Judged],
) -> list[Target]:
    """Return the failing ports of each address where one of them accepts by now, if there is anything new to be told.

    Proofs take seconds: a fault that ended among them would be told too late, and what was asked after its end would
    give it a wrong cause. Every address is asked, for what one shows is a contrast to the others.
    """
    news = {(one.address, one.service.name) for one in judged if _is_news(running, one)}
    if not news:
        return []
    failing: dict[str, list[Target]] = {}
    for target in sorted(seen, key=lambda target: (target.address, target.service.name) not in news):
        if not connected(seen[target]):
            failing.setdefault(target.address, []).append(target)
    asked = [target for targets in failing.values() for target in targets[:SPEAK_FOR_ALL]]
    patience = running.tools.settings.silent_patience
    answers = await asyncio.gather(*(_meets(running, target, patience) for target in asked))
    back = {target.address for target, answer in zip(asked, answers, strict=True) if answer is Answer.CONNECTED}
    return [target for address in back for target in failing[address]]


def _is_news(running: Round, judged: Judged) -> bool:
    """Whether a verdict is a fault that is not believed yet."""
    kind = judged.verdict.kind
    known = running.memory.standings.get((judged.family, judged.service.name))
    return kind not in CALM | VEILS and (known is None or known.believed is not kind)


async def look_at_ourselves(running: Round, seen: Mapping[Target, Observation]) -> None:
    """Note the families in which the monitor itself is cut off; asked only where a school looks wholly lost.

    It is asked before the last attempt and again after it: a line that came back in between was down all the same.
    """
    for family in {target.family for target in seen} - running.cut:
        here = [observation for target, observation in seen.items() if target.family is family]
        if any(connected(o) or o.outcome is Outcome.REFUSED for o in here):
            continue
        helpless = all(o.outcome is Outcome.LOCAL_ERROR for o in here)
        if await running.tools.vigil.isolated(running.school, family, helpless=helpless):
            running.cut.add(family)


async def _moved(running: Round, seen: Mapping[Target, Observation]) -> tuple[tuple[Family, str], ...] | None:
    """Return the addresses of a school whose name leads elsewhere by now."""
    resolution = await resolve(running, fresh=True)
    watched = {target.address for target in seen}
    if resolution.addresses and {address for _, address in resolution.addresses} != watched:
        return resolution.addresses
    return None


def _suspect(running: Round, target: Target, observation: Observation) -> bool:
    """Whether an observation would change what is believed for the worse, so that it must be seen again."""
    if observation.outcome in NOT_THE_SCHOOL or _well(running, target, observation):
        return False
    key = (target.family, target.service.name)
    standing = running.memory.standings.get(key)
    if standing is None or standing.believed is None:
        return target.service.required
    if standing.believed in CALM:
        return target.service.required or standing.believed is VerdictKind.OK
    known, now = running.memory.outcomes.get(key), observation.outcome
    if standing.believed is VerdictKind.SERVER_DOWN:
        return _class(known) is not _class(now)
    return known is not now


def _class(outcome: Outcome | None) -> Outcome | None:
    """A server that is off is silent or unreachable, as the router's ARP has just timed out or not: one outcome."""
    return Outcome.TIMEOUT if outcome is Outcome.UNREACHABLE else outcome


def _well(running: Round, target: Target, observation: Observation) -> bool:
    """Whether a service answers as it should, with the name it showed before."""
    if observation.outcome not in WELL or not connected(observation):
        return False
    key = (target.family, target.service.name)
    if key not in running.memory.named or observation.certificate is None or observation.certificate.names_match:
        return True
    known = running.memory.certificates.get(key)  # a wrong one that is known to be the right machine's
    return known is not None and known.fingerprint_sha256 == observation.certificate.fingerprint_sha256
