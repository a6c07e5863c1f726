"""The daemon's figures of itself: probes, scheduler, event loop, configuration, storage, process."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from portwatchd import __version__
from portwatchd.metrics import families, operation
from portwatchd.metrics.family import MetricFamily
from portwatchd.metrics.histogram import Child, Histogram
from portwatchd.metrics.negotiation import Wish
from portwatchd.model import Observation, Outcome, Report, Stage
from portwatchd.shard import Shard

PROBE_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
"""Seconds: from a connect in the same town to a probe's whole time-out."""
LAG_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
"""Seconds: from a loop on time to a slot missed by an interval."""

FAILURES = tuple(outcome for outcome in Outcome if outcome is not Outcome.OK)


def _named(family: MetricFamily) -> tuple[str, str, tuple[str, ...]]:
    """The arguments that prometheus_client takes first."""
    return family.name, family.help, family.labels


class OwnMetrics:
    """What the rooms say of their work, and its text for a scrape. Its samples come after the schools'."""

    def __init__(self, *, by_school: bool = False) -> None:
        """`by_school` puts the school on the latency histograms too: 70 series for each of its services."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._by_school = by_school
        self._registry = registry = CollectorRegistry()
        self._probes = Counter(*_named(families.PROBES), registry=registry)
        self._failures = Counter(*_named(families.PROBE_FAILURES), registry=registry)
        family = families.PROBE_DURATION_OF_SCHOOLS if by_school else families.PROBE_DURATION
        self._durations = Histogram(family, PROBE_BOUNDS)
        self._counted: dict[str, tuple[Counter, dict[Outcome, Counter]]] = {}
        self._timed: dict[tuple[str, ...], dict[Stage, Child]] = {}

        self._isolated = Gauge(*_named(families.MONITOR_ISOLATED), registry=registry)
        self._canaries = Gauge(*_named(families.MONITOR_CANARY_UP), registry=registry)
        self._controls = Gauge(*_named(families.MONITOR_CONTROL_UP), registry=registry)
        self._in_flight = Gauge(*_named(families.SCHEDULER_IN_FLIGHT), registry=registry)
        self._lags = Histogram(families.SCHEDULER_LAG, LAG_BOUNDS)
        self._lag = self._lags.child()
        self._skipped = Counter(*_named(families.SCHEDULER_SKIPPED), registry=registry)
        self._loop_lags = Histogram(families.EVENT_LOOP_LAG, LAG_BOUNDS)
        self._loop_lag = self._loop_lags.child()
        self._schools = Gauge(*_named(families.SCHOOLS_WATCHED), registry=registry)
        self._shard = Gauge(*_named(operation.SHARD_INFO), registry=registry)
        self._dropped = Counter(*_named(operation.LOG_DROPPED), registry=registry)
        self._lists = {family: Gauge(*_named(family), registry=registry) for family in operation.DISCOVERY}
        Gauge(*_named(families.BUILD_INFO), registry=registry).labels(__version__, platform.python_version()).set(1)
        self._reload_ok = Gauge(*_named(families.CONFIG_RELOAD_OK), registry=registry)
        self._reload_at = Gauge(*_named(families.CONFIG_RELOAD_AT), registry=registry)
        self._web_config_ok = Gauge(*_named(families.WEB_CONFIG_OK), registry=registry)
        self._web_config_ok.set(1)
        self._storage_ok = Gauge(*_named(families.STORAGE_OK), registry=registry)
        ProcessCollector(registry=registry)

    def report(self, report: Report) -> None:
        """Count every probe that the report tells of."""
        for service_name, observation in report.observations:
            self.count(service_name, observation, report.school.name)

    def count(self, service_name: str, observation: Observation, school: str = "") -> None:
        """Count one probe. One that the monitor spoilt itself is a probe, and says nothing else."""
        counted = self._counted.get(service_name)
        if counted is None:
            # Every outcome begins at 0: a counter that begins at 1 shows no increase.
            failures: dict[Outcome, Counter] = {
                outcome: self._failures.labels(service_name, outcome.value) for outcome in FAILURES
            }
            counted = self._counted[service_name] = (self._probes.labels(service_name), failures)
        counted[0].inc()
        if observation.void:
            return
        if observation.outcome is not Outcome.OK:
            counted[1][observation.outcome].inc()
        key = (school, service_name) if self._by_school else (service_name,)
        timed = self._timed.get(key)
        if timed is None:
            timed = self._timed[key] = {}
        for stage, seconds in observation.stages:
            child = timed.get(stage)
            if child is None:
                child = timed[stage] = self._durations.child(*key, stage.value)
            child.observe(seconds)

    def forget(self, school: str) -> None:
        """Export nothing more of a school that is watched no longer."""
        if self._by_school:
            self._durations.forget(school)
            for key in [key for key in self._timed if key[0] == school]:
                del self._timed[key]

    def round_started(self, lag: float) -> None:
        """A round began so many seconds after its slot."""
        self._lag.observe(max(lag, 0.0))

    def skipped(self) -> None:
        """A round was left out: the one before was still running."""
        self._skipped.inc()

    def in_flight(self, probes: int) -> None:
        """So many probes are in flight."""
        self._in_flight.set(probes)

    def loop_lag(self, seconds: float) -> None:
        """The event loop woke up so many seconds late."""
        self._loop_lag.observe(max(seconds, 0.0))

    def schools(self, watched: int) -> None:
        """So many schools are watched."""
        self._schools.set(watched)

    def shard(self, shard: Shard) -> None:
        """This share of the schools is watched."""
        self._shard.labels(str(shard.number), str(shard.total)).set(1)

    def line_dropped(self) -> None:
        """A line of the log was dropped. Any thread may say so."""
        self._dropped.inc()

    def discovered(self, source: str, at: float, *, ok: bool, schools: int, refused: int, held_back: int) -> None:
        """A list of schools was read, or could not be, at this Unix time."""
        figures: dict[MetricFamily, float] = {
            operation.DISCOVERY_OK: ok,
            operation.DISCOVERY_SCHOOLS: schools,
            operation.DISCOVERY_REFUSED: refused,
            operation.DISCOVERY_HELD_BACK: held_back,
        }
        if ok:
            figures[operation.DISCOVERY_SUCCESS_AT] = at
        for family, figure in figures.items():
            self._lists[family].labels(source).set(figure)

    def forget_source(self, source: str) -> None:
        """A list of schools is read no longer."""
        for gauge in self._lists.values():
            with contextlib.suppress(KeyError):
                gauge.remove(source)

    def reloaded(self, ok: bool, at: float) -> None:  # noqa: FBT001 - what a gauge is set to
        """The configuration was read, with this success, at this Unix time."""
        self._reload_ok.set(ok)
        if ok:
            self._reload_at.set(at)

    def web_config(self, ok: bool) -> None:  # noqa: FBT001 - what a gauge is set to
        """The file that says who may ask was read, with this success."""
        self._web_config_ok.set(ok)

    def storage(self, ok: bool) -> None:  # noqa: FBT001 - what a gauge is set to
        """The memory over restarts can be written, or not."""
        self._storage_ok.set(ok)

    def isolated(self, isolated: bool) -> None:  # noqa: FBT001 - what a gauge is set to
        """The monitor is cut off, or not."""
        self._isolated.set(isolated)

    def canary(self, name: str, up: bool) -> None:  # noqa: FBT001 - what a gauge is set to
        """A canary is reached, or not."""
        self._canaries.labels(name).set(up)

    def control(self, port: int, up: bool) -> None:  # noqa: FBT001 - what a gauge is set to
        """The control of a port is reached, or not."""
        self._controls.labels(str(port)).set(up)

    def forget_monitor(self) -> None:
        """Forget canaries and controls; those that a new configuration names are said anew."""
        self._canaries.clear()
        self._controls.clear()

    def pieces(self, wish: Wish) -> Iterator[bytes]:
        """Yield the families that are wished for, none of whose pieces takes more than some milliseconds to make."""
        for histogram in (self._durations, self._lags, self._loop_lags):
            if histogram.family.wanted(wish.names):
                yield from histogram.pieces(openmetrics=wish.openmetrics)
        for metric in self._registry.collect():
            if not wish.names or metric.name in wish.names or any(s.name in wish.names for s in metric.samples):
                yield _text(metric, openmetrics=wish.openmetrics)


class _One(Collector):
    """A family as prometheus_client's writers take it."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


def _text(metric: Metric, *, openmetrics: bool) -> bytes:
    write = generate_openmetrics if openmetrics else generate_latest
    text: bytes = write(_One(metric))
    return text.removesuffix(b"# EOF\n")
