"""What a request asks for: which schools of a list, how many, in which language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from portwatchd.diagnosis.words import LANGUAGES, choose_language
from portwatchd.model import DiagnosisKind, Report

LABEL = "label."
LATEST = 2.0**33
"""Unix seconds of the year 2242: what is later is a slip, or milliseconds."""
ALL = 1_000_000
"""Schools in an answer whose limit was not said: all of them, for the answer is streamed."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The schools of a list: those of any of the diagnoses, with all of the labels, after a name, so many."""

    diagnoses: frozenset[DiagnosisKind] = frozenset()
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    after: str = ""
    limit: int = ALL

    def takes(self, report: Report) -> bool:
        """Whether the school's diagnosis and labels are asked for. A label that a school lacks is empty."""
        if self.diagnoses and report.diagnosis.kind not in self.diagnoses:
            return False
        if not self.labels:
            return True
        own = dict(report.school.labels)
        return all(own.get(name, "") in values for name, values in self.labels.items())

    def page(self, reports: Mapping[str, Report]) -> tuple[list[Report], bool]:
        """Return the schools in the order of their names, and whether there are more after them."""
        taken = [reports[name] for name in sorted(reports) if name > self.after and self.takes(reports[name])]
        return taken[: self.limit], len(taken) > self.limit


def selection(items: Iterable[tuple[str, str]]) -> Selection:
    """Return what a query string asks for; ValueError says what it asks in vain."""
    diagnoses: set[DiagnosisKind] = set()
    labels: dict[str, frozenset[str]] = {}
    after, limit = "", ALL
    for key, value in items:
        if key == "diagnosis":
            diagnoses.add(_diagnosis(value))
        elif key.startswith(LABEL) and key != LABEL:
            name = key.removeprefix(LABEL)
            labels[name] = labels.get(name, frozenset()) | {value}
        elif key == "after":
            after = value
        elif key == "limit":
            limit = _limit(value)
        elif key != "lang":
            raise ValueError(f"unknown parameter {key!r}: there are diagnosis, label.NAME, after, limit and lang")
    return Selection(frozenset(diagnoses), labels, after, limit)


def language(asked: str | None, accept_language: str) -> str:
    """Return the language of a request: `lang` where it is given (ValueError for an unknown one), else the header's."""
    if asked is None:
        return choose_language(accept_language)
    if asked not in LANGUAGES:
        raise ValueError(f"unknown lang {asked!r}: there are {' and '.join(LANGUAGES)}")
    return asked


def events_query(items: Iterable[tuple[str, str]]) -> tuple[float | None, str | None]:
    """Return since when (Unix seconds) and of which school changes are asked for; None for all."""
    since: float | None = None
    school: str | None = None
    for key, value in items:
        if key == "since":
            since = moment(value)
        elif key == "school":
            school = value
        else:
            raise ValueError(f"unknown parameter {key!r}: there are since and school")
    return since, school


def moment(value: str) -> float:
    """Return a time in Unix seconds, from Unix seconds or from RFC 3339; a time without a zone is UTC."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"since {value!r} is neither Unix seconds nor a time like 2026-01-31T12:00:00Z") from None
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < LATEST:
        raise ValueError(f"since {value!r} is no time in Unix seconds")
    return seconds


def _diagnosis(value: str) -> DiagnosisKind:
    if value not in {kind.value for kind in DiagnosisKind}:
        raise ValueError(f"unknown diagnosis {value!r}: there are {', '.join(DiagnosisKind)}")
    return DiagnosisKind(value)


def _limit(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 8 and int(value) > 0):
        raise ValueError(f"limit {value!r} is not a number from 1 on")
    return int(value)
