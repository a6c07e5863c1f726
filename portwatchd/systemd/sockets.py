"""Sockets that come open from systemd's socket activation (sd_listen_fds(3))."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import MutableMapping

FIRST = 3
"""The first descriptor that is handed over."""
LIMIT = 64
"""More sockets than anybody lists in a unit."""


def listen_fds(environment: MutableMapping[str, str] = os.environ, *, first: int = FIRST) -> list[socket.socket]:
    """Take the listening sockets that were handed over; OSError says why there are none.

    The variables are taken away, so that no child takes the sockets for its own.
    """
    given = {name: environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if not given["LISTEN_FDS"]:
        raise OSError(errno.ENOTSOCK, "systemd handed over no sockets: LISTEN_FDS is not set")
    if given["LISTEN_PID"] != str(os.getpid()):
        raise OSError(errno.ENOTSOCK, "systemd handed its sockets to another process: LISTEN_PID is not this one's")
    count = int(given["LISTEN_FDS"]) if given["LISTEN_FDS"].isdigit() else 0
    if not 0 < count <= LIMIT:
        raise OSError(errno.ENOTSOCK, f"LISTEN_FDS says no number of sockets from 1 to {LIMIT}")
    sockets = []
    for number in range(first, first + count):
        try:
            os.set_inheritable(number, False)
            one = socket.socket(fileno=number)
            listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as error:
            raise OSError(errno.ENOTSOCK, f"descriptor {number} is no socket: {error.strerror}") from None
        if one.type != socket.SOCK_STREAM or not listens:
            one.detach()
            raise OSError(errno.ENOTSOCK, f"descriptor {number} is no listening stream socket")
        sockets.append(one)
    return sockets
