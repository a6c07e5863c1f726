"""The catalogue: every metric family with its type, help and labels. Headers, documentation and tests come from it."""

from __future__ import annotations

from collections.abc import Iterable

from portwatchd.metrics.family import Kind
from portwatchd.metrics.family import MetricFamily as MetricFamily  # noqa: PLC0414 - who reads families needs its type
from portwatchd.metrics.operation import OPERATION

PORT = ("school", "family", "port", "port_name")
"""The labels of a port's series. Only these, so that series stay few: other facts are on `portwatch_school_info`."""

PORT_UP = MetricFamily(
    "portwatch_port_up",
    Kind.GAUGE,
    "Whether the service answers properly from outside (a range: all known ports are forwarded); absent if not known.",
    PORT,
)
PORT_FORWARDED = MetricFamily(
    "portwatch_port_forwarded",
    Kind.GAUGE,
    "Whether the router forwards the port; absent while not known.",
    PORT,
)
PORT_VERDICT = MetricFamily(
    "portwatch_port_verdict",
    Kind.GAUGE,
    "The judgement on the port and how it is proven; only the present one is exported.",
    (*PORT, "verdict", "proof"),
)
PORT_VERDICT_SINCE = MetricFamily(
    "portwatch_port_verdict_since_timestamp_seconds",
    Kind.GAUGE,
    "Since when the verdict holds, in Unix time.",
    PORT,
)
PORT_DURATION = MetricFamily(
    "portwatch_port_duration_seconds",
    Kind.GAUGE,
    "How long the last probe took in whole.",
    PORT,
)
PORT_REQUIRED = MetricFamily(
    "portwatch_port_required",
    Kind.GAUGE,
    "Whether the school's profile requires the port.",
    PORT,
)
PORT_POLICY_OK = MetricFamily(
    "portwatch_port_policy_ok",
    Kind.GAUGE,
    "Whether the service keeps the policy; absent while not tested.",
    (*PORT, "policy"),
)
CERTIFICATE_NOT_BEFORE = MetricFamily(
    "portwatch_port_certificate_not_before_timestamp_seconds",
    Kind.GAUGE,
    "From when the certificate is valid, in Unix time; exported for invalid certificates too.",
    PORT,
)
CERTIFICATE_NOT_AFTER = MetricFamily(
    "portwatch_port_certificate_not_after_timestamp_seconds",
    Kind.GAUGE,
    "Until when the certificate is valid, in Unix time; exported for invalid certificates too.",
    PORT,
)
RANGE_PORTS = MetricFamily(
    "portwatch_range_ports",
    Kind.GAUGE,
    "The ports of a range that are forwarded, lost or not known.",
    (*PORT, "state"),
)

SCHOOL_INFO = MetricFamily(
    "portwatch_school_info",
    Kind.GAUGE,
    "Who is watched: host, profile and the school's own labels, for joining.",
    ("school", "host", "profile"),
)
SCHOOL_DIAGNOSIS = MetricFamily(
    "portwatch_school_diagnosis",
    Kind.GAUGE,
    "The judgement on the school; only the present one is exported.",
    ("school", "diagnosis"),
)
SCHOOL_DIAGNOSIS_SINCE = MetricFamily(
    "portwatch_school_diagnosis_since_timestamp_seconds",
    Kind.GAUGE,
    "Since when the diagnosis holds, in Unix time.",
    ("school",),
)
SCHOOL_LAST_ROUND = MetricFamily(
    "portwatch_school_last_round_timestamp_seconds",
    Kind.GAUGE,
    "When the last round of the school's ports was done, in Unix time.",
    ("school",),
)
SCHOOL_ADDRESS = MetricFamily(
    "portwatch_school_address_info",
    Kind.GAUGE,
    "The addresses that the school is watched at.",
    ("school", "family", "address"),
)
SCHOOL_ADDRESS_CHANGES = MetricFamily(
    "portwatch_school_address_changes_total",
    Kind.COUNTER,
    "Changes of the school's addresses since the daemon started.",
    ("school", "family"),
)
SCHOOL_EXPOSED_HOST = MetricFamily(
    "portwatch_school_exposed_host",
    Kind.GAUGE,
    "Whether the router forwards every port to the server; absent while not known.",
    ("school", "family"),
)

PORTS = (
    PORT_UP,
    PORT_FORWARDED,
    PORT_VERDICT,
    PORT_VERDICT_SINCE,
    PORT_DURATION,
    PORT_REQUIRED,
    PORT_POLICY_OK,
    CERTIFICATE_NOT_BEFORE,
    CERTIFICATE_NOT_AFTER,
    RANGE_PORTS,
)
SCHOOLS = (
    SCHOOL_INFO,
    SCHOOL_DIAGNOSIS,
    SCHOOL_DIAGNOSIS_SINCE,
    SCHOOL_LAST_ROUND,
    SCHOOL_ADDRESS,
    SCHOOL_ADDRESS_CHANGES,
    SCHOOL_EXPOSED_HOST,
)

