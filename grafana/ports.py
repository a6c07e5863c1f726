"""One service over all schools: where it is lost, how fast it answers, and how its verdicts are known."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard

from portwatchd.metrics import families

from .fleet import LOST_COLUMNS, SCHOOL_LINK, lost_ports
from .parts import (
    DISTRICT,
    INSTANCE,
    JOB,
    NONE_IS_WELL,
    ROWS,
    SCHOOLS,
    Column,
    Looks,
    Query,
    bars,
    board,
    curves,
    figure,
    heat_map,
    monitor_annotation,
    numbered,
    rows,
    variable,
)
from .promql import LOST, MONITOR, of_district, or_none, schools, select, with_district, with_runbook
from .words import GREEN, ORANGE, PROOFS, RED, VERDICTS, plain

UID = "portwatch-ports"
SERVICE = 'port_name="$port_name"'
CHOSEN = (SERVICE, 'school=~"$school"')
TOLD = 'verdict!~"ok|unused"'
WHOLE, CHOSEN_STAGE = 'stage="total"', 'stage="$stage"'
PORT_NAME = variable(
    "port_name",
    "Service",
    "The name of a service in the profiles",
    f"label_values(portwatch_probes_total{{{MONITOR}}}, port_name)",
    everything=None,
)
STAGE = variable(
    "stage",
    "Stage",
    "The part of a probe's time that the heat map shows",
    f"label_values(portwatch_probe_duration_seconds_count{{{MONITOR}}}, stage)",
    everything=None,
).current(dashboard.VariableOption(selected=True, text="total", value="total"))
SHARE = ((None, RED), (0.9, ORANGE), (0.98, GREEN))


def build(runbooks: str) -> dashboard.Dashboard:
    """Return the dashboard."""
    up = of_district(select(families.PORT_UP, *CHOSEN))
    verdicts = of_district(select(families.PORT_VERDICT, *CHOSEN))
    lost = of_district(select(families.PORT_VERDICT, LOST, *CHOSEN))
    rate = f"rate({select(families.PROBE_DURATION, SERVICE, end='_bucket')}[$__rate_interval])"
    share = Looks(width=4, height=4, unit="percentunit", decimals=1, maximum=1, thresholds=SHARE)
    made = board(
        UID,
        "portwatch / Ports",
        "One service over all schools of the chosen districts",
        (JOB, INSTANCE, DISTRICT, SCHOOLS, PORT_NAME, STAGE),
        runbooks,
    ).annotation(monitor_annotation())
    return numbered(
        made.with_panel(
            figure(
                "Schools",
                "Schools whose profile has the service.",
                Query(schools(of_district(select(families.PORT_REQUIRED, *CHOSEN)))),
                Looks(width=4, height=4),
            ),
        )
        .with_panel(
            figure(
                "Well",
                "Share of the ports that could be judged at which the service answers.",
                Query(f"avg({up})"),
                share,
            ),
        )
        .with_panel(
            figure(
                "Forwarded",
                "Share of the ports of which it is known that the router forwards them.",
                Query(f"avg({of_district(select(families.PORT_FORWARDED, *CHOSEN))})"),
                share,
            ),
        )
        .with_panel(
            figure(
                "Not well",
                "Ports that are neither well nor unused nor not judged.",
                Query(or_none(f"count({lost})")),
                Looks(width=4, height=4, thresholds=NONE_IS_WELL),
            ),
        )
        .with_panel(
            figure(
                "Probes",
                "Probes of this service a second, re-probes included, over all schools of the chosen monitors.",
                Query(f"sum(rate({select(families.PROBES, SERVICE)}[$__rate_interval]))"),
                Looks(width=4, height=4, unit="cps"),
            ),
        )
        .with_panel(
            figure(
                "Slow answers",
                "The time within which 95 of 100 probes end, over all schools of the chosen monitors.",
                Query(
                    "histogram_quantile(0.95, sum by (le) (rate("
                    f"{select(families.PROBE_DURATION, SERVICE, WHOLE, end='_bucket')}"
                    "[$__rate_interval])))"
                ),
                Looks(width=4, height=4, unit="s", thresholds=((None, GREEN), (2, ORANGE), (5, RED))),
            ),
        )
        .with_panel(
            curves(
                "Verdicts that are not ok",
                "Ports by verdict over time; those that are well or unused are left out.",
                [
                    Query(
                        f"count by (verdict) ({of_district(select(families.PORT_VERDICT, *CHOSEN, TOLD))})",
                        "{{verdict}}",
                    ),
                ],
                Looks(width=12, height=9, colours=plain(VERDICTS)),
                stacked=True,
            ),
        )
        .with_panel(
            bars(
                "Verdicts now",
                "All ports of the service by verdict.",
                [Query(f"sort_desc(count by (verdict) ({verdicts}))", "{{verdict}}")],
                Looks(width=6, height=9, colours=plain(VERDICTS)),
            ),
        )
        .with_panel(
            bars(
                "How it is known",
                "By which proof the verdicts are known. `answer`: the service answered; `contrast`: only by comparison "
                "with other ports.",
                [Query(f"sort_desc(count by (proof) ({verdicts}))", "{{proof}}")],
                Looks(width=6, height=9, colours=plain(PROOFS)),
            ),
        )
        .with_panel(
            heat_map(
                "Latency of $stage",
                "How many probes a second took how long, over all schools of the chosen monitors.",
                Query(
                    "sum by (le) (rate("
                    f"{select(families.PROBE_DURATION, SERVICE, CHOSEN_STAGE, end='_bucket')}[$__rate_interval]))",
                    "{{le}}",
                ),
                Looks(width=12, height=10, unit="s"),
            ),
        )
        .with_panel(
            curves(
                "Latency by stage",
                "The median and the time within which 95 of 100 probes passed the stage.",
                [
                    Query(f"histogram_quantile(0.5, sum by (le, stage) ({rate}))", "{{stage}}: half"),
                    Query(f"histogram_quantile(0.95, sum by (le, stage) ({rate}))", "{{stage}}: 95 of 100"),
                ],
                Looks(width=12, height=10, unit="s"),
            ),
        )
        .with_panel(
            curves(
                "Probes that fail, by outcome",
                "What happened on the wire, before any judgement.",
                [
                    Query(
                        f"sum by (outcome) (rate({select(families.PROBE_FAILURES, SERVICE)}[$__rate_interval])) > 0",
                        "{{outcome}}",
                    ),
                ],
                Looks(width=12, height=9, unit="cps", none="no probe failed"),
                stacked=True,
            ),
        )
        .with_panel(
            bars(
                "Well by district (the worst 30)",
                "Share of the ports at which the service answers.",
                [
                    Query(
                        f"bottomk(30, avg by (district) ({with_district(select(families.PORT_UP, *CHOSEN))}))",
                        "{{district}}",
                    ),
                ],
                Looks(width=12, height=9, unit="percentunit", decimals=1, maximum=1, thresholds=SHARE),
            ),
        )
        .with_panel(
            rows(
                f"Lost now (the newest {ROWS})",
                "Schools at which the service is not well, the newest loss first. The verdict leads to the runbook.",
                [Query(with_runbook(f"topk({ROWS}, {lost_ports(*CHOSEN)} * 1000)"))],
                LOST_COLUMNS,
                sort=("Since", True),
                looks=Looks(width=24, height=9, minimum=None),
            ),
        )
        .with_panel(
            rows(
                "Slowest schools (20)",
                "By the last probe in whole.",
                [Query(f"topk(20, {of_district(select(families.PORT_DURATION, *CHOSEN))})")],
                {
                    "school": Column("School", link=SCHOOL_LINK),
                    "family": Column("Family", width=80),
                    "port": Column("Port", width=110),
                    "Value": Column("Last probe", unit="s", thresholds=((None, GREEN), (2, ORANGE), (5, RED))),
                },
                sort=("Last probe", True),
                looks=Looks(width=12, height=9),
            ),
        )
        .with_panel(
            bars(
                "Policies kept",
                "Share of the ports that keep each policy, of those where it was tested.",
                [
                    Query(
                        f"avg by (policy) ({of_district(select(families.PORT_POLICY_OK, *CHOSEN))})",
                        "{{policy}}",
                    ),
                ],
                Looks(
                    width=6,
                    height=9,
                    unit="percentunit",
                    decimals=1,
                    maximum=1,
                    thresholds=SHARE,
                    none="no policy is asked of this service",
                ),
            ),
        )
        .with_panel(
            bars(
                "Services compared",
                "Schools at which each service is lost, to see whether this one stands out.",
                [
                    Query(
                        "topk(20, count by (port_name) (group by (school, port_name) "
                        f"({of_district(select(families.PORT_VERDICT, LOST, CHOSEN[1]))})))",
                        "{{port_name}}",
                    ),
                ],
                Looks(width=6, height=9, thresholds=((None, RED),)),
            ),
        ),
    )
