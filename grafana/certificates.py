"""Certificates over all schools: which end soon, which are bad, and which will not be renewed."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard

from portwatchd.metrics import families

from .fleet import SCHOOL_LINK
from .parts import (
    DAYS,
    DISTRICT,
    FEW_IS_WELL,
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
    monitor_annotation,
    numbered,
    rows,
)
from .promql import EXPIRING_DAYS, PORT_ON, of_district, or_none, schools, select, with_district
from .words import GREEN, ORANGE, RED, YELLOW

UID = "portwatch-certificates"
CHOSEN = 'school=~"$school"'
WEB = 'port_name=~"https?"'
"""A server has one certificate for all its services, as a rule. Over time, a tenth of the series is enough."""
DAY = 86_400
BINS = (
    ("ended", None, 0),
    ("< 7 days", 0, 7),
    ("7 to 14 days", 7, 14),
    ("14 to 30 days", 14, 30),
    ("30 to 60 days", 30, 60),
    ("60 to 90 days", 60, 90),
    ("> 90 days", 90, None),
)
COLOURS = (RED, RED, ORANGE, YELLOW, GREEN, GREEN, GREEN)


def broken(policy: str, *matchers: str) -> str:
    """Return the ports that break a policy."""
    matcher = f'policy="{policy}"'
    return f"({select(families.PORT_POLICY_OK, CHOSEN, matcher, *matchers)} == 0)"


def of_policy(policy: str, *matchers: str) -> str:
    """Return how many schools break a policy at some port."""
    return or_none(schools(of_district(broken(policy, *matchers))))


def table_of(policy: str) -> list[Query]:
    """Return the query of a table of the schools that break a policy."""
    listed = f"count by (school, district) ({with_district(f'(1 + {broken(policy)})')})"
    return [Query(f"topk({ROWS}, {listed})")]


BROKEN = {
    "school": Column("School", link=SCHOOL_LINK),
    "district": Column("District", width=120),
    "Value": Column("Ports", width=80),
}


def build(runbooks: str) -> dashboard.Dashboard:
    """Return the dashboard."""
    ends = select(families.CERTIFICATE_NOT_AFTER, CHOSEN)
    web_ends = select(families.CERTIFICATE_NOT_AFTER, CHOSEN, WEB)
    web_begins = select(families.CERTIFICATE_NOT_BEFORE, CHOSEN, WEB)
    first = f"min by (monitor, job, instance, school) ({ends})"
    left = f"(min by (school) ({of_district(first)}) - time())"
    small = Looks(width=4, height=4, thresholds=NONE_IS_WELL)

    def between(low: int | None, high: int | None) -> str:
        above = f"{left} > {low * DAY}" if low is not None else left
        return or_none(f"count({above} <= {high * DAY})" if high is not None else f"count({above})")

    made = board(
        UID,
        "portwatch / Certificates",
        "Certificates of all services of all schools: which end soon, which are bad, which will not be renewed",
        (JOB, INSTANCE, DISTRICT, SCHOOLS),
        runbooks,
        since="now-7d",
    ).annotation(monitor_annotation())
    return numbered(
        made.with_panel(
            figure(
                "Schools with certificates",
                "Schools that showed a certificate on some port.",
                Query(schools(of_district(ends))),
                Looks(width=4, height=4),
            ),
        )
        .with_panel(
            figure(
                "Next to end",
                "Time left of the certificate that ends first.",
                Query(f"min({left})"),
                Looks(width=4, height=4, unit="s", minimum=None, decimals=0, thresholds=DAYS),
            ),
        )
        .with_panel(
            figure(
                f"End within {EXPIRING_DAYS} days",
                "Schools. Certificates of Let's Encrypt are renewed 30 days before their end, so something is wrong.",
                Query(between(0, EXPIRING_DAYS)),
                Looks(width=4, height=4, thresholds=FEW_IS_WELL),
            ),
        )
        .with_panel(figure("Ended", "Schools with a certificate that has ended.", Query(between(None, 0)), small))
        .with_panel(
            figure(
                "Not valid",
                "Schools with a certificate that clients refuse: ended, for another name, or of an unknown authority.",
                Query(of_policy("certificate_valid")),
                small,
            ),
        )
        .with_panel(
            figure(
                "Will not be renewed",
                "Schools that Let's Encrypt cannot reach over HTTP: the certificate will end, weeks from now.",
                Query(of_policy("acme_reachable")),
                small,
            ),
        )
        .with_panel(
            rows(
                f"Next to end ({ROWS})",
                "By the certificate of each school that ends first.",
                [
                    Query(
                        f"bottomk({ROWS}, min by (school, district) ({with_district(first)}) - time())",
                    ),
                ],
                {
                    "school": Column("School", link=SCHOOL_LINK),
                    "district": Column("District", width=130),
                    "Value": Column("Time left", unit="s", thresholds=DAYS, filled=True, width=140),
                },
                sort=("Time left", False),
                looks=Looks(width=12, height=12, minimum=None),
            ),
        )
        .with_panel(
            bars(
                "Schools by time left",
                "By the certificate of each school that ends first.",
                [Query(between(low, high), name) for name, low, high in BINS],
                Looks(
                    width=6,
                    height=12,
                    colours={name: colour for (name, _, _), colour in zip(BINS, COLOURS, strict=True)},
                ),
            ),
        )
        .with_panel(
            bars(
                "Certificates by lifetime",
                "For how many days the web servers' certificates are made, by their number: 90 is Let's Encrypt.",
                [
                    Query(
                        f'topk(15, count_values("days", round(({of_district(web_ends)} - {PORT_ON} {web_begins})'
                        f" / {DAY})))",
                        "{{days}} days",
                    ),
                ],
                Looks(width=6, height=12),
            ),
        )
        .with_panel(
            rows(
                f"Not valid ({ROWS})",
                "Schools with certificates that clients refuse. The runbook is PortwatchCertificateInvalid.",
                table_of("certificate_valid"),
                BROKEN,
                sort=("Ports", True),
                looks=Looks(width=8, height=9, link=("The runbook", "${runbooks}/PortwatchCertificateInvalid.md")),
            ),
        )
        .with_panel(
            rows(
                f"Renewal overdue ({ROWS})",
                "Schools with a certificate that should have been renewed by now. The runbook is "
                "PortwatchCertificateRenewalOverdue.",
                table_of("certificate_fresh"),
                BROKEN,
                sort=("Ports", True),
                looks=Looks(
                    width=8, height=9, link=("The runbook", "${runbooks}/PortwatchCertificateRenewalOverdue.md")
                ),
            ),
        )
        .with_panel(
            rows(
                f"Not reachable for renewal ({ROWS})",
                "Schools whose port 80 does not answer Let's Encrypt. The runbook is PortwatchPolicyViolated.",
                table_of("acme_reachable"),
                BROKEN,
                sort=("Ports", True),
                looks=Looks(width=8, height=9, link=("The runbook", "${runbooks}/PortwatchPolicyViolated.md")),
            ),
        )
        .with_panel(
            curves(
                "Schools with trouble ahead",
                "Schools whose web server's certificate is not valid, not renewed, or cannot be renewed.",
                [
                    Query(of_policy("certificate_valid", WEB), "not valid"),
                    Query(of_policy("certificate_fresh", WEB), "renewal overdue"),
                    Query(of_policy("acme_reachable", WEB), "cannot be renewed"),
                ],
                Looks(
                    width=12,
                    height=8,
                    colours={"not valid": RED, "renewal overdue": ORANGE, "cannot be renewed": YELLOW},
                ),
            ),
        )
        .with_panel(
            curves(
                "Policies over time",
                "Share of the web servers that keep each policy, of those where it was tested.",
                [Query(f"avg by (policy) ({select(families.PORT_POLICY_OK, CHOSEN, WEB, POLICIES)})", "{{policy}}")],
                Looks(width=12, height=8, unit="percentunit", maximum=1),
            ),
        ),
    )


POLICIES = 'policy=~"certificate_valid|certificate_fresh|acme_reachable"'
"""The policies that certificates live by."""
