from dataclasses import replace

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as text_families

from portwatchd import __version__
from portwatchd.metrics.families import OWN
from portwatchd.metrics.negotiation import Wish
from portwatchd.metrics.own import FAILURES, OwnMetrics
from portwatchd.model import DiagnosisKind, Observation, Outcome, Stage
from tests.unit.metrics.samples import openmetrics_families, told
from tests.unit.metrics.scraping import PLAIN
from tests.unit.reports import report

WELL = Observation(1.0, Outcome.OK, stages=((Stage.CONNECT, 0.02), (Stage.TOTAL, 0.3)))
REFUSED = Observation(1.0, Outcome.REFUSED, stopped=Stage.CONNECT, stages=((Stage.CONNECT, 0.02),))


def read(own: OwnMetrics, wish: Wish = PLAIN) -> dict[str, Metric]:
    text = b"".join(own.pieces(wish)).decode()
    return {metric.name: metric for metric in text_families(text)}


def value(own: OwnMetrics, sample: str, **labels: str) -> float | None:
    found = [s.value for m in read(own).values() for s in m.samples if s.name == sample and s.labels == labels]
    return found[0] if found else None


def test_probes_and_their_failures_are_counted() -> None:
    own = OwnMetrics()
    own.count("smtp", WELL)
    own.count("smtp", REFUSED)
    assert value(own, "portwatch_probes_total", port_name="smtp") == 2
    assert value(own, "portwatch_probe_failures_total", port_name="smtp", outcome="refused") == 1


def test_every_failure_begins_at_0_and_ok_is_none() -> None:
    own = OwnMetrics()
    own.count("smtp", WELL)
    failures = read(own)["portwatch_probe_failures"].samples
    assert {s.labels["outcome"]: s.value for s in failures} == {outcome.value: 0.0 for outcome in FAILURES}
    assert Outcome.OK not in FAILURES


def test_a_void_probe_says_nothing_but_that_it_was() -> None:
    own = OwnMetrics()
    own.count("smtp", replace(REFUSED, void=True))
    assert value(own, "portwatch_probes_total", port_name="smtp") == 1
    assert value(own, "portwatch_probe_failures_total", port_name="smtp", outcome="refused") == 0
    assert value(own, "portwatch_probe_duration_seconds_count", port_name="smtp", stage="connect") is None


def test_stages_are_timed() -> None:
    own = OwnMetrics()
    own.count("smtp", WELL)
    own.count("smtp", REFUSED)
    at = {"port_name": "smtp", "stage": "connect"}
    name = "portwatch_probe_duration_seconds"
    assert value(own, f"{name}_count", **at) == 2
    assert value(own, f"{name}_sum", **at) == pytest.approx(0.04)
    assert value(own, f"{name}_bucket", **at, le="0.01") == 0
    assert value(own, f"{name}_bucket", **at, le="0.025") == 2
    assert value(own, f"{name}_bucket", **at, le="+Inf") == 2
    assert value(own, f"{name}_count", port_name="smtp", stage="total") == 1


def test_latencies_by_school_are_dropped_with_the_school() -> None:
    own = OwnMetrics(by_school=True)
    told_of = replace(report(DiagnosisKind.OK), observations=(("smtp", WELL), ("smtp", REFUSED)))
    own.report(told_of)
    own.count("smtp", WELL, "gs-sued")
    name = "portwatch_probe_duration_seconds_count"
    assert value(own, name, school="gym-nord", port_name="smtp", stage="connect") == 2
    assert value(own, "portwatch_probes_total", port_name="smtp") == 3
    own.forget("gym-nord")
    assert value(own, name, school="gym-nord", port_name="smtp", stage="connect") is None
    assert value(own, name, school="gs-sued", port_name="smtp", stage="connect") == 1
    own.report(told_of)
    assert value(own, name, school="gym-nord", port_name="smtp", stage="connect") == 2


