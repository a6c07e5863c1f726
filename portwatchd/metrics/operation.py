"""The families that tell of the daemon's operation at large: who is found where, and which share of them is watched."""

from __future__ import annotations

from portwatchd.metrics.family import Kind, MetricFamily

DISCOVERY_OK = MetricFamily(
    "portwatch_discovery_ok",
    Kind.GAUGE,
    "Whether the last reading of a list of schools succeeded; the last good list is kept where not.",
    ("source",),
)
DISCOVERY_SUCCESS_AT = MetricFamily(
    "portwatch_discovery_last_success_timestamp_seconds",
    Kind.GAUGE,
    "When a list of schools was last read with success, in Unix time.",
    ("source",),
)
DISCOVERY_SCHOOLS = MetricFamily("portwatch_discovery_schools", Kind.GAUGE, "Schools on a list in force.", ("source",))
DISCOVERY_REFUSED = MetricFamily(
    "portwatch_discovery_refused_targets",
    Kind.GAUGE,
    "Targets on a list that cannot be watched as it says; the log says why.",
    ("source",),
)
DISCOVERY_HELD_BACK = MetricFamily(
    "portwatch_discovery_held_back",
    Kind.GAUGE,
    "Schools that a new list drops or makes unusable, more than half, until the next one confirms it; else 0.",
    ("source",),
)
DISCOVERY = (DISCOVERY_OK, DISCOVERY_SUCCESS_AT, DISCOVERY_SCHOOLS, DISCOVERY_REFUSED, DISCOVERY_HELD_BACK)
SHARD_INFO = MetricFamily(
    "portwatch_shard_info",
    Kind.GAUGE,
    "Which share of the schools this daemon watches: number `shard`, from 0, of `total_shards`.",
    ("shard", "total_shards"),
)
LOG_DROPPED = MetricFamily(
    "portwatch_log_lines_dropped_total",
    Kind.COUNTER,
    "Log lines that were dropped because nobody took those before.",
)
OPERATION = (*DISCOVERY, SHARD_INFO, LOG_DROPPED)
