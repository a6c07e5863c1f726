"""A Debian machine of its own: made by debootstrap into a folder, booted with its own systemd and its own network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGES = ("systemd", "systemd-sysv", "dbus", "procps", "python3", "python3-apt", "ca-certificates")
ENVIRONMENT = {"HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
FETCH = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=10).read())"


def room(needed: int) -> Path:
    """Return a directory with room for so many bytes: in memory, where an installation does not wait for a disk."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > needed else Path("/var/tmp")


def make_root(root: Path) -> None:
    """Install a minimal Debian of this machine's release, from where this machine's own packages come from."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines())["VERSION_CODENAME"]
    if not (mirror := _mirror(release)):  # apt names none before it has fetched its lists
        _output("apt-get", "update", "-qq")
        mirror = _mirror(release)
    _output("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", release, str(root), mirror)


def _mirror(release: str) -> str:
    """Return where this machine's own packages of a release come from; empty where apt does not know."""
    targets = _output("apt-get", "indextargets", "--format", "$(CODENAME) $(CREATED_BY) $(SITE)").splitlines()
    return next((line.split()[2] for line in targets if line.split()[:2] == [release, "Packages"]), "")


def chroot(root: Path, *command: str) -> str:
    """Run a command in the folder without booting it."""
    return _output("chroot", str(root), *command)


class Machine:
    """A booted machine; commands run inside all of its namespaces."""

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def run(self, *command: str) -> str:
        """Run a command and return what it prints; a failure raises with what it printed."""
        return _output("nsenter", "--all", f"--target={self._leader}", *command)

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        self.run("python3", "-c", "import sys; open(sys.argv[1], 'w').write(sys.argv[2])", path, text)

    def get(self, path: str, port: int = 10052) -> str:
        """Return what the daemon serves."""
        return self.run("python3", "-c", FETCH, f"http://127.0.0.1:{port}{path}")

    def school(self, name: str) -> dict[str, object]:
        """Return what the daemon knows of a school."""
        found: dict[str, object] = json.loads(self.get(f"/api/v1/schools/{name}"))
        return found

    def journal(self, unit: str) -> str:
        """Return what a unit and the manager wrote about it."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}")


@contextmanager
def booted(root: Path, *options: str) -> Iterator[Machine]:
    """Boot a folder, and power it off in the end."""
    with (root.parent / "console.log").open("wb") as console:
        nspawn = subprocess.Popen(
            [
                "systemd-nspawn", "--quiet", f"--directory={root}", "--boot", "--register=no", "--keep-unit",
                "--private-network", "--console=pipe", "--hostname=monitor", *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
        )  # fmt: skip
    try:
        machine = Machine(_leader(nspawn))
        until(lambda: machine.run("systemctl", "is-system-running") == "running\n", 30)
        yield machine
    finally:
        nspawn.send_signal(signal.SIGTERM)
        try:
            nspawn.wait(20)
        except subprocess.TimeoutExpired:
            nspawn.kill()
            nspawn.wait()


def _leader(nspawn: subprocess.Popen[bytes]) -> int:
    """Return the process that is the machine's first one."""
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    until(lambda: bool(children.read_text().split()), 10)
    return int(children.read_text().split()[0])


def until(holds: Callable[[], bool], seconds: float) -> None:
    """Return as soon as a condition holds; an error of it counts as no, and the last one is told."""
    deadline = time.monotonic() + seconds
    while True:
        trouble: Exception | None = None
        try:
            if holds():
                return
        except (subprocess.CalledProcessError, OSError, AssertionError, LookupError) as error:
            trouble = error
        if time.monotonic() > deadline:
            raise TimeoutError("it never came about") from trouble
        time.sleep(0.2)


def _output(*command: str) -> str:
    done = subprocess.run(
        command,
        env=ENVIRONMENT | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    if done.returncode:
        error = subprocess.CalledProcessError(done.returncode, command, done.stdout)
        error.add_note(done.stdout)
        raise error
    return done.stdout
