"""The monitor itself: does it see the outside, does it keep its times, and what does it cost."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard

from portwatchd.metrics import families, operation

from .fleet import SCHOOL_LINK
from .parts import (
    FEW_IS_WELL,
    INSTANCE,
    JOB,
    NONE_IS_WELL,
    Column,
    Looks,
    Query,
    board,
    curves,
    figure,
    monitor_annotation,
    numbered,
    rows,
    timeline,
)
from .promql import MONITOR, select
from .words import GREEN, HOLDS, ORANGE, RED

UID = "portwatch-monitor"
SEEN = Looks(width=8, height=8, mappings=(HOLDS,), thresholds=((None, RED), (1, GREEN)), maximum=1)

LISTS = (
    ("min", operation.DISCOVERY_OK, ""),
    ("max", operation.DISCOVERY_SUCCESS_AT, " * 1000"),
    ("max", operation.DISCOVERY_SCHOOLS, ""),
    ("max", operation.DISCOVERY_REFUSED, ""),
    ("max", operation.DISCOVERY_HELD_BACK, ""),
)
"""What is shown of a list of schools, a column each."""


def lag(family: families.MetricFamily, quantile: float) -> str:
    """Return the time within which the share of waits ended."""
    rate = f"rate({select(family, end='_bucket')}[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by (le, instance) ({rate}))"


def build(runbooks: str) -> dashboard.Dashboard:
    """Return the dashboard."""
    small = Looks(width=3, height=4)
    holds = Looks(width=3, height=4, mappings=(HOLDS,), thresholds=((None, RED), (1, GREEN)), maximum=1)
    made = board(
        UID,
        "portwatch / Monitor",
        "portwatchd itself: does it see the outside, does it keep its times, what does it cost",
        (JOB, INSTANCE),
        runbooks,
    ).annotation(monitor_annotation())
    return numbered(
        made.with_panel(
            figure(
                "Scraped",
                "Whether Prometheus reaches every chosen monitor.",
                Query(f"min(up{{{MONITOR}}})"),
                holds,
            ),
        )
        .with_panel(
            figure(
                "Sees the outside",
                "No while a monitor is cut off: then it judges no school.",
                Query(f"1 - max({select(families.MONITOR_ISOLATED)})"),
                holds,
            ),
        )
        .with_panel(figure("Schools", "Schools watched.", Query(f"sum({select(families.SCHOOLS_WATCHED)})"), small))
        .with_panel(
            figure(
                "Rounds skipped",
                "In the chosen time: left out because the one before was still running.",
                Query(f"sum(increase({select(families.SCHEDULER_SKIPPED)}[$__range]))"),
                Looks(width=3, height=4, decimals=0, thresholds=FEW_IS_WELL),
            ),
        )
        .with_panel(
            figure(
                "Oldest round",
                "How long ago the school that waits longest was asked last.",
                Query(f"time() - min({select(families.SCHOOL_LAST_ROUND)})"),
                Looks(width=3, height=4, unit="s", decimals=0, thresholds=((None, GREEN), (180, ORANGE), (600, RED))),
            ),
        )
        .with_panel(
            figure(
                "Configuration read",
                "Whether the last reading of the configuration succeeded.",
                Query(f"min({select(families.CONFIG_RELOAD_OK)})"),
                holds,
            ),
        )
        .with_panel(
            figure(
                "Memory kept",
                "Whether the memory over restarts can be written.",
                Query(f"min({select(families.STORAGE_OK)})"),
                holds,
            ),
        )
        .with_panel(
            figure(
                "Blocked ports",
                "Controls that are lost: ports that this monitor reaches nowhere, so that it judges no school by them.",
                Query(f"count({select(families.MONITOR_CONTROL_UP)} == 0) or vector(0)"),
                Looks(
                    width=3,
                    height=4,
                    thresholds=NONE_IS_WELL,
                    link=("The runbook", "${runbooks}/PortwatchBlockedHere.md"),
                ),
            ),
        )
        .with_panel(
            timeline(
                "Sees the outside, over time",
                "No while a monitor is cut off itself.",
                [Query(f"1 - max by (instance) ({select(families.MONITOR_ISOLATED)})", "{{instance}}")],
                SEEN,
            ),
        )
        .with_panel(
            timeline(
                "Canaries",
                "Hosts that are always reachable. All lost: the monitor is isolated.",
                [Query(f"min by (canary) ({select(families.MONITOR_CANARY_UP)})", "{{canary}}")],
                SEEN,
            ),
        )
        .with_panel(
            timeline(
                "Controls",
                "Hosts that surely answer on a port. Lost: the port is blocked here, and no school is judged by it.",
                [Query(f"min by (port) ({select(families.MONITOR_CONTROL_UP)})", "port {{port}}")],
                SEEN,
            ),
        )
        .with_panel(
            curves(
                "Probes by service",
                "Probes a second, re-probes included.",
                [
                    Query(
                        f"topk(30, sum by (port_name) (rate({select(families.PROBES)}[$__rate_interval])))",
                        "{{port_name}}",
                    ),
                ],
                Looks(width=12, height=8, unit="cps"),
                stacked=True,
            ),
        )
        .with_panel(
            curves(
                "Failures by outcome",
                "Probes a second that did not end well. `local_error` is the monitor's own fault.",
                [
                    Query(
                        f"sum by (outcome) (rate({select(families.PROBE_FAILURES)}[$__rate_interval])) > 0",
                        "{{outcome}}",
                    ),
                ],
                Looks(width=12, height=8, unit="cps", none="no probe failed"),
                stacked=True,
            ),
        )
        .with_panel(
            curves(
                "Probes in flight",
                "Over all schools. At the bound of `concurrency`, rounds begin late.",
                [Query(f"sum by (instance) ({select(families.SCHEDULER_IN_FLIGHT)})", "{{instance}}")],
                Looks(width=8, height=8),
            ),
        )
        .with_panel(
            curves(
                "Rounds begin late",
                "How long after its slot a round began, half and 99 of 100.",
                [
                    Query(lag(families.SCHEDULER_LAG, 0.5), "{{instance}}: half"),
                    Query(lag(families.SCHEDULER_LAG, 0.99), "{{instance}}: 99 of 100"),
                ],
                Looks(width=8, height=8, unit="s"),
            ),
        )
        .with_panel(
            curves(
                "Event loop wakes late",
                "More than 0.1 s spoils measured latencies; more than some seconds spoils probes.",
                [
                    Query(lag(families.EVENT_LOOP_LAG, 0.5), "{{instance}}: half"),
                    Query(lag(families.EVENT_LOOP_LAG, 0.99), "{{instance}}: 99 of 100"),
                ],
                Looks(width=8, height=8, unit="s"),
            ),
        )
        .with_panel(
            curves(
                "Processor",
                "Cores in use. The daemon has one thread that matters: near 1 it is at its end, and needs shards.",
                [
                    Query(
                        f"sum by (instance) (rate(process_cpu_seconds_total{{{MONITOR}}}[$__rate_interval]))",
                        "{{instance}}",
                    ),
                ],
                Looks(width=8, height=8, decimals=2),
            ),
        )
        .with_panel(
            curves(
                "Memory",
                "Resident memory of the daemon.",
                [Query(f"max by (instance) (process_resident_memory_bytes{{{MONITOR}}})", "{{instance}}")],
                Looks(width=8, height=8, unit="bytes"),
            ),
        )
        .with_panel(
            curves(
                "Open files",
                "Descriptors in use, as a share of those allowed. Every probe in flight needs one.",
                [
                    Query(
                        f"max by (instance) (process_open_fds{{{MONITOR}}} / process_max_fds{{{MONITOR}}})",
                        "{{instance}}",
                    ),
                ],
                Looks(width=8, height=8, unit="percentunit"),
            ),
        )
        .with_panel(
            rows(
                "Rounds that are oldest (20)",
                "Schools that wait longest for their next round.",
                [Query(f"topk(20, time() - max by (school) ({select(families.SCHOOL_LAST_ROUND)}))")],
                {
                    "school": Column("School", link=SCHOOL_LINK),
                    "Value": Column("Since", unit="s", thresholds=((None, GREEN), (180, ORANGE), (600, RED))),
                },
                sort=("Since", True),
                looks=Looks(width=12, height=8),
            ),
        )
        .with_panel(
            rows(
                "Versions",
                "What runs where, and when the configuration was last read with success.",
                [
                    Query(f"group by (job, instance, version, python) ({select(families.BUILD_INFO)})"),
                    Query(f"max by (job, instance) ({select(families.CONFIG_RELOAD_AT)}) * 1000"),
                ],
                {
                    "job": Column("Job"),
                    "instance": Column("Instance"),
                    "version": Column("portwatchd"),
                    "python": Column("Python"),
                    "Value #B": Column("Configuration read", unit="dateTimeFromNow"),
                },
                looks=Looks(width=12, height=8, minimum=None),
            ),
        )
        .with_panel(
            rows(
                "Lists of schools",
                "Lists that file and HTTP service discovery bring. Held back: schools that a new list would drop, more "
                "than half; it waits for the next one.",
                [
                    Query(f"{how} by (job, instance, source) ({select(family)}){factor}")
                    for how, family, factor in LISTS
                ],
                {
                    "source": Column("List"),
                    "instance": Column("Instance"),
                    "Value #A": Column("Read", mapping=HOLDS, thresholds=((None, RED), (1, GREEN)), filled=True),
                    "Value #B": Column("Last read", unit="dateTimeFromNow"),
                    "Value #C": Column("Schools"),
                    "Value #D": Column("Refused", thresholds=FEW_IS_WELL, filled=True),
                    "Value #E": Column(
                        "Held back",
                        thresholds=NONE_IS_WELL,
                        filled=True,
                        link=("The runbook", "${runbooks}/PortwatchSchoolsDropped.md"),
                    ),
                },
                looks=Looks(width=24, height=7, minimum=None, none="no lists"),
            ),
        ),
    )
