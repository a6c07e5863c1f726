"""Owns the hop probes: one SYN with a short life or with deaf ears, and who answered it (RFC 792, RFC 4443)."""

from __future__ import annotations

import errno
import socket

from portwatchd.model import Answer, HopReply
from portwatchd.net.errors import QueuedError, icmp_behind, listen_for_icmp
from portwatchd.net.names import endpoint
from portwatchd.net.poller import FAILED, Poller

IP_MINTTL = 21
IPV6_MINHOPCOUNT = 73
"""From linux/in.h and linux/in6.h; the socket module has no names for them."""
ONE_SYN = 0.95
"""Seconds that a TTL-limited probe waits at most: the kernel repeats a SYN after 1 s (RFC 6298), and a router that
sends one time-exceeded a second would be asked twice. TCP_SYNCNT cannot help: its least value still repeats once, and
since Linux 6.5 net.ipv4.tcp_syn_linear_timeouts adds four more."""

_FULL_TTL = {
    socket.AF_INET: (socket.IPPROTO_IP, socket.IP_TTL),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
}
_DEAF_BELOW = {socket.AF_INET: (socket.IPPROTO_IP, IP_MINTTL), socket.AF_INET6: (socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT)}

# Destination unreachable that says "not this port" or "not allowed": a router's or a firewall's reject.
_REJECTED_V4 = frozenset({2, 3, 9, 10, 13, 14, 15})
_REJECTED_V6 = frozenset({1, 4, 5, 6})
_UNREACHABLE_V4, _EXCEEDED_V4 = 3, 11
_UNREACHABLE_V6, _EXCEEDED_V6 = 1, 3


async def probe(
    poller: Poller,
    address: str,
    port: int,
    *,
    seconds: float,
    ttl: int | None = None,
    minimum_ttl: int | None = None,
) -> HopReply:
    """What one SYN met. Never raises for what the network does; a connection that came about is closed at once.

    `ttl`: the SYN dies after so many hops, and at most ONE_SYN seconds are waited, so that it stays one packet.
    `minimum_ttl`: answers that arrive with less are dropped by this kernel, SYN-ACK and RST alike. The SYN is repeated
    after 1 s, so a lost packet is no silence if `seconds` allows.
    """
    patience = seconds if ttl is None else min(seconds, ONE_SYN)
    try:
        family, where = endpoint(address, port)
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
            listen_for_icmp(sock, family, on=True)
            if ttl is not None:
                sock.setsockopt(*_FULL_TTL[family], ttl)
            if minimum_ttl is not None:
                sock.setsockopt(*_DEAF_BELOW[family], minimum_ttl)
            number = sock.connect_ex(where)
            if number == errno.EINPROGRESS:
                poller.register(sock.fileno())
                events = await poller.ready(sock.fileno(), patience)
                if not events:
                    return HopReply(Answer.SILENT)
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if events & FAILED else 0
            entry, outside = icmp_behind(sock, where[0]) if number else (None, False)
    except OSError:
        return HopReply(Answer.LOCAL_ERROR)
    if entry is not None:
        answer = told_by(entry, family) if outside else Answer.LOCAL_ERROR
        return HopReply(answer, entry.offender)
    return HopReply(without_icmp(number))


def told_by(entry: QueuedError, family: socket.AddressFamily) -> Answer:
    """What an ICMP error from outside says of the SYN."""
    if family == socket.AF_INET:
        exceeded, unreachable, rejects = _EXCEEDED_V4, _UNREACHABLE_V4, _REJECTED_V4
    else:
        exceeded, unreachable, rejects = _EXCEEDED_V6, _UNREACHABLE_V6, _REJECTED_V6
    if entry.icmp_type == exceeded:
        return Answer.EXPIRED
    if entry.icmp_type == unreachable and entry.icmp_code not in rejects:
        return Answer.UNREACHABLE
    return Answer.REJECTED


def without_icmp(number: int) -> Answer:
    """What a connect's errno says where no ICMP error is queued. ECONNRESET: it was connected, and reset at once."""
    match number:
        case 0 | errno.ECONNRESET:
            return Answer.CONNECTED
        case errno.ECONNREFUSED:
            return Answer.RESET
        case errno.ETIMEDOUT:
            return Answer.SILENT
        case _:
            return Answer.LOCAL_ERROR
