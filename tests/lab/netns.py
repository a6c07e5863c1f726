"""Owns network namespaces: how they are made, entered, filled and removed, and the locks that keep labs apart."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PLACES = 4
"""So many labs may stand on one machine at once; more would disturb each other's times."""
LOCK_PATIENCE = 300.0
"""Seconds for which one more waits for another to end."""


class LabError(RuntimeError):
    """The lab could not be built or changed; the message says which command failed and how."""


def execute(argv: Sequence[str], stdin: str | None = None) -> str:
    """Run a command of the lab's own to its end and return what it printed; raise `LabError` when it fails."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}\n{stdin or ''}")
    return done.stdout


class Namespace:
    """One network namespace, known to iproute2 under its name."""

    def __init__(self, name: str, nameserver: str) -> None:
        """Describe the namespace; `create` makes it. `nameserver` is what its programs find in resolv.conf."""
        self.name = name
        self._nameserver = nameserver
        self._etc = Path("/etc/netns") / name

    def create(self) -> None:
        """Make the namespace anew; a namespace of the same name that a killed run left behind is gone afterwards."""
        self.destroy()
        self._etc.mkdir(parents=True)
        (self._etc / "resolv.conf").write_text(f"nameserver {self._nameserver}\noptions timeout:2 attempts:1\n")
        execute(["ip", "netns", "add", self.name])
        self.sysctl({"net.ipv6.conf.all.accept_dad": 0, "net.ipv6.conf.default.accept_dad": 0})
        self.ip("link set lo up")

    def destroy(self) -> None:
        """End every process in the namespace, then remove it; nothing happens if there is none."""
        if (Path("/run/netns") / self.name).exists():
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            execute(["ip", "netns", "del", self.name])
        shutil.rmtree(self._etc, ignore_errors=True)

    def pids(self) -> list[int]:
        """Return the processes that live in the namespace now."""
        return [int(line) for line in execute(["ip", "netns", "pids", self.name]).split()]

    def inside(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` inside, with the namespace's own resolv.conf."""
        return ["ip", "netns", "exec", self.name, *argv]

    def ip(self, *lines: str) -> None:
        """Carry out several `ip` commands inside as one batch."""
        execute(["ip", "-n", self.name, "-batch", "-"], "\n".join(lines) + "\n")

    def nft(self, ruleset: str) -> None:
        """Replace the namespace's whole packet filter by `ruleset`, all at once or not at all."""
        execute(self.inside(["nft", "-f", "-"]), ruleset)

    def sysctl(self, settings: Mapping[str, int]) -> None:
        """Write kernel settings of the namespace."""
        execute(self.inside(["sysctl", "-qw", *(f"{key}={value}" for key, value in settings.items())]))

    def forward_packets(self) -> None:
        """Make a router of the namespace; the ICMP rate limits stay at the kernel's defaults, as on a real router."""
        self.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})


def connect(left: Namespace, left_name: str, right: Namespace, right_name: str) -> None:
    """Lay a cable between two namespaces and switch both ends on."""
    execute(
        ["ip", "-batch", "-"],
        f"link add {left_name} netns {left.name} type veth peer name {right_name} netns {right.name}\n",
    )
    left.ip(f"link set {left_name} up")
    right.ip(f"link set {right_name} up")


@contextlib.contextmanager
def place_for_a_lab() -> Iterator[str]:
    """Hold one of the machine's places for a lab and yield the prefix of its names: `pw-`, or `pw1-` and so on.

    What a killed run left behind at that place is gone. Where all are taken, wait at most `LOCK_PATIENCE` seconds.
    """
    deadline = time.monotonic() + LOCK_PATIENCE
    told = False
    while True:
        for number in range(PLACES):
            prefix = f"pw{number or ''}-"
            with Path(f"/run/portwatchd-lab-{number}.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                remove_leftovers(prefix)
                yield prefix
                return
        if time.monotonic() > deadline:
            raise LabError(f"{PLACES} labs run on this machine, and none ends")
        if not told:
            sys.stderr.write(f"{PLACES} labs run on this machine; waiting for one to end.\n")
            told = True
        time.sleep(0.2)


def remove_leftovers(prefix: str) -> None:
    """Remove the namespaces, their processes and the files of a run that was killed."""
    for kept in (Path("/run/netns"), Path("/etc/netns")):
        for path in kept.glob(f"{prefix}*") if kept.exists() else ():
            Namespace(path.name, "").destroy()
    for home in Path(tempfile.gettempdir()).glob(f"{prefix}lab-*"):
        shutil.rmtree(home, ignore_errors=True)
