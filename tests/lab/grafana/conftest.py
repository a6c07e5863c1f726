"""Owns the two servers: one that scraped the real daemon for a while, one that holds 5,000 schools."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import yaml

from grafana.promql import DISTRICTS
from tests.unit.grafana.boards import GRAFANA

from . import thousands
from .prometheus import Prometheus, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator

WATCHED_FOR = 80.0
"""Seconds: enough for the first audits, for services that go and come, and for two evaluations of every rule."""
RULES = GRAFANA.parent / "deploy" / "prometheus" / "portwatch.rules.yml"


@dataclass(frozen=True, slots=True)
class Data:
    """A server, and the time of which it knows."""

    name: str
    server: Prometheus
    begin: float
    end: float
    school: str
    """The school whose dashboard is looked at."""
    district: str
    scrape_interval: float


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Data]]:
    """Return both; while the one watches, the other is filled."""
    watched, filled = tmp_path_factory.mktemp("watched"), tmp_path_factory.mktemp("filled")
    port = free_port()
    with (watched / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.grafana.watched", str(watched), str(port)],
            cwd=GRAFANA.parent,
            env={**os.environ, "PYTHONPATH": str(GRAFANA.parent)},
            stdout=log,
            stderr=log,
        )
    begun = time.time()
    try:
        with running(watched, _configuration(port, "5s")) as server:
            last = time.time()
            thousands.write(filled / "samples.txt", last)
            thousands.backfill(filled / "samples.txt", filled / "data")
            (filled / "samples.txt").unlink()
            first = last - thousands.SPACING * (thousands.TIMES - 1)
            with running(filled) as unrecorded:
                thousands.record(RULES, DISTRICTS, unrecorded, filled / "data", (first, last))
            with running(filled, _configuration(None, "1m")) as large:
                time.sleep(max(0.0, begun + WATCHED_FOR - time.time()))
                assert daemon.poll() is None, (watched / "daemon.log").read_text()[-2000:]
                yield {
                    "daemon": Data("daemon", server, begun + 5, time.time(), "gym-nord", "nord", 1),
                    "5,000 schools": Data(
                        "5,000 schools", large, first, last, "school-0420", "district-03", thousands.SPACING
                    ),
                }
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)


def _configuration(port: int | None, evaluation: str) -> str:
    """Return a configuration that scrapes the port, or nothing, and that evaluates the project's own rules."""
    scraped = [{"job_name": "portwatchd", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}] if port else []
    document = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": evaluation},
        "scrape_configs": scraped,
        "rule_files": [str(RULES)] if RULES.exists() else [],
    }
    text: str = yaml.safe_dump(document)
    return text
