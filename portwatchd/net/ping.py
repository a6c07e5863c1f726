"""Owns the ICMP echo: an unprivileged ping socket, where net.ipv4.ping_group_range allows one (icmp(7))."""

from __future__ import annotations

import asyncio
import os
import socket
import struct

from portwatchd.net.errors import icmp_behind, listen_for_icmp
from portwatchd.net.names import endpoint
from portwatchd.net.poller import Poller

ECHO = struct.Struct("!BBHHH")
"""Type, code, checksum and identifier (both filled in by the kernel), sequence (RFC 792, RFC 4443 section 4.1)."""
_REQUEST = {socket.AF_INET: (socket.IPPROTO_ICMP, 8), socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128)}
_TOKEN_BYTES = 8
_SEQUENCE = 1


async def ping(poller: Poller, address: str, *, seconds: float) -> bool | None:
    """Whether an ICMP echo came back in time. None where it could not be sent: not permitted, or a fault here.

    An ICMP error instead of the echo is a no, and ends the wait.
    """
    try:
        family, where = endpoint(address, 0)
        protocol, request = _REQUEST[family]
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, protocol) as sock:
            listen_for_icmp(sock, family, on=True)
            sock.connect(where)
            token = os.urandom(_TOKEN_BYTES)
            poller.register(sock.fileno())
            sock.send(ECHO.pack(request, 0, 0, 0, _SEQUENCE) + token)
            try:
                async with asyncio.timeout(seconds):
                    return await _answered(poller, sock, token)
            except TimeoutError:
                return False
            except OSError:
                _, outside = icmp_behind(sock, where[0])
                return False if outside else None
    except OSError:
        return None


async def _answered(poller: Poller, sock: socket.socket, token: bytes) -> bool:
    while True:
        try:
            data = sock.recv(256)
        except BlockingIOError:
            await poller.ready(sock.fileno())
        else:
            if data.endswith(token):
                return True
