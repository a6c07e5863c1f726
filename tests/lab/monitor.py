"""Owns the monitor's side of the lab: running programs there without any privilege, and writing configurations."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from . import addresses as at
from .netns import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .addresses import SchoolPlan
    from .netns import Namespace

CHECKOUT = Path(__file__).resolve().parents[2]
NOBODY = 65534

_NO_CAPABILITIES = ("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs")
_AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *_NO_CAPABILITIES)
_AS_ROOT_WITHOUT_CAPABILITIES = ("setpriv", *_NO_CAPABILITIES, "--securebits=+noroot,+noroot_locked")


class Monitor:
    """The host that watches: commands run in its namespace, unprivileged."""

    def __init__(self, namespace: Namespace, home: Path, ca_file: Path) -> None:
        """Choose a way to run programs without privileges, and prove that it is one."""
        self.namespace = namespace
        self.home = home
        self.ca_file = ca_file
        self.plans: list[SchoolPlan] = []
        """The schools that a configuration lists unless it is told otherwise."""
        self._serial = itertools.count()
        home.mkdir()
        home.chmod(0o777)
        self._drop = self._way_to_drop()
        status = self.run(["cat", "/proc/self/status"], check=True).stdout
        for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh"):
            found = re.search(rf"^{kind}:\t(\w+)$", status, re.MULTILINE)
            if not found or int(found[1], 16) != 0:
                raise LabError(f"programs in the monitor are privileged: {status}")

    def _way_to_drop(self) -> tuple[str, ...]:
        """Return how to give privileges up: as nobody, or, where it cannot read the checkout, as a bare root."""
        said = ""
        reads = "import sys; [open(path).close() for path in sys.argv[1:]]; import yaml"
        for way in (_AS_NOBODY, _AS_ROOT_WITHOUT_CAPABILITIES):
            argv = [*way, sys.executable, "-c", reads, __file__]
            done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=self.home, timeout=30)
            if done.returncode == 0:
                return way
            said += done.stderr
        raise LabError(f"no way to run programs without privileges: {said}")

    @property
    def uid(self) -> int:
        """Return the user as whom programs run."""
        return NOBODY if self._drop is _AS_NOBODY else os.getuid()

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "LC_ALL": "C.UTF-8",
            **(extra or {}),
        }

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """Return the command that runs `argv` in the monitor, unprivileged."""
        return self.namespace.inside([*self._drop, "--", *map(str, argv)])

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        timeout: float = 30,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its working directory and HOME are `home`, which it may write."""
        return subprocess.run(
            self.command(argv),
            check=check,
            timeout=timeout,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            env=self.environment(env),
            cwd=self.home,
        )

    def sound(self, *probes: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Carry out probes of `sounding`, one after the other, and return what each found."""
        done = self.run([sys.executable, Path(__file__).with_name("sounding.py"), json.dumps(probes)], timeout=60)
        if done.returncode != 0:
            raise LabError(done.stderr)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def popen(self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command and return it; its output comes through pipes, and the caller ends it."""
        return subprocess.Popen(
            self.command(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(env),
            cwd=self.home,
        )

    def directory(self) -> Path:
        """Return a new directory in which programs in the monitor may write."""
        path = self.home / f"run-{next(self._serial)}"
        path.mkdir()
        path.chmod(0o777)
        return path

    def config(self, *, schools: Sequence[Mapping[str, Any]] | None = None, **sections: Any) -> Path:  # noqa: ANN401
        """Write a configuration of the lab's schools and return its path.

        Each further keyword is a section of the configuration: a mapping is merged into the section that the lab
        would write, anything else takes its place. `global_` stands for the section `global`.
        """
        directory = self.directory()
        listed = [{"name": plan.name, "host": plan.host, "profile": "iserv"} for plan in self.plans]
        content: dict[str, Any] = {
            "global": {},
            "monitor": {"canaries": [f"{at.EXTERNAL_V4}:443"], "controls": {25: f"{at.EXTERNAL_V4}:25"}},
            "tls": {"ca_file": str(self.ca_file)},
            "storage": {"path": str(directory / "portwatchd.db")},
            "schools": listed if schools is None else [dict(school) for school in schools],
        }
        for keyword, section in sections.items():
            key = keyword.rstrip("_")
            content[key] = {**content.get(key, {}), **section} if isinstance(section, dict) else section
        path = directory / "portwatchd.yml"
        path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value != {}}, sort_keys=False))
        return path

    def remove(self) -> None:
        """Remove everything that was written for the monitor."""
        shutil.rmtree(self.home, ignore_errors=True)
