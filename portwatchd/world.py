"""The doors to what lies outside: clock, channel, network, resolver. Only `net` walks through them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portwatchd.model import Certificate, Family, HopReply, TlsFacts


class Clock(Protocol):
    """Two clocks and a pause, all in seconds."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never jumps."""
        ...

    def wall(self) -> float:
        """Return UTC seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        ...


class Trust(StrEnum):
    """How a handshake looks at the certificate and at old versions of TLS."""

    VERIFY = "verify"
    """The chain and the name must hold, TLS 1.2 at least."""
    LAX = "lax"
    """Nothing is verified and every version of TLS is taken: it fetches the facts of a bad server."""


@dataclass(frozen=True, slots=True)
class Secured:
    """What a handshake showed."""

    tls: TlsFacts
    certificate: Certificate


class Channel(Protocol):
    """A connected byte stream. Errors are `OSError` or `ssl.SSLError`; the caller owns the deadline."""

    async def receive(self) -> bytes:
        """Return the next bytes, `b""` at the end of the stream. At most 16 KiB a call."""
        ...

    async def send(self, data: bytes) -> None:
        """Send all of the data."""
        ...

    async def start_tls(self, server_name: str, trust: Trust) -> Secured:
        """Shake hands as a client; from then on bytes are inside TLS. An empty server_name sends no SNI."""
        ...

    def close(self) -> None:
        """Drop the connection at once, without waiting for the peer. May be called twice."""
        ...


class Network(Protocol):
    """TCP to the outside."""

    async def connect(self, address: str, port: int) -> Channel:
        """Connect or raise `OSError`; an ICMP answer is raised as `IcmpError`. The caller owns the deadline."""
        ...

    async def probe(
        self,
        address: str,
        port: int,
        *,
        seconds: float,
        ttl: int | None = None,
        minimum_ttl: int | None = None,
    ) -> HopReply:
        """Send one SYN, TTL-limited (IP_TTL) or deaf to answers below a TTL (IP_MINTTL), and say what met it.

        Never raises for what the network does; the monitor's own faults are `Answer.LOCAL_ERROR`. A connection
        that came about is closed at once.
        """
        ...

    async def ping(self, address: str, *, seconds: float) -> bool | None:
        """Return whether an ICMP echo was answered; None where this user may not ping."""
        ...

    async def host_key(self, address: str, port: int, *, seconds: float) -> str | None:
        """Return the fingerprint `SHA256:...` of an SSH server's host key, without a login; None where none was shown.

        Never raises for what the network does.
        """
        ...


class IcmpError(OSError):
    """A connect that ICMP ended: who sent it, and the type and code that it bears (RFC 792, RFC 4443)."""

    def __init__(self, errno: int, offender: str | None, icmp_type: int, icmp_code: int) -> None:
        """Keep who sent it and what it says."""
        super().__init__(errno, f"ICMP type {icmp_type} code {icmp_code} from {offender or 'an unknown address'}")
        self.offender = offender
        self.icmp_type = icmp_type
        self.icmp_code = icmp_code


class Resolved(StrEnum):
    """How a look-up ended."""

    FRESH = "fresh"
    STALE = "stale"
    """The resolver failed; the addresses are the last known ones."""
    NO_SUCH_NAME = "no_such_name"
    """The name does not exist, or has no address: the domain's own fault."""
    NAME_SERVER_FAILED = "name_server_failed"
    """The resolver works for other names, and for this one it got no answer: the domain's own fault, if it lasts."""
    RESOLVER_FAILED = "resolver_failed"
    """The resolver fails altogether: the monitor's own fault."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The addresses of a host, in a stable order, and how far they can be relied on."""

    status: Resolved
    addresses: tuple[tuple[Family, str], ...] = ()
    detail: str = ""


class Resolver(Protocol):
    """Names to addresses."""

    async def resolve(self, host: str, families: Sequence[Family], *, fresh: bool = False) -> Resolution:
        """Resolve a host; `fresh` passes over the cache. A bare address is its own resolution. Never raises."""
        ...
