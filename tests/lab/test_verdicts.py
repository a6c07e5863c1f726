"""Every cause is named, with its proof, on real routers and real daemons: by the daemon, and by `check`."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from .scenarios import BY_CHECK, RANGE, SCENARIOS, Scenario
from .watching import Watching, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .lab import Lab

STATUS = {"ok": 0, "unknown": 3}


@pytest.fixture(scope="module")
def watching(lab: Lab) -> Iterator[Watching]:
    """Return one daemon that watches through all scenarios: each begins and ends with all well."""
    lab.boxed()
    daemon = Watching(lab)
    yield daemon
    assert daemon.stop() == 0


def _given(found: dict[str, Any], scenario: Scenario) -> dict[str, Any]:
    """Return what the monitor says, in the shape of what is expected."""
    given: dict[str, Any] = {"diagnosis": found.get("diagnosis"), **verdicts(found, scenario.expected)}
    v4: dict[str, Any] = next((a for a in found.get("addresses", []) if a["family"] == "ipv4"), {})
    if scenario.exposed is not None:
        given["exposed"] = v4.get("exposed_host")
    if scenario.method is not None:
        given["method"] = v4.get("hop_method")
    if scenario.range_lost is not None:
        span = next(p for p in found["ports"] if p["port"] == RANGE and p["family"] == "ipv4")
        given["range_lost"] = tuple(span["range"]["lost"])
    return given


def _expected(scenario: Scenario) -> dict[str, Any]:
    expected: dict[str, Any] = {"diagnosis": scenario.diagnosis, **scenario.expected}
    for name in ("exposed", "method", "range_lost"):
        if getattr(scenario, name) is not None:
            expected[name] = getattr(scenario, name)
    return expected


@pytest.mark.timeout(200)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_daemon_names_the_cause(
    lab: Lab,
    watching: Watching,
    scenario: Scenario,
    record_property: Callable[[str, object], None],
) -> None:
    school = lab.boxed() if scenario.boxed else lab.school
    name = school.plan.name
    well = watching.wait(name, lambda found: found["diagnosis"] == "ok", seconds=90)
    assert well["diagnosis"] == "ok", json.dumps(well, indent=1)
    scenario.happen(lab, school)
    happened = time.time()
    expected = _expected(scenario)
    found = watching.wait(
        name,
        lambda found: found["at"] > happened and _given(found, scenario) == expected,
        seconds=75,
    )
    record_property("verdicts", f"{time.time() - happened:.0f} s: {_given(found, scenario)}")
    assert _given(found, scenario) == expected, json.dumps(found, indent=1)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("scenario", BY_CHECK, ids=lambda scenario: scenario.name)
def test_check_names_the_cause_at_first_sight(
    lab: Lab,
    scenario: Scenario,
    record_property: Callable[[str, object], None],
) -> None:
    school = lab.boxed() if scenario.boxed else lab.school
    scenario.happen(lab, school)
    config = lab.monitor.config(global_={"confirm": {"attempts": 1, "spacing": "1s"}, "connect_timeout": "2s"})
    argv = [sys.executable, "-m", "portwatchd", "check", f"--config.file={config}", "--json", school.plan.name]
    started = time.monotonic()
    done = lab.monitor.run(argv, timeout=190)
    assert done.returncode == STATUS.get(scenario.diagnosis, 1), done.stderr
    (found,) = json.loads(done.stdout)
    record_property("verdicts", f"{time.monotonic() - started:.0f} s: {_given(found, scenario)}")
    assert _given(found, scenario) == _expected(scenario), json.dumps(found, indent=1)
