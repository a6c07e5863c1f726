"""Owns the way of an alert in the lab: a real Prometheus, a real Alertmanager, and who receives what they send.

All of it runs in the monitor's namespace, with the files of `deploy/` but for three things: addresses, the intervals of
scraping, evaluating and grouping (a second), and the waiting times of the rules, each divided by `HASTE`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from .monitor import CHECKOUT
from .netns import LabError
from .watching import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .lab import Lab

DEPLOY = CHECKOUT / "deploy"
HASTE = 30
"""An alert that waits three minutes waits six seconds here."""
PROMETHEUS, ALERTMANAGER = "127.0.0.1:9090", "127.0.0.1:9093"
MAIL_PORT, HOOK_PORT = 2525, 5001
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def hastened(rules: str, haste: int = HASTE) -> str:
    """Return rules whose `for` and `keep_firing_for` are divided, and whose groups are evaluated every second."""
    content = yaml.safe_load(rules)
    for group in content["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            for key in ("for", "keep_firing_for"):
                if key in rule:
                    rule[key] = f"{max(1, round(_seconds(rule[key]) / haste))}s"
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


def _seconds(duration: str) -> float:
    found = re.fullmatch(r"(\d+)([smhd])", duration)
    assert found, duration
    return int(found[1]) * UNITS[found[2]]


class Alerting:
    """Prometheus, Alertmanager, a mail server and a webhook, all running."""

    def __init__(
        self,
        lab: Lab,
        scraped: Sequence[Mapping[str, Any]] = ({"targets": [ADDRESS]},),
        example: str = "prometheus.yml",
    ) -> None:
        """Start all of it; `stop` ends it. `scraped` takes the place of the targets in the example configuration."""
        self.lab = lab
        self._scraped, self._example = scraped, example
        self.home = lab.monitor.directory()
        self.book = self.home / "received"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start(sys.executable, Path(__file__).with_name("receiver.py"), self.book, MAIL_PORT, HOOK_PORT)
        self._start(
            "prometheus-alertmanager",
            f"--config.file={self._alertmanager()}",
            f"--storage.path={self.home / 'am'}",
            f"--web.listen-address={ALERTMANAGER}",
            "--cluster.listen-address=",
        )
        self._start(
            "prometheus",
            f"--config.file={self._prometheus()}",
            f"--storage.tsdb.path={self.home / 'tsdb'}",
            f"--web.listen-address={PROMETHEUS}",
            # What is sent before Alertmanager is known is lost, and would come again only after a minute.
            "--rules.alert.resend-delay=5s",
        )

    def _start(self, *argv: str | Path | int) -> None:
        name = Path(str(argv[0])).name
        with (self.home / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    self.lab.monitor.command([str(word) for word in argv]),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self.lab.monitor.environment(),
                    cwd=self.home,
                )
            )

    def _prometheus(self) -> Path:
        config = yaml.safe_load((DEPLOY / "prometheus" / self._example).read_text())
        config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [ALERTMANAGER]}]}]
        (job,) = config["scrape_configs"]
        job["static_configs"] = [dict(one) for one in self._scraped]
        for name in config["rule_files"]:
            (self.home / name).write_text(hastened((DEPLOY / "prometheus" / name).read_text()))
        return self._written("prometheus.yml", config)

    def _alertmanager(self) -> Path:
        config = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
        config["global"]["smtp_smarthost"] = f"127.0.0.1:{MAIL_PORT}"
        config["templates"] = [str(DEPLOY / "alertmanager" / name) for name in config["templates"]]
        for route in (config["route"], *config["route"]["routes"]):
            route |= {"group_wait": "1s", "group_interval": "1s"}
        for receiver in config["receivers"]:
            for hook in receiver.get("webhook_configs", ()):
                hook["url"] = f"http://127.0.0.1:{HOOK_PORT}/{hook['url'].rpartition('/')[2]}"
        return self._written("alertmanager.yml", config)

    def _written(self, name: str, config: Mapping[str, Any]) -> Path:
        path = self.home / name
        path.write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False))
        return path

    def received(self, since: float = 0) -> list[dict[str, Any]]:
        """Return everything that came since a time, the dead man's switch left out."""
        return [one for one in self._all(since) if one.get("path") != "/deadman"]

    def deadman(self) -> int:
        """Return how often the dead man's switch was pressed."""
        return sum(one.get("path") == "/deadman" for one in self._all(0))

    def _all(self, since: float) -> list[dict[str, Any]]:
        lines = self.book.read_text().splitlines() if self.book.exists() else []
        return [one for one in map(json.loads, lines) if one["at"] >= since]

    def mails(self, to: str, since: float = 0) -> list[dict[str, Any]]:
        """Return the mails to an address since a time."""
        return [one for one in self.received(since) if one["kind"] == "mail" and one["to"] == [to]]

    def wait(self, wanted: Callable[[], object], seconds: float, what: str) -> None:
        """Wait until something holds; raise `LabError` with everything that was seen when it does not in time."""
        end = time.monotonic() + seconds
        while not wanted():
            if time.monotonic() > end:
                raise LabError(f"{what}: not within {seconds} s\n{self.state()}")
            time.sleep(0.2)

    def state(self) -> str:
        """Return what came, what fires, and the last lines of the logs."""
        subjects = [one.get("subject") or one.get("path") for one in self.received()]
        fires = self.ask("ALERTS")
        logs = {path.name: path.read_text().splitlines()[-5:] for path in self.home.glob("*.log")}
        return json.dumps({"received": subjects, "alerts": fires, "logs": logs}, indent=1)

    def ask(self, query: str) -> Sequence[Mapping[str, Any]]:
        """Return what Prometheus answers to a query, the labels only."""
        fetch = (
            "import sys, urllib.parse, urllib.request; "
            "print(urllib.request.urlopen(sys.argv[1] + urllib.parse.quote(sys.argv[2]), timeout=5).read().decode())"
        )
        url = f"http://{PROMETHEUS}/api/v1/query?query="
        done = self.lab.monitor.run([sys.executable, "-c", fetch, url, query])
        return [one["metric"] for one in json.loads(done.stdout)["data"]["result"]] if done.returncode == 0 else []

    def stop(self) -> None:
        """End all of it."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
