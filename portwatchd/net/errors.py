"""Owns the sockets' error queue: which ICMP error ended a connect, and who sent it (ip(7), IP_RECVERR)."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass

from portwatchd.world import IcmpError

IP_RECVERR = 11
IPV6_RECVERR = 25
"""From linux/in.h and linux/in6.h; the socket module has no names for them."""
ORIGIN_ICMP = 2
ORIGIN_ICMP6 = 3
"""SO_EE_ORIGIN_ICMP and SO_EE_ORIGIN_ICMP6 of linux/errqueue.h; any other origin is this machine."""

EXTENDED_ERROR = struct.Struct("=IBBBBII")
"""struct sock_extended_err: errno, origin, type, code, padding, info, data. The offender's sockaddr follows it."""
ANCILLARY_ROOM = 256
"""More than one extended error with an IPv6 offender needs."""
ENTRIES_LIMIT = 8
"""Entries read at most: the first one ended the connect, and a flood of ICMP must not keep us here."""

_RECVERR = {
    socket.AF_INET: (socket.IPPROTO_IP, IP_RECVERR),
    socket.AF_INET6: (socket.IPPROTO_IPV6, IPV6_RECVERR),
}


@dataclass(frozen=True, slots=True)
class QueuedError:
    """One entry of an error queue. `remote`: an ICMP packet brought it; its type and code are ICMP's own."""

    errno: int
    remote: bool
    icmp_type: int
    icmp_code: int
    offender: str | None


def listen_for_icmp(sock: socket.socket, family: socket.AddressFamily, *, on: bool) -> None:
    """Whether ICMP ends a connect at once and is queued; off empties the queue, and ICMP ends nothing any more."""
    level, option = _RECVERR[family]
    sock.setsockopt(level, option, on)


def parse(data: bytes) -> QueuedError | None:
    """The entry that one control message holds; None where it is too short."""
    if len(data) < EXTENDED_ERROR.size:
        return None
    number, origin, icmp_type, icmp_code, _, _, _ = EXTENDED_ERROR.unpack_from(data)
    return QueuedError(
        errno=number,
        remote=origin in {ORIGIN_ICMP, ORIGIN_ICMP6},
        icmp_type=icmp_type,
        icmp_code=icmp_code,
        offender=_address(data[EXTENDED_ERROR.size :]),
    )


def drain(sock: socket.socket) -> list[QueuedError]:
    """Empty the error queue and return its entries, oldest first."""
    entries: list[QueuedError] = []
    for _ in range(ENTRIES_LIMIT):
        try:
            _, ancillary, _, _ = sock.recvmsg(1, ANCILLARY_ROOM, socket.MSG_ERRQUEUE)
        except OSError:  # EAGAIN: it is empty
            break
        for level, kind, data in ancillary:
            if (level, kind) == _RECVERR[sock.family]:
                entry = parse(data)
                if entry is not None:
                    entries.append(entry)
    return entries


def icmp_behind(sock: socket.socket, target: str) -> tuple[QueuedError | None, bool]:
    """The first queued error, and whether it came from outside.

    A neighbour that answers no ARP makes the kernel send host-unreachable to itself, with an own address as the
    offender: that is this machine's view, not an answer of the peer's side.
    """
    entries = drain(sock)
    if not entries:
        return None, False
    first = entries[0]
    own = str(sock.getsockname()[0])
    return first, first.remote and (first.offender != own or own == target)


def failure(sock: socket.socket, number: int, target: str) -> OSError:
    """The error of a connect that failed: IcmpError where ICMP from outside ended it, else the OSError itself."""
    entry, outside = icmp_behind(sock, target)
    if entry is not None and outside:
        return IcmpError(number, entry.offender, entry.icmp_type, entry.icmp_code)
    return OSError(number, os.strerror(number))


def _address(sockaddr: bytes) -> str | None:
    """The address in a sockaddr_in or sockaddr_in6; None where it holds none (AF_UNSPEC)."""
    if len(sockaddr) < 2:
        return None
    (family,) = struct.unpack_from("=H", sockaddr)
    if family == socket.AF_INET and len(sockaddr) >= 8:
        return socket.inet_ntop(socket.AF_INET, sockaddr[4:8])
    if family == socket.AF_INET6 and len(sockaddr) >= 24:
        return socket.inet_ntop(socket.AF_INET6, sockaddr[8:24])
    return None