def test_the_schedulers_figures() -> None:
    own = OwnMetrics()
    own.round_started(0.3)
    own.round_started(-0.1)
    own.loop_lag(100.0)
    own.skipped()
    own.in_flight(17)
    own.schools(3)
    assert value(own, "portwatch_scheduler_lag_seconds_count") == 2
    assert value(own, "portwatch_scheduler_lag_seconds_sum") == 0.3
    assert value(own, "portwatch_event_loop_lag_seconds_bucket", le="60.0") == 0
    assert value(own, "portwatch_event_loop_lag_seconds_bucket", le="+Inf") == 1
    assert value(own, "portwatch_scheduler_rounds_skipped_total") == 1
    assert value(own, "portwatch_scheduler_in_flight") == 17
    assert value(own, "portwatch_schools") == 3


def test_a_failed_reload_keeps_the_time_of_the_last_good_one() -> None:
    own = OwnMetrics()
    own.reloaded(ok=True, at=1_700_000_000.0)
    own.reloaded(ok=False, at=1_700_000_060.0)
    assert value(own, "portwatch_config_last_reload_successful") == 0
    assert value(own, "portwatch_config_last_reload_success_timestamp_seconds") == 1_700_000_000.0


def test_a_refused_web_configuration_is_told_of() -> None:
    own = OwnMetrics()
    assert value(own, "portwatch_web_config_last_reload_successful") == 1
    own.web_config(ok=False)
    assert value(own, "portwatch_web_config_last_reload_successful") == 0


def test_the_monitors_own_state() -> None:
    own = OwnMetrics()
    own.isolated(isolated=True)
    own.storage(ok=True)
    own.canary("192.0.2.10:443", up=False)
    own.control(25, up=True)
    assert value(own, "portwatch_monitor_isolated") == 1
    assert value(own, "portwatch_storage_ok") == 1
    assert value(own, "portwatch_monitor_canary_up", canary="192.0.2.10:443") == 0
    assert value(own, "portwatch_monitor_control_up", port="25") == 1
    own.forget_monitor()
    assert value(own, "portwatch_monitor_control_up", port="25") is None


def test_the_build_and_the_process() -> None:
    families = read(OwnMetrics())
    (build,) = families["portwatch_build_info"].samples
    assert build.labels["version"] == __version__
    assert {"process_cpu_seconds", "process_resident_memory_bytes", "process_open_fds"} <= families.keys()


def test_only_what_the_catalogue_and_the_process_name() -> None:
    own = OwnMetrics()
    own.count("smtp", REFUSED)
    stems = {family.stem for family in OWN}
    assert {name for name in read(own) if not name.startswith("process_")} == stems


def test_both_formats_say_the_same() -> None:
    own = OwnMetrics()
    own.count("smtp", REFUSED)
    own.round_started(0.25)
    text = told(m for m in read(own).values() if not m.name.startswith("process_"))
    body = b"".join(own.pieces(Wish(openmetrics=True))).decode() + "# EOF\n"
    assert body.count("# EOF") == 1
    assert told(m for m in openmetrics_families(body) if not m.name.startswith("process_")) == text


@pytest.mark.parametrize(
    ("asked", "families"),
    [
        ("portwatch_probes_total", {"portwatch_probes"}),
        ("portwatch_probes", {"portwatch_probes"}),
        ("process_open_fds", {"process_open_fds"}),
        ("portwatch_scheduler_lag_seconds_bucket", {"portwatch_scheduler_lag_seconds"}),
        ("portwatch_port_up", set()),
    ],
)
def test_names_filter_families(asked: str, families: set[str]) -> None:
    own = OwnMetrics()
    own.count("smtp", WELL)
    assert read(own, Wish(names=frozenset({asked}))).keys() == families


def test_a_list_of_schools_keeps_the_time_of_its_last_success() -> None:
    own = OwnMetrics()
    own.discovered("targets/*.json", 100.0, ok=True, schools=7, refused=1, held_back=0)
    own.discovered("targets/*.json", 200.0, ok=False, schools=7, refused=1, held_back=4)
    name = "portwatch_discovery"
    assert value(own, f"{name}_last_success_timestamp_seconds", source="targets/*.json") == 100
    assert value(own, f"{name}_held_back", source="targets/*.json") == 4
    assert value(own, f"{name}_ok", source="targets/*.json") == 0
    own.forget_source("targets/*.json")
    own.forget_source("never seen")
    assert value(own, f"{name}_schools", source="targets/*.json") is None
