"""What a round probes: every single-port service at every address, and how each is to be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from portwatchd.model import Depth, Protocol, Target, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from portwatchd.model import Family, Observation, Service
    from portwatchd.rounds.tools import Round

FULL_EVERY = 10
"""Watches from one full look at a port to the next one, at least: an IServ has ten ports that speak TLS or offer it."""
CALM = frozenset({VerdictKind.OK, VerdictKind.UNUSED})


def targets_of(running: Round, addresses: Collection[tuple[Family, str]], depth: Depth) -> list[Target]:
    """Return what a watch probes: every single-port service at every address.

    A port that is not well is asked at the depth of an audit: what only an audit sees must not be forgotten by the
    next watch.
    """
    school, memory = running.school, running.memory

    def calm(family: Family, service: Service) -> bool:
        standing = memory.standings.get((family, service.name))
        return standing is None or standing.believed is None or standing.believed in CALM

    vouched = _vouched_in_turn(running, addresses) if depth is Depth.WATCH else {}
    return [
        Target(
            service,
            family,
            address,
            service.first,
            school.server_name,
            *((depth, vouched.get((address, service.first))) if calm(family, service) else (Depth.AUDIT, None)),
        )
        for family, address in addresses
        for service in school.profile.services
        if service.protocol is not Protocol.RANGE
    ]


def _vouched_in_turn(
    running: Round, addresses: Collection[tuple[Family, str]]
) -> Mapping[tuple[str, int], Observation]:
    """Return what is known of the ports that are only asked whether that still holds, by address and port.

    They take turns: a watch asks one of them in full, the next watch the next, and a port that has few beside it waits
    all the same. Schools begin at different ones, so that every minute has as much to do.
    """
    memory, now = running.memory, running.tools.clock.wall()
    turn = memory.turn + crc32(running.school.name.encode())
    known = {key: o for key, o in memory.vouched.items() if o.certificate is None or o.certificate.not_after > now}
    for _, address in addresses:
        here = [key for key in known if key[0] == address]
        number = turn % max(len(here), FULL_EVERY)
        if number < len(here):
            del known[here[number]]
    return known
