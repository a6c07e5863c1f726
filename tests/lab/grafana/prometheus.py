"""Debian's Prometheus: started on a directory, asked over HTTP, ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """What Prometheus gave, and how long it took."""

    series: list[Json]
    seconds: float
    cpu: float
    """Seconds of processor that the server spent meanwhile: what others do on the machine is not in it."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running server."""

    url: str
    pid: int = 0
    """Of the server, where this module started it."""

    def cpu(self) -> float:
        """Return the seconds of processor that the server has had."""
        if not self.pid:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def instant(self, expression: str, at: float) -> Answered:
        """Return the vector at a time, one number or none in the place of a vector too."""
        return self._series("query", {"query": expression, "time": f"{at:.3f}"})

    def over(self, expression: str, begin: float, end: float, step: float) -> Answered:
        """Return the curves over a time."""
        times = {"start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return self._series("query_range", {"query": expression, **times})

    def values(self, label: str, selector: str, begin: float, end: float) -> tuple[list[str], float]:
        """Return the values of a label, as Grafana's label_values() asks for them."""
        begun = time.perf_counter()
        parameters = {"match[]": selector, "start": f"{begin:.3f}", "end": f"{end:.3f}"}
        found = self.ask(f"label/{label}/values", parameters)
        return list(found), time.perf_counter() - begun

    def _series(self, what: str, parameters: Mapping[str, str]) -> Answered:
        begun, spent = time.perf_counter(), self.cpu()
        data = self.ask(what, parameters)
        seconds, spent = time.perf_counter() - begun, self.cpu() - spent
        result = data["result"]
        if data["resultType"] == "scalar":
            result = [{"metric": {}, "value": result}]
        return Answered(result, seconds, spent)

    def ask(self, what: str, parameters: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        """Return the data of an answer; anything but success, and a warning too, is an error."""
        address = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=60) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        assert answer["status"] == "success", answer
        assert not answer.get("warnings"), answer["warnings"]
        return answer["data"]


@contextmanager
def running(directory: Path, configuration: str = "{}", arguments: Sequence[str] = ()) -> Iterator[Prometheus]:
    """Run a server whose memory is `directory`/data, until the context ends."""
    port = free_port()
    config = directory / "prometheus.yml"
    config.write_text(configuration)
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
        *arguments,
    ]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        server = Prometheus(f"http://127.0.0.1:{port}", process.pid)
        _wait_until_ready(server, process, directory / "prometheus.log")
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(server: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/-/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


def free_port() -> int:
    """Return a port of loopback that nobody listens on just now."""
    with socket.socket() as attempt:
        attempt.bind(("127.0.0.1", 0))
        port: int = attempt.getsockname()[1]
        return port
