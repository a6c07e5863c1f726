"""One school: every port over time, what is lost, how it is known, latency, certificates, policies, addresses."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard

from portwatchd.metrics import families

from .fleet import RUNBOOK_LINK
from .parts import (
    DAYS,
    DISTRICT,
    FEW_IS_WELL,
    INSTANCE,
    JOB,
    NONE_IS_WELL,
    SCHOOL,
    Column,
    Looks,
    Query,
    annotation,
    bars,
    board,
    curves,
    figure,
    monitor_annotation,
    numbered,
    rows,
    timeline,
)
from .promql import (
    LOST,
    PORT_ON,
    SCHOOL_ON,
    diagnosis_codes,
    or_none,
    select,
    verdict_codes,
    with_runbook,
)
from .words import (
    DIAGNOSIS_NUMBERS,
    GREEN,
    HOLDS,
    ORANGE,
    PLAIN_YES_NO,
    PROOF_WORDS,
    RED,
    VERDICT_NUMBERS,
    VERDICT_WORDS,
)

UID = "portwatch-school"
THIS = 'school="$school"'
PORT = "port_name, family, port"
STAGES = 'school=~"|$school"'
"""The histogram has the school on it only with `latency_histograms: school`; without, it tells of all schools."""


def build(runbooks: str) -> dashboard.Dashboard:
    """Return the dashboard."""
    this = {family: select(family, THIS) for family in (*families.PORTS, *families.SCHOOLS)}
    left = f"min by ({PORT}) ({this[families.CERTIFICATE_NOT_AFTER]}) - time()"
    verdict, since = this[families.PORT_VERDICT], this[families.PORT_VERDICT_SINCE]
    made = (
        board(
            UID,
            "portwatch / School",
            "One school: every port over time, what is lost, how it is known, and what to do",
            (JOB, INSTANCE, DISTRICT, SCHOOL),
            runbooks,
        )
        .annotation(monitor_annotation())
        .annotation(
            annotation(
                "Diagnoses",
                f"{this[families.SCHOOL_DIAGNOSIS]} * {SCHOOL_ON} group_left () "
                f"{this[families.SCHOOL_DIAGNOSIS_SINCE]} * 1000",
                "#3274D9",
                title="{{diagnosis}}",
                text="The diagnosis of {{school}} became {{diagnosis}}",
                at_value=True,
            ),
        )
        .annotation(
            annotation(
                "Transitions",
                f"{verdict} * {PORT_ON} group_left () {since} * 1000",
                "#FF9830",
                title="{{port_name}} ({{family}} {{port}}): {{verdict}}",
                text="proof: {{proof}}",
                at_value=True,
            ),
        )
    )
    return numbered(
        made.with_panel(
            figure(
                "Diagnosis",
                "The judgement on the school: the first that holds, from not judged to all well.",
                Query(f"max({diagnosis_codes(THIS)})"),
                Looks(width=6, height=4, mappings=(DIAGNOSIS_NUMBERS,)),
            ),
        )
        .with_panel(
            figure(
                "Since",
                "Since when the diagnosis holds.",
                Query(f"max({this[families.SCHOOL_DIAGNOSIS_SINCE]}) * 1000"),
                Looks(width=4, height=4, unit="dateTimeFromNow", minimum=None),
            ),
        )
        .with_panel(
            figure(
                "Required ports that are well",
                "Of the ports that the school's profile requires and that could be judged.",
                Query(f"avg({this[families.PORT_UP]} and {PORT_ON} {this[families.PORT_REQUIRED]} == 1)"),
                Looks(
                    width=4,
                    height=4,
                    unit="percentunit",
                    maximum=1,
                    decimals=0,
                    thresholds=((None, RED), (0.999, GREEN)),
                ),
            ),
        )
        .with_panel(
            figure(
                "Not well",
                "Ports that are neither well nor unused nor not judged.",
                Query(or_none(f"count({select(families.PORT_VERDICT, THIS, LOST)})")),
                Looks(width=3, height=4, thresholds=NONE_IS_WELL),
            ),
        )
        .with_panel(
            figure(
                "Last round",
                "How long ago all ports were asked last. The interval is 60 s unless the configuration says otherwise.",
                Query(f"time() - max({this[families.SCHOOL_LAST_ROUND]})"),
                Looks(width=3, height=4, unit="s", decimals=0, thresholds=((None, GREEN), (180, ORANGE), (600, RED))),
            ),
        )
        .with_panel(
            figure(
                "Address changes",
                "How often the school's addresses changed in the chosen time.",
                Query(or_none(f"sum(increase({this[families.SCHOOL_ADDRESS_CHANGES]}[$__range]))")),
                Looks(width=4, height=4, decimals=0, thresholds=FEW_IS_WELL),
            ),
        )
        .with_panel(
            timeline(
                "Diagnosis over time",
                "The judgement on the school; one row a monitor.",
                [Query(f"max by (instance) ({diagnosis_codes(THIS)})", "{{instance}}")],
                Looks(width=24, height=4, mappings=(DIAGNOSIS_NUMBERS,)),
            ),
        )
        .with_panel(
            timeline(
                "Ports over time",
                "The verdict on every port. Where two monitors differ, the worse one is shown.",
                [Query(f"max by ({PORT}) ({verdict_codes(THIS)})", "{{port_name}} {{family}} {{port}}")],
                Looks(width=24, height=15, mappings=(VERDICT_NUMBERS,)),
            ),
        )
        .with_panel(
            rows(
                "Ports now",
                "Every port with its verdict, by which proof it is known, and since when. The verdict leads to the "
                "runbook.",
                [
                    Query(
                        with_runbook(f"max by ({PORT}, verdict, proof) ({verdict} * {PORT_ON} group_left () {since})")
                        + " * 1000"
                    ),
                    Query(f"max by ({PORT}) ({this[families.PORT_REQUIRED]})"),
                    Query(f"max by ({PORT}) ({this[families.PORT_FORWARDED]})"),
                    Query(f"max by ({PORT}) ({this[families.PORT_DURATION]})"),
                ],
                {
                    "port_name": Column(
                        "Service",
                        link=(
                            "The service over all schools",
                            "/d/portwatch-ports?${datasource:queryparam}&var-port_name=${__value.text:percentencode}",
                        ),
                    ),
                    "family": Column("Family", width=70),
                    "port": Column("Port", width=110),
                    "verdict": Column("Verdict", mapping=VERDICT_WORDS, link=RUNBOOK_LINK, filled=True, width=130),
                    "proof": Column("Proof", mapping=PROOF_WORDS, width=90),
                    "Value #A": Column("Since", unit="dateTimeFromNow", width=130),
                    "Value #B": Column("Required", mapping=PLAIN_YES_NO, width=80),
                    "Value #C": Column("Forwarded", mapping=HOLDS, width=90, none="not known"),
                    "Value #D": Column("Last probe", unit="s", width=90),
                    "runbook": Column("Runbook", link=RUNBOOK_LINK),
                },
                sort=("Service", False),
                looks=Looks(width=24, height=13, minimum=None),
            ),
        )
        .with_panel(
            curves(
                "Last probe of each port",
                "How long the last probe took in whole, greeting and TLS included.",
                [Query(f"max by ({PORT}) ({this[families.PORT_DURATION]})", "{{port_name}} {{family}}")],
                Looks(width=12, height=9, unit="s"),
            ),
        )
        .with_panel(
            curves(
                "Latency by stage (95 of 100 probes)",
                "Where the time goes: name, connection, TLS, greeting, dialogue. With `latency_histograms: school` it "
                "is the school's own; with the default it is that of all schools, to compare with.",
                [
                    Query(
                        "histogram_quantile(0.95, sum by (le, stage) (rate("
                        f"{select(families.PROBE_DURATION, STAGES, end='_bucket')}[$__rate_interval])))",
                        "{{stage}}",
                    ),
                ],
                Looks(width=12, height=9, unit="s"),
            ),
        )
        .with_panel(
            bars(
                "Certificates: time left",
                "Until the certificate of each service ends. Green: more than 30 days; red: less than 14.",
                [Query(f"sort({left})", "{{port_name}} {{family}}")],
                Looks(width=8, height=10, unit="s", minimum=None, decimals=0, thresholds=DAYS),
            ),
        )
        .with_panel(
            rows(
                "Policies now",
                "What each service must keep beyond answering; a gap: not asked of this service, or not tested yet.",
                [Query(f"min by (port_name, policy) ({this[families.PORT_POLICY_OK]})")],
                {},
                matrix=("port_name", "policy"),
                looks=Looks(
                    width=16,
                    height=10,
                    mappings=(HOLDS,),
                    thresholds=((None, RED), (1, GREEN)),
                ),
            ),
        )
        .with_panel(
            timeline(
                "Policies over time",
                "Whether each policy held at every service that is asked for it.",
                [Query(f"min by (policy) ({this[families.PORT_POLICY_OK]})", "{{policy}}")],
                Looks(width=12, height=8, mappings=(HOLDS,), thresholds=((None, RED), (1, GREEN)), maximum=1),
            ),
        )
        .with_panel(
            curves(
                "Ports of ranges",
                "How many ports of a range are forwarded, lost or not known (FTP: 63000-63099).",
                [
                    Query(
                        f"max by (port_name, family, state) ({this[families.RANGE_PORTS]})",
                        "{{port_name}} {{family}}: {{state}}",
                    ),
                ],
                Looks(width=12, height=8),
            ),
        )
        .with_panel(
            rows(
                "Addresses",
                "Where the school is watched.",
                [Query(f"max by (family, address) ({this[families.SCHOOL_ADDRESS]})")],
                {"family": Column("Family", width=80), "address": Column("Address")},
                looks=Looks(width=8, height=6),
            ),
        )
        .with_panel(
            timeline(
                "Exposed host",
                "Whether the router forwards every port to the server, the recommended set-up. Empty while not known.",
                [Query(f"min by (family) ({this[families.SCHOOL_EXPOSED_HOST]})", "{{family}}")],
                Looks(
                    width=8,
                    height=6,
                    mappings=(PLAIN_YES_NO,),
                    thresholds=((None, ORANGE), (1, GREEN)),
                    maximum=1,
                    none="not known",
                ),
            ),
        )
        .with_panel(
            rows(
                "Who it is",
                "What the configuration says of the school.",
                [Query(f"group by (school, host, profile, district) ({this[families.SCHOOL_INFO]})")],
                {
                    "school": Column("School"),
                    "host": Column("Host"),
                    "profile": Column("Profile"),
                    "district": Column("District"),
                },
                looks=Looks(width=8, height=6),
            ),
        ),
    )
