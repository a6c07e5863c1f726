"""Every cause is named, with its proof, on real routers and real daemons: by the daemon, and by `check`.

Scenarios take a minute each, so they happen to several schools at the same time: one fixture plays them all and keeps
what the monitor said, and the tests look at one scenario each.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from .scenarios import BY_CHECK, RANGE, SCENARIOS, Scenario
from .watching import Watching, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .lab import Lab, School

AT_ONCE = 6
"""Schools to which something happens at the same time."""
WELL_SECONDS = 120.0
NAMED_SECONDS = 90.0
LISTED_SECONDS = 300.0
"""For a list of holes: a rotation comes to each port, and a sweep goes on over rounds."""

Told = dict[str, tuple[float, dict[str, Any]]]
"""By scenario: after how many seconds the cause was named, or given up, and the school's report then."""


def _given(found: dict[str, Any], scenario: Scenario) -> dict[str, Any]:
    """Return what the monitor says, in the shape of what is expected."""
    given: dict[str, Any] = {"diagnosis": found.get("diagnosis"), **verdicts(found, scenario.expected)}
    v4: dict[str, Any] = next((a for a in found.get("addresses", []) if a["family"] == "ipv4"), {})
    if scenario.exposed is not None:
        given["exposed"] = v4.get("exposed_host")
    if scenario.method is not None:
        given["method"] = v4.get("hop_method")
    if scenario.range_lost is not None:
        span: dict[str, Any] = next(
            (p for p in found.get("ports", []) if p["port"] == RANGE and p["family"] == "ipv4"), {}
        )
        given["range_lost"] = tuple(span.get("range", {}).get("lost", ()))
    return given


def _expected(scenario: Scenario) -> dict[str, Any]:
    expected: dict[str, Any] = {"diagnosis": scenario.diagnosis, **scenario.expected}
    for name in ("exposed", "method", "range_lost"):
        if getattr(scenario, name) is not None:
            expected[name] = getattr(scenario, name)
    return expected


def _batches(lab: Lab, scenarios: Sequence[Scenario]) -> Iterator[list[tuple[Scenario, School]]]:
    """Yield scenarios with the schools that they happen to at the same time; those about the monitor come alone."""
    schools = lab.need(AT_ONCE)
    boxed = lab.boxed()
    single = [s for s in scenarios if not s.boxed and not s.everywhere]
    behind_box = [s for s in scenarios if s.boxed]
    while single or behind_box:
        batch = list(zip(single[:AT_ONCE], schools, strict=False))
        single = single[AT_ONCE:]
        if behind_box:
            batch.append((behind_box.pop(0), boxed))
        yield batch
    for scenario in scenarios:
        if scenario.everywhere:
            yield [(scenario, schools[0])]


@pytest.fixture(scope="module")
def told(lab: Lab) -> Iterator[Told]:
    """Return what one daemon said in every scenario; each begins with all well."""
    batches = list(_batches(lab, SCENARIOS))
    daemon = Watching(lab, monitor={"isolated_above": 0.95})
    results: Told = {}
    for batch in batches:
        for _, school in batch:
            well = daemon.wait(school.plan.name, lambda found: found["diagnosis"] == "ok", seconds=WELL_SECONDS)
            assert well.get("diagnosis") == "ok", json.dumps(well, indent=1)
        for scenario, school in batch:
            scenario.happen(lab, school)
        results |= _listen(daemon, batch)
        lab.reset()
    yield results
    assert daemon.stop() == 0


def _listen(daemon: Watching, batch: list[tuple[Scenario, School]]) -> Told:
    """Wait until the daemon says of each school what it should, or the time is up."""
    happened = time.time()
    waiting = list(batch)
    results: Told = {}
    most = max(NAMED_SECONDS if scenario.range_lost is None else LISTED_SECONDS for scenario, _ in batch)
    while waiting and time.time() - happened < most:
        time.sleep(0.3)
        for scenario, school in tuple(waiting):
            found = daemon.school(school.plan.name)
            results[scenario.name] = time.time() - happened, found
            if found.get("at", 0) > happened and _given(found, scenario) == _expected(scenario):
                waiting.remove((scenario, school))
    return results


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_daemon_names_the_cause(
    told: Told,
    scenario: Scenario,
    record_property: Callable[[str, object], None],
) -> None:
    seconds, found = told[scenario.name]
    record_property("verdicts", f"{seconds:4.0f} s  {_given(found, scenario)}")
    assert _given(found, scenario) == _expected(scenario), json.dumps(found, indent=1)


@pytest.fixture(scope="module")
def checked(lab: Lab) -> Told:
    """Return what `check` said in every scenario, of schools that it had never seen."""
    results: Told = {}
    for batch in _batches(lab, BY_CHECK):
        for scenario, school in batch:
            scenario.happen(lab, school)
        config = lab.monitor.config(
            global_={"confirm": {"attempts": 1, "spacing": "1s"}, "connect_timeout": "4s"},
            monitor={"isolated_above": 0.95},
        )
        names = [school.plan.name for _, school in batch]
        started = time.time()
        argv = [sys.executable, "-m", "portwatchd", "check", f"--config.file={config}", "--json", *names]
        done = lab.monitor.run(argv, timeout=200)
        assert done.returncode == int(any(s.diagnosis != "ok" for s, _ in batch)), done.stderr
        reports = {report["school"]: report for report in json.loads(done.stdout)}
        results |= {scenario.name: (time.time() - started, reports[school.plan.name]) for scenario, school in batch}
        lab.reset()
    return results


@pytest.mark.parametrize("scenario", BY_CHECK, ids=lambda scenario: scenario.name)
def test_check_names_the_cause_at_first_sight(
    checked: Told,
    scenario: Scenario,
    record_property: Callable[[str, object], None],
) -> None:
    seconds, found = checked[scenario.name]
    record_property("verdicts", f"{seconds:4.0f} s  {_given(found, scenario)}")
    assert _given(found, scenario) == _expected(scenario), json.dumps(found, indent=1)
