"""Owns the lab's name server: Debian's dnsmasq, with records that tests may change at any time."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import addresses as at
from .netns import LabError, execute

if TYPE_CHECKING:
    from pathlib import Path

    from .netns import Namespace

ZONE = "example.org"


@dataclass(frozen=True, slots=True)
class Record:
    """The addresses of one name, and how many seconds a resolver may remember them."""

    v4: str | None = None
    v6: str | None = None
    ttl: int = 2


class NameServer:
    """The name server that the monitor and the schools use. It knows `ZONE` and answers NXDOMAIN within it."""

    def __init__(self, space: Namespace, home: Path) -> None:
        """Describe the server; `start` starts it."""
        self._space = space
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._mute = False
        self._well: dict[str, Record] = {}
        self._records: dict[str, Record] = {}

    def add(self, host: str, record: Record) -> None:
        """Add a name that belongs to the lab on which all is well."""
        self._well[host] = record
        self.set(host, record)

    def set(self, host: str, record: Record) -> None:
        """Let a name have these addresses from now on."""
        self._follow({**self._records, host: record})

    def remove(self, host: str) -> None:
        """Answer NXDOMAIN for a name from now on."""
        self._follow({name: record for name, record in self._records.items() if name != host})

    def _follow(self, records: dict[str, Record]) -> None:
        if records != self._records:
            self._records = records
            if self._process:
                self.kill()
                self.start()

    def start(self) -> None:
        """Start the server; it answers when this returns. Nothing happens if it runs."""
        if self._process:
            return
        config = self._home / "dnsmasq.conf"
        lines = ["no-resolv", "no-hosts", "bind-interfaces", "interface=eth0", f"local=/{ZONE}/", "user=root", "group="]
        for host, record in sorted(self._records.items()):
            addresses = [address for address in (record.v4, record.v6) if address]
            lines.append(f"host-record={','.join([host, *addresses, str(record.ttl)])}")
        config.write_text("\n".join(lines) + "\n")
        argv = ["dnsmasq", "--keep-in-foreground", f"--conf-file={config}", "--pid-file"]
        with (self._home / "dnsmasq.log").open("ab") as log:
            self._process = subprocess.Popen(self._space.inside(argv), stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 3
        listening = f"{int.from_bytes(socket.inet_aton(at.EXTERNAL_V4), 'little'):08X}:0035"
        while listening not in execute(self._space.inside(["cat", "/proc/net/udp"])):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"dnsmasq does not start: {(self._home / 'dnsmasq.log').read_text()}")
            time.sleep(0.005)

    def kill(self) -> None:
        """End the server: each question is refused at once."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._process = None
            self._mute = False

    def mute(self) -> None:
        """Stop the server without ending it: no question is answered any more, so that resolvers wait."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)
            self._mute = True

    def reset(self) -> None:
        """Make all well again: the records, and the server."""
        if self._mute:
            self.kill()
        self._follow(dict(self._well))
        self.start()
