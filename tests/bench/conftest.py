"""Keeps this process on the servers' core, and ends a run with the table of its figures."""

import os
import time

import pytest

from tests.bench.machine import CORES, OTHERS, description
from tests.bench.results import PATH, Results
from tests.bench.size import QUICK

RESULTS = Results()


@pytest.fixture
def results() -> Results:
    return RESULTS


@pytest.fixture(autouse=True, scope="session")
def beside_the_measured() -> None:
    assert len(CORES) > 1, "a bench needs a core for the measured process, and one for all others"
    os.sched_setaffinity(0, {OTHERS})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if RESULTS.rows:
        before = PATH.read_text("utf-8") if PATH.exists() and not QUICK else ""
        text = RESULTS.table(description(), time.strftime("%Y-%m-%d"), before)
        if not QUICK:
            PATH.write_text(text, "utf-8")
        terminalreporter.write_line(text)
