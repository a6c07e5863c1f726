"""Tells systemd what the daemon is at, in one datagram a message (sd_notify(3)); without systemd nothing is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

LIFE_SIGN = "WATCHDOG"
ABSTRACT = "@"
"""Begins the name of a socket that has no file; on the wire it is a NUL (unix(7))."""


class Notifier:
    """Sends states. It never raises and never waits: what the manager has no room for goes along with the next one."""

    def __init__(self, address: str = "", watchdog: float | None = None) -> None:
        """`address` is empty where nobody listens; `watchdog` is how many seconds the manager waits for a life sign."""
        self.watchdog = watchdog
        self._address = address if address.startswith("/") else ""
        if address.startswith(ABSTRACT):
            self._address = "\0" + address.removeprefix(ABSTRACT)
        self._unsent: dict[str, str] = {}

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Notifier:
        """Return the notifier that the service manager asks for by this process's environment."""
        address = environment.get("NOTIFY_SOCKET", "")
        meant = environment.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        microseconds = environment.get("WATCHDOG_USEC", "")
        asked = meant and microseconds.isascii() and microseconds.isdigit() and int(microseconds) > 0
        return cls(address, int(microseconds) / 1e6 if asked else None)

    @property
    def heard(self) -> bool:
        """Whether there is anyone to tell."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """The service is up, or up again after a reload."""
        self._send(READY="1", STATUS=status)

    def reloading(self, microseconds: int) -> None:
        """The configuration is being read anew, from this microsecond of CLOCK_MONOTONIC on."""
        self._send(RELOADING="1", MONOTONIC_USEC=str(microseconds))

    def stopping(self) -> None:
        """The service ends."""
        self._send(STOPPING="1", STATUS="stopping")

    def status(self, status: str) -> None:
        """Say one line for people."""
        self._send(STATUS=status)

    def alive(self, status: str) -> None:
        """Give a life sign."""
        self._send(**{LIFE_SIGN: "1"}, STATUS=status)

    def _send(self, **states: str) -> None:
        if not self._address:
            return
        for key, value in states.items():
            self._unsent.pop(key, None)  # of READY, RELOADING and STOPPING in one message the last one counts
            self._unsent[key] = " ".join(value.split())
        message = "\n".join(f"{key}={value}" for key, value in self._unsent.items()).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
                door.setblocking(False)
                door.sendto(message, self._address)
        except BlockingIOError:  # the manager's queue is full
            self._unsent.pop(LIFE_SIGN, None)  # one that comes late would be a lie
        except OSError:  # nobody listens any longer
            self._unsent.clear()
        else:
            self._unsent.clear()
