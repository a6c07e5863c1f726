"""The page for people: which schools are not well, since when, what is wrong and what to do, in English and German."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nsmallest
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from portwatchd import __version__
from portwatchd.diagnosis.words import LANGUAGES, diagnosis_words, remedy, summary
from portwatchd.model import DiagnosisKind, Report, Words

ROWS = 200
"""Schools on the page. More would be read by nobody; the API lists all of them."""

TEXTS: Mapping[str, Words] = {
    "title": Words("Schools seen from outside", "Schulen von außen gesehen"),
    "all": Words("all", "alle"),
    "school": Words("School", "Schule"),
    "diagnosis": Words("Diagnosis", "Diagnose"),
    "since": Words("Since", "Seit"),
    "says": Words("What is wrong", "Was los ist"),
    "remedy": Words("What to do", "Was zu tun ist"),
    "waiting": Words("{} more wait for their first round.", "{} weitere warten auf ihre erste Runde."),
    "more": Words("{} of {} schools are shown; the list has", "{} von {} Schulen sind zu sehen; die Liste hat"),
    "more_link": Words("all of them", "alle"),
    "none": Words("No school to show.", "Keine Schule zu zeigen."),
    "schools": Words("Schools", "Schulen"),
    "metrics": Words("Metrics", "Metriken"),
    "discovery": Words("Discovery", "Ziele"),
    "health": Words("Health", "Zustand"),
    "ready": Words("Ready", "Bereit"),
    "updated": Words("As of", "Stand"),
    "reloads": Words("reloads every five minutes", "lädt alle fünf Minuten neu"),
}
GRAVITY: Mapping[DiagnosisKind, str] = dict.fromkeys(DiagnosisKind, "bad") | {
    DiagnosisKind.OK: "well",
    DiagnosisKind.POLICY_VIOLATED: "odd",
    DiagnosisKind.UNKNOWN: "open",
}
ORDER = (
    *(kind for kind in DiagnosisKind if kind not in {DiagnosisKind.UNKNOWN, DiagnosisKind.OK}),
    DiagnosisKind.UNKNOWN,
    DiagnosisKind.OK,
)
"""The worst first. What is not judged comes after what is."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many schools have a diagnosis."""

    kind: str
    words: str
    gravity: str
    schools: int


@dataclass(frozen=True, slots=True)
class Row:
    """A school as the table shows it."""

    name: str
    link: str
    words: str
    gravity: str
    since: str
    lasting: str
    says: str
    remedy: str


class Pages:
    """The template, read and compiled once."""

    def __init__(self) -> None:
        loader = PackageLoader("portwatchd.web")
        environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        self._landing = environment.get_template("landing.html")
        self._style = files("portwatchd.web").joinpath("templates/landing.css").read_text()
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        """The Content-Security-Policy of a page: its own style, and nothing from anywhere else."""

    def landing(
        self,
        reports: Collection[Report],
        *,
        watched: int,
        now: float,
        lang: str,
        only: DiagnosisKind | None = None,
    ) -> str:
        """Return the page as of `now` (Unix seconds), with the schools of one diagnosis only where one is given."""
        groups: dict[DiagnosisKind, list[Report]] = {kind: [] for kind in ORDER}
        for report in reports:
            groups[report.diagnosis.kind].append(report)
        chosen = [groups[only]] if only else list(groups.values())
        shown: list[Report] = []
        for group in chosen:
            shown += nsmallest(ROWS - len(shown), group, key=lambda report: (-report.since, report.school.name))
        return self._landing.render(
            lang=lang,
            languages=LANGUAGES,
            text={key: words.de if lang == "de" else words.en for key, words in TEXTS.items()},
            style=Markup(self._style),  # noqa: S704 - the project's own file
            version=__version__,
            counts=[
                Count(kind.value, diagnosis_words(kind, lang), GRAVITY[kind], len(group))
                for kind, group in groups.items()
                if group
            ],
            only=only.value if only else "",
            rows=[_row(report, now, lang) for report in shown],
            chosen=sum(map(len, chosen)),
            total=len(reports),
            waiting=max(watched - len(reports), 0),
            now=moment(now),
        )


def _row(report: Report, now: float, lang: str) -> Row:
    kind = report.diagnosis.kind
    return Row(
        name=report.school.name,
        link=f"api/v1/schools/{quote(report.school.name, safe='')}?lang={lang}",
        words=diagnosis_words(kind, lang),
        gravity=GRAVITY[kind],
        since=moment(report.since),
        lasting=lasting(now - report.since),
        says=summary(report, lang),
        remedy="" if kind is DiagnosisKind.OK else remedy(report, lang),
    )


def moment(at: float) -> str:
    """Return a moment as people read it, in UTC: a monitor serves schools in one time zone and readers in another."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def lasting(seconds: float) -> str:
    """Return how long something lasts by its two greatest units; their signs are the same in both languages."""
    minutes = max(int(seconds // 60), 0)
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
