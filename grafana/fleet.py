"""The fleet: how many schools are well, what is lost now, where, and since when."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard

from portwatchd.metrics import families

from .parts import (
    DISTRICT,
    FEW_IS_WELL,
    INSTANCE,
    JOB,
    NONE_IS_WELL,
    ROWS,
    Column,
    Looks,
    Query,
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
    EXPIRING_DAYS,
    LOST,
    MONITOR,
    PORT_ON,
    SCHOOL_ON,
    info,
    of_district,
    or_none,
    schools,
    select,
    with_district,
    with_runbook,
)
from .words import (
    DIAGNOSES,
    DIAGNOSIS_WORDS,
    GREEN,
    HOLDS,
    NOT_AFFECTED,
    ORANGE,
    PROOF_WORDS,
    RED,
    VERDICT_WORDS,
    VERDICTS,
    plain,
)

UID = "portwatch-fleet"
SCHOOL_LINK = (
    "The school's ports",
    "/d/portwatch-school?${datasource:queryparam}&var-school=${__data.fields.School:percentencode}&${__url_time_range}",
)
RUNBOOK_LINK = ("What to do: the runbook", "${runbooks}/${__data.fields.Runbook}.md")

AFFECTED = 'diagnosis!~"{}"'.format("|".join(kind.value for kind in NOT_AFFECTED))

WELL, ILL = 'diagnosis="ok"', 'diagnosis!="ok"'


def lost_ports(*matchers: str) -> str:
    """Return every port that is not well, with its verdict and proof, the time since when as the value."""
    since = select(families.PORT_VERDICT_SINCE, *matchers)
    return with_district(f"({select(families.PORT_VERDICT, LOST, *matchers)} * {PORT_ON} group_left () {since})")


LOST_COLUMNS = {
    "school": Column("School", link=SCHOOL_LINK, width=190),
    "district": Column("District", width=110),
    "port_name": Column("Service", width=110),
    "family": Column("Family", width=70),
    "port": Column("Port", width=100),
    "verdict": Column("Verdict", mapping=VERDICT_WORDS, link=RUNBOOK_LINK, filled=True, width=130),
    "proof": Column("Proof", mapping=PROOF_WORDS, width=90),
    "Value": Column("Since", unit="dateTimeFromNow", width=140),
    "runbook": Column("Runbook", link=RUNBOOK_LINK),
}


def diagnosed(*matchers: str) -> str:
    """Return the diagnoses of schools of the chosen districts."""
    return of_district(select(families.SCHOOL_DIAGNOSIS, *matchers))


def build(runbooks: str) -> dashboard.Dashboard:
    """Return the dashboard."""
    lost = of_district(select(families.PORT_VERDICT, LOST))
    by_school = f"group by (school, family, port_name) ({lost})"
    expiring = f"({select(families.CERTIFICATE_NOT_AFTER)} - time()) < {EXPIRING_DAYS} * 86400"
    of_schools = f"count by (district) (group by (school, district) ({info()}))"
    ill = with_district(select(families.SCHOOL_DIAGNOSIS, AFFECTED))
    of_ill = f"(count by (district) (group by (school, district) ({ill})) or 0 * {of_schools})"
    of_lost = with_district(select(families.PORT_VERDICT, LOST))
    of_lost = f"(count by (district) (group by (school, district, family, port_name) ({of_lost})) or 0 * {of_schools})"
    # Counted for each school first: then fewer series are looked up among the schools.
    by_verdict = f"count by (monitor, job, instance, school, verdict) ({select(families.PORT_VERDICT, LOST)})"
    small = Looks(width=4, height=4)
    made = board(
        UID,
        "portwatch / Fleet",
        "All schools of the chosen districts: what is lost now, where, and since when",
        (JOB, INSTANCE, DISTRICT),
        runbooks,
    ).annotation(monitor_annotation())
    return numbered(
        made.with_panel(
            figure("Schools", "Schools that are watched.", Query(schools(info())), small),
        )
        .with_panel(
            figure(
                "All well",
                "Share of schools whose diagnosis is ok: every required port answers and every policy holds.",
                Query(f"{or_none(schools(diagnosed(WELL)))} / {schools(info())}"),
                Looks(
                    width=4,
                    height=4,
                    unit="percentunit",
                    decimals=1,
                    maximum=1,
                    thresholds=((None, RED), (0.9, ORANGE), (0.98, GREEN)),
                ),
            ),
        )
        .with_panel(
            figure(
                "Schools affected",
                "Schools at which a required port cannot be used from outside.",
                Query(or_none(schools(diagnosed(AFFECTED)))),
                Looks(width=4, height=4, thresholds=NONE_IS_WELL),
            ),
        )
        .with_panel(
            figure(
                "Ports lost",
                "Ports of all schools and address families that are neither well nor unused nor not judged.",
                Query(or_none(f"count({by_school})")),
                Looks(width=4, height=4, thresholds=NONE_IS_WELL),
            ),
        )
        .with_panel(
            figure(
                "Not judged",
                "Schools about which nothing can be said: the monitor's own fault, or not enough evidence.",
                Query(or_none(schools(diagnosed('diagnosis="unknown"')))),
                Looks(width=4, height=4, thresholds=FEW_IS_WELL),
            ),
        )
        .with_panel(
            figure(
                "Certificates ending",
                f"Schools with a certificate that ends within {EXPIRING_DAYS} days or has ended.",
                Query(or_none(schools(of_district(f"({expiring})")))),
                Looks(
                    width=4,
                    height=4,
                    thresholds=FEW_IS_WELL,
                    link=(
                        "All certificates",
                        "/d/portwatch-certificates?${datasource:queryparam}&${district:queryparam}",
                    ),
                ),
            ),
        )
        .with_panel(
            bars(
                "Schools by diagnosis",
                "How many schools have which diagnosis now. A school that two monitors judge differently is counted "
                "under both diagnoses.",
                [
                    Query(
                        f"sort_desc(count by (diagnosis) (group by (school, diagnosis) ({diagnosed()})))",
                        "{{diagnosis}}",
                    ),
                ],
                Looks(width=8, height=9, colours=plain(DIAGNOSES)),
            ),
        )
        .with_panel(
            curves(
                "Schools that are not well, by diagnosis",
                "Schools with any diagnosis but ok, over time.",
                [
                    Query(
                        f"count by (diagnosis) (group by (school, diagnosis) ({diagnosed(ILL)}))",
                        "{{diagnosis}}",
                    ),
                ],
                Looks(width=16, height=9, colours=plain(DIAGNOSES)),
                stacked=True,
            ),
        )
        .with_panel(
            rows(
                f"Lost now (the newest {ROWS})",
                "Every port that is not well, the newest loss first. The school leads to its dashboard, the verdict "
                "to the runbook that says what to do. `Proof` says how the verdict is known.",
                [Query(with_runbook(f"topk({ROWS}, {lost_ports()} * 1000)"))],
                LOST_COLUMNS,
                sort=("Since", True),
                looks=Looks(width=24, height=11, minimum=None),
            ),
        )
        .with_panel(
            rows(
                "Lost for longest (20)",
                "Losses that nobody has mended. Optional services that are not forwarded are no losses.",
                [Query(with_runbook(f"bottomk(20, {lost_ports()} * 1000)"))],
                LOST_COLUMNS,
                sort=("Since", False),
                looks=Looks(width=16, height=9, minimum=None),
            ),
        )
        .with_panel(
            rows(
                "Alerts firing",
                "Alerts that Prometheus itself evaluates (deploy/prometheus); the name leads to the runbook. Grafana's "
                "own alerts are on its page of alerts.",
                [
                    Query(
                        f"topk({ROWS}, count by (alertname, severity) "
                        '(ALERTS{alertname=~"Portwatch.+|Watchdog", alertstate="firing"}))',
                    ),
                ],
                {
                    "alertname": Column("Alert", link=("The runbook", "${runbooks}/${__value.text}.md")),
                    "severity": Column("Severity", width=90),
                    "Value": Column("Firing", width=70),
                },
                sort=("Firing", True),
                looks=Looks(width=8, height=9),
            ),
        )
        .with_panel(
            rows(
                "By district",
                "Schools, affected schools and lost ports of each district. Districts come from the schools' label "
                "`district`.",
                [
                    Query(f"topk({ROWS}, {of_schools})"),
                    Query(f"topk({ROWS}, {of_ill})"),
                    Query(f"topk({ROWS}, {of_lost})"),
                    Query(f"topk({ROWS}, 1 - {of_ill} / {of_schools})"),
                ],
                {
                    "district": Column(
                        "District",
                        link=(
                            "Only this district",
                            "/d/portwatch-fleet?${datasource:queryparam}&var-district=${__value.text:percentencode}",
                        ),
                    ),
                    "Value #A": Column("Schools"),
                    "Value #B": Column("Affected", thresholds=NONE_IS_WELL),
                    "Value #C": Column("Ports lost", thresholds=NONE_IS_WELL),
                    "Value #D": Column(
                        "Usable",
                        unit="percentunit",
                        thresholds=((None, RED), (0.9, ORANGE), (0.98, GREEN)),
                        filled=True,
                    ),
                },
                sort=("Affected", True),
                looks=Looks(width=10, height=9),
            ),
        )
        .with_panel(
            bars(
                "Lost ports by service",
                "How many schools have lost which service, on any address family.",
                [
                    Query(
                        f"topk(25, count by (port_name) (group by (school, port_name) ({lost})))",
                        "{{port_name}}",
                    ),
                ],
                Looks(
                    width=7,
                    height=9,
                    thresholds=((None, RED),),
                    link=(
                        "The service over all schools",
                        "/d/portwatch-ports?${datasource:queryparam}&var-port_name=${__field.name:percentencode}",
                    ),
                ),
            ),
        )
        .with_panel(
            curves(
                "Lost ports by verdict",
                "Ports that are neither well nor unused nor not judged, over time.",
                [Query(f"sum by (verdict) ({of_district(by_verdict)})", "{{verdict}}")],
                Looks(width=7, height=9, colours=plain(VERDICTS)),
                stacked=True,
            ),
        )
        .with_panel(
            rows(
                "Newest diagnoses (50)",
                "Schools that are not well, the newest first.",
                [
                    Query(
                        "topk(50, "
                        + with_district(
                            f"({select(families.SCHOOL_DIAGNOSIS, ILL)} * {SCHOOL_ON} group_left () "
                            f"{select(families.SCHOOL_DIAGNOSIS_SINCE)})",
                        )
                        + " * 1000)",
                    ),
                ],
                {
                    "school": Column("School", link=SCHOOL_LINK),
                    "district": Column("District", width=120),
                    "diagnosis": Column("Diagnosis", mapping=DIAGNOSIS_WORDS, filled=True, width=170),
                    "instance": Column("Monitor", width=170),
                    "Value": Column("Since", unit="dateTimeFromNow", width=140),
                },
                sort=("Since", True),
                looks=Looks(width=14, height=9, minimum=None),
            ),
        )
        .with_panel(
            timeline(
                "The monitors themselves",
                "Whether each monitor could see the outside: while it could not, it judged no school.",
                [Query(f"1 - max by (instance) (portwatch_monitor_isolated{{{MONITOR}}})", "{{instance}}")],
                Looks(width=10, height=9, mappings=(HOLDS,), thresholds=((None, RED), (1, GREEN)), maximum=1),
            ),
        ),
    )
