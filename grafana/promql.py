"""The pieces that the dashboards' queries are put together from."""

from __future__ import annotations

from portwatchd.metrics import families
from portwatchd.model import DiagnosisKind, VerdictKind

from .words import DIAGNOSIS_CODES, NOT_LOST, RUNBOOKS, VERDICT_CODES

MONITOR = 'job=~"$job", instance=~"$instance"'
SCHOOL_ON = "on (monitor, job, instance, school)"
"""What tells a school's series from another's. `monitor` is the external label where two monitors watch the same
schools and one Prometheus, Thanos or Mimir holds both; where it is missing, it is equal to itself."""
DISTRICTS = "portwatch:school_district:info"
"""Recorded by deploy/prometheus: each school's district, `none` where it has none."""
PORT_ON = "on (monitor, job, instance, school, family, port, port_name)"

LOST = 'verdict!~"{}"'.format("|".join(kind.value for kind in NOT_LOST))
EXPIRING_DAYS = 14


def select(family: families.MetricFamily, *matchers: str, end: str = "") -> str:
    """Return the selector of a family's series of the chosen monitors."""
    return f"{family.name}{end}{{{', '.join((MONITOR, *matchers))}}}"


def info() -> str:
    """Return the selector of the schools of the chosen districts."""
    return f'{DISTRICTS}{{{MONITOR}, district=~"$district"}}'


def of_district(expression: str) -> str:
    """Return only the series of schools of the chosen districts."""
    return f"({expression} and {SCHOOL_ON} {info()})"


def with_district(expression: str) -> str:
    """Return only the series of schools of the chosen districts, with the district."""
    return f"({expression} * {SCHOOL_ON} group_left (district) {info()})"


def schools(expression: str) -> str:
    """Return how many schools the expression has series of, however many monitors watch them."""
    return f"count(group by (school) ({expression}))"


def or_none(expression: str) -> str:
    """Return 0 where the expression has no series: nothing lost is a number too."""
    return f"({expression} or vector(0))"


def verdict_codes(*matchers: str) -> str:
    """Return each port's verdict as its number in VERDICTS."""
    return " or ".join(
        f"{code} * {select(families.PORT_VERDICT, *matchers, _verdict(kind))}" for kind, code in VERDICT_CODES.items()
    )


def diagnosis_codes(*matchers: str) -> str:
    """Return each school's diagnosis as its number in DIAGNOSES."""
    return " or ".join(
        f"{code} * {select(families.SCHOOL_DIAGNOSIS, *matchers, _diagnosis(kind))}"
        for kind, code in DIAGNOSIS_CODES.items()
    )


def with_runbook(expression: str) -> str:
    """Return the expression with a label `runbook`, which names the page that says what to do about the verdict."""
    for kind, name in RUNBOOKS.items():
        expression = f'label_replace({expression}, "runbook", "{name}", "verdict", "{kind.value}")'
    return expression


def _verdict(kind: VerdictKind) -> str:
    return f'verdict="{kind.value}"'


def _diagnosis(kind: DiagnosisKind) -> str:
    return f'diagnosis="{kind.value}"'
