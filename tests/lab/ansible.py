"""Ansible in a virtual environment of its own, from a lock file; it plays the project's role on a booted machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .machine import Machine

COLLECTION = Path(__file__).parents[2] / "deploy/ansible"


@dataclass(frozen=True)
class Ansible:
    """Where it is installed: here and, by a bind mount, at the same place in the machine."""

    home: Path

    @classmethod
    def install(cls, home: Path) -> Self:
        """Install it for Debian's Python, which is the machine's too."""
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", home], check=True)
        pip = [sys.executable, "-m", "pip", "--python", f"{home}/bin/python", "install", "-qq", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "--requirement", COLLECTION / "requirements.lock"], check=True)
        return cls(home)

    def lint(self) -> None:
        """Look at the collection by the strictest profile; what is found fails with what is said of it."""
        done = subprocess.run(
            [f"{self.home}/bin/ansible-lint", "--offline", "--profile=production", "--nocolor"],
            cwd=COLLECTION,
            env={**os.environ, "PATH": f"{self.home}/bin:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stdout

    def play(self, machine: Machine, facts: Mapping[str, object], *options: str) -> dict[str, int]:
        """Play the role on the machine itself and return ansible's own count: ok, changed, failed and so on."""
        command = [f"{self.home}/bin/ansible-playbook", "--connection=local", "--inventory=localhost,"]
        command += [f"{COLLECTION}/playbook.yml", f"--extra-vars={json.dumps(facts)}", *options]
        said = machine.run(*command)
        recap = next(line for line in reversed(said.splitlines()) if line.startswith("localhost "))
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", recap)}
