"""The bench's address plan: each kind of school has a block of 127.0.0.0/8 and ports of its own.

Ports decide how a school behaves and addresses only tell schools apart, so 10,000 schools need one listener a service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from portwatchd.demo.configuration import shifted_services
from portwatchd.demo.connection import Fault
from portwatchd.model import Service

BASE = 12_000
"""The default offset of healthy schools' ports; the other kinds lie beside it. All are below the ephemeral ports, and
not among those of the demo."""
SWITCHED_SERVICE = "smtp"
DOMAIN = "bench.invalid"


class Kind(StrEnum):
    """How a school behaves."""

    WELL = "well"
    LOST = "lost"
    """Every port answers with a RST."""
    DROPPED = "dropped"
    """No SYN is answered."""
    TARPIT = "tarpit"
    """Every service gives a byte a second."""
    SWITCHED = "switched"
    """Well, but its smtp listens on a port of its own and can be given a fault while all runs."""


@dataclass(frozen=True, slots=True)
class Block:
    """Where a kind of school lives, and the fault that all its services have."""

    second: int
    """The second part of its addresses."""
    offset: int
    """Added to the ports, beside the base."""
    fault: Fault | None = None


BLOCKS: Mapping[Kind, Block] = MappingProxyType(
    {
        Kind.WELL: Block(64, 0),
        Kind.LOST: Block(65, -1_000, Fault.CLOSED),
        Kind.DROPPED: Block(66, 1_000, Fault.DROPPED),
        Kind.TARPIT: Block(67, 2_000, Fault.TARPIT),
        Kind.SWITCHED: Block(68, 0),
    },
)
SWITCHED_OFFSET = 3_000


def address(kind: Kind, number: int) -> str:
    """Return the address of a school; a block has room for 64,516 of them."""
    high, low = divmod(number, 254)
    return f"127.{BLOCKS[kind].second}.{high}.{low + 1}"


def school_name(kind: Kind, number: int) -> str:
    """Return the school's name, which with the domain is its server's name."""
    return f"{kind}-{number:05}"


def services(kind: Kind, base: int = BASE) -> tuple[Service, ...]:
    """Return the profile of a kind of school: the 13 services that every school has, so without the alias of one."""
    rows = [row for row in shifted_services(base + BLOCKS[kind].offset) if not row.alias_of]
    return tuple(switched(base) if kind is Kind.SWITCHED and row.name == SWITCHED_SERVICE else row for row in rows)


def switched(base: int = BASE) -> Service:
    """Return the service that can be given a fault at one address."""
    row = next(row for row in shifted_services(base) if row.name == SWITCHED_SERVICE)
    return replace(row, first=row.first + SWITCHED_OFFSET, last=row.last + SWITCHED_OFFSET)
