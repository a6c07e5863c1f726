"""Owns the lab's processes: a daemon with frozen settings, started by hand, and started anew with other settings."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from .netns import LabError, Namespace, execute

S = TypeVar("S", bound=Any)

PATIENCE = 8.0
"""Seconds for a daemon to listen, and for it to end before it is killed."""
LISTENING = "0A"


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """How to start a daemon: what to write below its home, what to run there, and where it then listens."""

    argv: tuple[str, ...]
    ports: frozenset[int]
    files: Mapping[str, str | bytes]
    """By name; those with bytes are keys and certificates, readable to their owner only."""
    directories: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """By name, with the user who owns each and the files in it."""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Daemon(Generic[S]):
    """One real daemon in one namespace. What it does follows from `settings`."""

    def __init__(self, name: str, space: Namespace, home: Path, well: S, recipe: Callable[[S, Path], Recipe]) -> None:
        """Describe the daemon; `launch` and `ready`, or `start`, start it. `home` is its own, and need not exist."""
        self.name = name
        self.settings: S = well
        self._space = space
        self._home = home
        self._well: S = well
        self._recipe: Callable[[S, Path], Recipe] = recipe
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: frozenset[int] = frozenset()
        self._frozen = self._listens = False

    @property
    def ports(self) -> frozenset[int]:
        """Return the ports on which the daemon listens, or listened last."""
        return self._ports

    @property
    def log(self) -> str:
        """Return what the daemon has printed since it was started first."""
        log = self._home / "output.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def set(self, **changes: Any) -> None:  # noqa: ANN401 - the fields of the settings, checked by replace()
        """Let the daemon run with some settings changed; it listens when this returns."""
        self._follow(dataclasses.replace(self.settings, **changes))

    def reset(self) -> None:
        """Let the daemon run as it does when all is well."""
        self._follow(self._well)

    def _follow(self, settings: S) -> None:
        self.settle(settings)
        self.start()

    def settle(self, settings: S | None = None) -> None:
        """Take settings, those of all being well if none are given; end the daemon if it runs with others."""
        wanted = self._well if settings is None else settings
        if self._frozen or wanted != self.settings:
            self.kill()
            self.settings = wanted

    def start(self) -> None:
        """Start the daemon and wait until it listens; nothing happens if it runs."""
        self.launch()
        self.ready()

    def launch(self) -> None:
        """Start the daemon without waiting for it, so that several can start at once."""
        if self._process and self._process.poll() is None:
            return
        self._listens = False
        recipe = self._recipe(self.settings, self._home)
        self._ports = recipe.ports
        self._home.mkdir(parents=True, exist_ok=True)
        for name, owner in recipe.directories.items():
            path = self._home / name
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
            shutil.chown(path, owner)
        for name, content in recipe.files.items():
            path = self._home / name
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            path.chmod(0o600 if isinstance(content, bytes) else 0o644)
            if user := recipe.directories.get(str(Path(name).parent)):
                shutil.chown(path, user)
        with (self._home / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._space.inside(recipe.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._home,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **recipe.environment},
                start_new_session=True,
            )

    def ready(self) -> None:
        """Wait until the daemon listens on all its ports, or raise `LabError` with what it printed."""
        if self._listens:
            return
        deadline = time.monotonic() + PATIENCE
        while missing := self._ports - listening(self._space):
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"{self.name} does not listen on {sorted(missing)}:\n{self.log[-3000:]}")
            time.sleep(0.01)
        self._listens = True

    def stop(self) -> None:
        """Ask the daemon to end, and its children: afterwards the machine refuses its ports."""
        if self._process:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
        self.kill()

    def kill(self) -> None:
        """End the daemon with all its children at once, without asking."""
        process, self._process = self._process, None
        self._frozen = self._listens = False
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + PATIENCE
        while left := self._ports & listening(self._space):
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} was ended, but somebody still listens on {sorted(left)}")
            time.sleep(0.01)

    def freeze(self) -> None:
        """Stop the daemon without ending it: the kernel still accepts connections, nobody speaks. `reset` ends it."""
        if self._process:
            os.killpg(self._process.pid, signal.SIGSTOP)
            self._frozen = True


def listening(space: Namespace) -> frozenset[int]:
    """Return the TCP ports on which somebody listens in a namespace, on any of its addresses."""
    table = execute(space.inside(["cat", "/proc/net/tcp", "/proc/net/tcp6"]))
    rows = (line.split() for line in table.splitlines())
    return frozenset(int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENING)


def start_all(daemons: Iterable[Daemon[Any]]) -> None:
    """Start several daemons at once and wait for all of them."""
    everyone = list(daemons)
    for daemon in everyone:
        daemon.launch()
    for daemon in everyone:
        daemon.ready()