PROBES = MetricFamily("portwatch_probes_total", Kind.COUNTER, "Probes made, re-probes included.", ("port_name",))
PROBE_FAILURES = MetricFamily(
    "portwatch_probe_failures_total",
    Kind.COUNTER,
    "Probes that did not end well, by what happened on the wire.",
    ("port_name", "outcome"),
)
PROBE_DURATION = MetricFamily(
    "portwatch_probe_duration_seconds",
    Kind.HISTOGRAM,
    "How long the stages of probes took.",
    ("port_name", "stage"),
)
PROBE_DURATION_OF_SCHOOLS = MetricFamily(
    PROBE_DURATION.name,
    Kind.HISTOGRAM,
    PROBE_DURATION.help,
    ("school", *PROBE_DURATION.labels),
)
"""In the place of PROBE_DURATION where the configuration says `latency_histograms: school`."""
MONITOR_ISOLATED = MetricFamily(
    "portwatch_monitor_isolated",
    Kind.GAUGE,
    "Whether the monitor itself is cut off, so that it judges no school.",
)
MONITOR_CANARY_UP = MetricFamily(
    "portwatch_monitor_canary_up",
    Kind.GAUGE,
    "Whether a host that is always reachable is reached.",
    ("canary",),
)
MONITOR_CONTROL_UP = MetricFamily(
    "portwatch_monitor_control_up",
    Kind.GAUGE,
    "Whether a host that surely answers on this port is reached from here.",
    ("port",),
)
SCHEDULER_IN_FLIGHT = MetricFamily("portwatch_scheduler_in_flight", Kind.GAUGE, "Probes in flight.")
SCHEDULER_LAG = MetricFamily(
    "portwatch_scheduler_lag_seconds",
    Kind.HISTOGRAM,
    "How long after its slot a round began.",
)
SCHEDULER_SKIPPED = MetricFamily(
    "portwatch_scheduler_rounds_skipped_total",
    Kind.COUNTER,
    "Rounds left out because the one before was still running.",
)
EVENT_LOOP_LAG = MetricFamily(
    "portwatch_event_loop_lag_seconds",
    Kind.HISTOGRAM,
    "How much later than asked the event loop woke up.",
)
SCHOOLS_WATCHED = MetricFamily("portwatch_schools", Kind.GAUGE, "Schools that are watched.")
BUILD_INFO = MetricFamily(
    "portwatch_build_info",
    Kind.GAUGE,
    "The version of portwatchd, and what it runs on.",
    ("version", "python"),
)
CONFIG_RELOAD_OK = MetricFamily(
    "portwatch_config_last_reload_successful",
    Kind.GAUGE,
    "Whether the last reading of the configuration succeeded.",
)
CONFIG_RELOAD_AT = MetricFamily(
    "portwatch_config_last_reload_success_timestamp_seconds",
    Kind.GAUGE,
    "When the configuration was last read with success, in Unix time.",
)
WEB_CONFIG_OK = MetricFamily(
    "portwatch_web_config_last_reload_successful",
    Kind.GAUGE,
    "Whether the last reading of the file of --web.config.file succeeded; 1 without one.",
)
STORAGE_OK = MetricFamily("portwatch_storage_ok", Kind.GAUGE, "Whether the memory over restarts can be written.")

OWN = (
    PROBES,
    PROBE_FAILURES,
    PROBE_DURATION,
    MONITOR_ISOLATED,
    MONITOR_CANARY_UP,
    MONITOR_CONTROL_UP,
    SCHEDULER_IN_FLIGHT,
    SCHEDULER_LAG,
    SCHEDULER_SKIPPED,
    EVENT_LOOP_LAG,
    SCHOOLS_WATCHED,
    BUILD_INFO,
    CONFIG_RELOAD_OK,
    CONFIG_RELOAD_AT,
    WEB_CONFIG_OK,
    STORAGE_OK,
    *OPERATION,
)
CATALOGUE = (*PORTS, *SCHOOLS, *OWN)


def markdown(families: Iterable[MetricFamily] = CATALOGUE) -> str:
    """Return the families as a table in Markdown."""
    rows = ["| metric | type | labels | says |", "|---|---|---|---|"]
    rows += [f"| `{f.name}` | {f.kind} | {' '.join(f'`{label}`' for label in f.labels)} | {f.help} |" for f in families]
    return "\n".join(rows) + "\n"
