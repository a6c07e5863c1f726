"""Owns how hosts are spelt: bare addresses, scope ids, internationalised names."""

from __future__ import annotations

import errno
import ipaddress
import socket
from functools import lru_cache

import idna

from portwatchd.model import Family

NAME_LIMIT = 253
"""Octets of a name without its last dot (RFC 1035 section 2.3.4)."""
LABEL_LIMIT = 63
"""Octets of one label (RFC 1035 section 2.3.4)."""

SPELT = 32_768
"""Spellings remembered: a host is looked at several times a round, and to parse it costs 3 µs."""

TYPE_OF = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}


@lru_cache(SPELT)
def bare_address(host: str) -> tuple[Family, str] | None:
    """The family and the canonical spelling of a bare address, with or without brackets; None where it is a name.

    A scope id is kept (RFC 4007); an IPv4-mapped address is the IPv4 address that it holds (RFC 4291 section 2.5.5.2).
    """
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return Family.IPV4, str(address)
    if address.ipv4_mapped is not None:
        return Family.IPV4, str(address.ipv4_mapped)
    return Family.IPV6, str(address)


def ascii_name(host: str) -> str:
    """The name as DNS and certificates spell it: lower case, A-labels, no last dot. ValueError where it is no name.

    IDNA 2008 with the mappings of UTS 46, not the codec of the standard library: that one turns `ß` into `ss`, which
    is another domain. ASCII names are taken as they are, underscores too, for some dynamic DNS names hold them.
    """
    name = host.removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError(f"{host!r} is not a host name: {error}") from error
    labels = name.split(".")
    if len(name) > NAME_LIMIT or not all(0 < len(label) <= LABEL_LIMIT for label in labels):
        raise ValueError(f"{host!r} is not a host name: a label is empty or too long")
    if not all(c.isalnum() or c in "-_." for c in name):
        raise ValueError(f"{host!r} is not a host name: it holds characters that no name has")
    return name.lower()


def endpoint(address: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]:
    """The family and the socket address of a bare address. OSError: it is none; a name would block."""
    host, _, scope = address.partition("%")
    try:
        if ":" not in host:
            socket.inet_pton(socket.AF_INET, host)
            return socket.AF_INET, (host, port)
        if host.startswith("::ffff:"):
            mapped = ipaddress.IPv6Address(host).ipv4_mapped
            if mapped is not None:
                return socket.AF_INET, (str(mapped), port)
        socket.inet_pton(socket.AF_INET6, host)
    except (OSError, ValueError) as error:
        raise OSError(errno.EINVAL, f"{address!r} is not an address") from error
    if not scope:
        return socket.AF_INET6, (host, port)
    return socket.AF_INET6, (host, port, 0, int(scope) if scope.isdecimal() else socket.if_nametoindex(scope))
