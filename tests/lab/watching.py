"""Owns the real daemon on the lab: started unprivileged in the monitor's namespace, asked over its own API."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .netns import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .lab import Lab

ADDRESS = "127.0.0.1:10052"
_FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
BRISK = {
    "interval": "4s",
    "audit_interval": "30s",
    "connect_timeout": "4s",
    "timeout": "6s",
    "confirm": {"attempts": 2, "spacing": "1s"},
}
"""The settings of a daemon that shows within seconds what would take minutes."""


class Watching:
    """A running daemon."""

    def __init__(self, lab: Lab, *options: str, **sections: Any) -> None:  # noqa: ANN401 - sections of a configuration
        """Start it on the lab's schools; `sections` are those of the configuration."""
        self.lab = lab
        self.config = lab.monitor.config(**{"global_": BRISK, **sections})
        self.log = Path(self.config).with_name("log")
        argv = [sys.executable, "-m", "portwatchd", "run", f"--config.file={self.config}"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                lab.monitor.command([*argv, f"--web.listen-address={ADDRESS}", *options]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=lab.monitor.environment(),
                cwd=lab.monitor.home,
            )

    def fetch(self, path: str) -> str:
        """Return what the daemon serves at a path."""
        done = self.lab.monitor.run([sys.executable, "-c", _FETCH, f"http://{ADDRESS}{path}"])
        if done.returncode != 0:
            raise LabError(done.stderr.strip().splitlines()[-1])
        return done.stdout

    def school(self, name: str) -> dict[str, Any]:
        """Return what the daemon believes of a school; empty before its first round."""
        try:
            found: dict[str, Any] = json.loads(self.fetch(f"/api/v1/schools/{name}"))
        except LabError:
            return {}
        return found

    def wait(self, name: str, wanted: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """Return a school's report as soon as it is as wanted, or the last one when the time is up."""
        end = time.monotonic() + seconds
        while True:
            found = self.school(name)
            if (found and wanted(found)) or time.monotonic() > end:
                return found
            if self.process.poll() is not None:
                raise LabError(f"the daemon has ended:\n{self.log.read_text()}")
            time.sleep(0.3)

    def changes(self) -> list[str]:
        """Return the lines of the log that tell of a change."""
        return [line for line in self.log.read_text().splitlines() if "changed" in line]

    def stop(self) -> int:
        """End the daemon as systemd would, and return its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=15)
        finally:
            self.process.kill()
            self.process.wait()


def verdicts(found: dict[str, Any], ports: Iterable[str]) -> dict[str, str]:
    """Return the verdict and proof on ports, each written like `4/25`; `4/*` are all others of that family."""
    named = {
        f"{port['family'][-1]}/{port['port']}": f"{port['verdict']} {port['proof']}" for port in found.get("ports", [])
    }
    result: dict[str, str] = {}
    wanted = list(ports)
    for key in wanted:
        family, port = key.split("/")
        if port != "*":
            result[key] = named.get(key, "missing")
            continue
        others = {
            v for k, v in named.items() if k.startswith(f"{family}/") and k not in wanted and not k.endswith("/636")
        }
        result[key] = " | ".join(sorted({verdict.split()[0] for verdict in others}))
    return result
