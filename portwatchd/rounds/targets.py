"""What a round probes: every single-port service at every address, and how each is to be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from zlib import crc32

from portwatchd.model import Depth, Protocol, Target, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portwatchd.model import Family, Service
    from portwatchd.rounds.tools import Round

FULL_EVERY = 10
"""Watches from one full look at a port to the next one, at least: an IServ has ten ports that speak TLS or offer it."""
CALM = frozenset({VerdictKind.OK, VerdictKind.UNUSED})


def targets_of(running: Round, addresses: Iterable[tuple[Family, str]], depth: Depth) -> list[Target]:
    """Return what a watch probes: every single-port service at every address.

    A port that is not well is asked at the depth of an audit: what only an audit sees must not be forgotten by the
    next watch.
    """
    school, memory = running.school, running.memory

    def calm(family: Family, service: Service) -> bool:
        standing = memory.standings.get((family, service.name))
        return standing is None or standing.believed is None or standing.believed in CALM

    targets = [
        Target(
            service,
            family,
            address,
            service.first,
            school.server_name,
            depth if calm(family, service) else Depth.AUDIT,
        )
        for family, address in addresses
        for service in school.profile.services
        if service.protocol is not Protocol.RANGE
    ]
    return _at_a_glance(running, targets) if depth is Depth.WATCH else targets


def _at_a_glance(running: Round, targets: Sequence[Target]) -> list[Target]:
    """Return the targets, where most that are known of are only asked whether that still holds.

    They take turns: a watch asks one of them in full, the next watch the next, and a port that has few beside it waits
    all the same. Schools begin at different ones, so that every minute has as much to do.
    """
    memory, now = running.memory, running.tools.clock.wall()
    known: dict[str, list[Target]] = {}
    for target in targets:
        vouched = memory.vouched.get((target.address, target.port))
        if vouched is None or target.depth is not Depth.WATCH:
            continue
        if vouched.certificate is None or vouched.certificate.not_after > now:
            known.setdefault(target.address, []).append(target)
    turn = memory.turn + crc32(running.school.name.encode())
    glanced = {
        target
        for group in known.values()
        for number, target in enumerate(group)
        if turn % max(len(group), FULL_EVERY) != number
    }
    return [
        replace(target, known=memory.vouched[target.address, target.port]) if target in glanced else target
        for target in targets
    ]
