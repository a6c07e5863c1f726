#!/usr/bin/env python3
"""Writes portwatch.rules.yml and quorum.rules.yml from the profiles and from the sentences that portwatchd itself says.

deploy/prometheus/build.py                          # the files as they are in the repository
deploy/prometheus/build.py --check                  # says whether they are current
deploy/prometheus/build.py --config /etc/portwatchd.yml --labels district,phone --output /etc/prometheus
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import quiet  # noqa: E402 - the path comes first
from alerts import Alert, disagreement, school_alerts  # noqa: E402
from faults import Record, fault_rules, fleet_rules, mass_rules, memory_rules, word_rules  # noqa: E402
from phrases import OF_ONE_FAMILY  # noqa: E402
from wards import mass_alerts, own_alerts  # noqa: E402

from portwatchd.config import ConfigError, built_in_profiles, load  # noqa: E402
from portwatchd.config.values import ALERT_LABELS  # noqa: E402
from portwatchd.metrics.families import CATALOGUE  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

HEAD = """\
# {what}
# Written by deploy/prometheus/build.py; do not edit. Needs Prometheus 2.42 or newer.
groups:
"""
TAKEN = ALERT_LABELS | {"__name__", "alertstate", "scope"} | {label for family in CATALOGUE for label in family.labels}
"""Names of labels that the rules use for something else than a school's own."""
RUNBOOKS = "https://github.com/portwatchd/portwatchd/blob/main/deploy/runbooks"
GRAFANA = "http://localhost:3000"
BOARDS = {
    "PortwatchMassOutage": "portwatch-fleet",
    "monitor": "portwatch-monitor",
    "watchdog": "portwatch-monitor",
}
"""The dashboard of an alert, by its name or its cause; of every other one it is that of its school."""
OF_SCHOOL = "portwatch-school?var-school={{ $labels.school | urlquery }}"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the pages are that an alert leads to."""

    runbooks: str
    grafana: str

    def lines(self, one: Alert) -> list[str]:
        """Return the annotations that lead there."""
        board = BOARDS.get(one.name) or BOARDS.get(one.cause) or OF_SCHOOL
        return [
            f"          dashboard_url: {quoted(f'{self.grafana}/d/{board}')}",
            f"          runbook_url: {quoted(f'{self.runbooks}/{one.name}.md')}",
        ]


def quoted(text: str) -> str:
    """Return a YAML scalar in double quotes; JSON's are a subset."""
    return json.dumps(text, ensure_ascii=False)


def block(text: str, depth: int) -> str:
    """Return an expression as a YAML scalar: on one line, or as a block."""
    text = text.strip()
    if "\n" not in text:
        return quoted(text) if text[:1] in "{%" else text if ": " not in text and "#" not in text else quoted(text)
    return "|\n" + "\n".join(" " * depth + line for line in text.splitlines())


def comment(text: str, depth: int) -> list[str]:
    """Return a comment in lines of at most 118 columns."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) + depth + 3 > 118:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [" " * depth + f"# {one}" for one in [*lines, line] if one]


def record(rule: Record) -> list[str]:
    """Return the lines of a recording rule."""
    lines = [*comment(rule.why, 6), f"      - record: {rule.name}", f"        expr: {block(rule.expr, 10)}"]
    if rule.labels:
        lines += ["        labels:", *(f"          {key}: {quoted(value)}" for key, value in rule.labels.items())]
    return lines


def alert(one: Alert, places: Places, labels: str, begun: Callable[[str, Alert], str], quorum: str = "") -> list[str]:
    """Return the lines of an alert's rules; `begun` says when it may begin."""
    lines = comment(f"for {one.wait}: {one.why}", 6)
    texts = {"title": one.title, "summary": one.summary, "description": one.description}
    texts |= {"consequence": one.consequence, "remedy": one.remedy}
    for rule in one.rules:
        query = begun(rule.expr.strip().replace("%LABELS%", labels), one)
        lines += [f"      - alert: {one.name}", f"        expr: {block(query, 10)}"]
        if one.wait != "0s":
            lines.append(f"        for: {one.wait}")
        if one.keep != "0s":
            lines.append(f"        keep_firing_for: {one.keep}")
        lines += ["        labels:", f"          severity: {rule.severity}", f"          cause: {one.cause}"]
        if rule.scope:
            lines.append(f"          scope: {rule.scope}")
        if quorum:
            lines.append(f"          quorum: {quorum}")
        lines.append("        annotations:")
        for key, words in (texts | ({"consequence": OF_ONE_FAMILY} if rule.scope else {})).items():
            lines += [f"          {key}: {quoted(words.en)}"] if words.en else []
            lines += [f"          {key}_de: {quoted(words.de)}"] if words.de else []
        lines += [f"          since: {quoted(one.since)}"] if one.since else []
        lines += places.lines(one)
    return lines


def group(name: str, rules: Iterable[list[str]], interval: str = "") -> list[str]:
    """Return the lines of a group."""
    lines = [f"  - name: {name}", *([f"    interval: {interval}"] if interval else []), "    rules:"]
    for rule in rules:
        lines += rule
    return lines


def files(options: argparse.Namespace) -> dict[str, str]:
    """Return every file by its name."""
    config = load(options.config) if options.config else None
    profiles = [*built_in_profiles().values(), *(config.profiles.values() if config else ())]
    labels: Sequence[str] = [label for label in options.labels.split(",") if label]
    joined = ", ".join(("host", "profile", *labels))
    critical = options.critical.replace(",", "|")
    schools = school_alerts(critical)
    own = own_alerts(options.job, options.interval)
    places = Places(options.runbooks.rstrip("/"), options.grafana.rstrip("/"))
    hushing = [one for one in own if one.name in quiet.HUSHING]
    (mass,) = (one for one in own if one.name == "PortwatchMassOutage")
    both, alone = mass_alerts(mass)
    rules = [
        *group("portwatch-words", map(record, word_rules(profiles)), "1m"),
        *group("portwatch-memory", map(record, memory_rules()), "5m"),
        # One group: its rules are evaluated in turn, at one time, so what hushes the schools is known before them.
        *group(
            "portwatch-schools",
            [
                *map(record, [*fault_rules(labels), *mass_rules()]),
                *(alert(one, places, joined, quiet.of_monitor) for one in hushing),
                *map(record, quiet.hush_rules()),
                *(alert(one, places, joined, quiet.of_school) for one in schools),
            ],
        ),
        *group("portwatch-fleet", map(record, fleet_rules(labels))),
        *group(
            "portwatch-monitor",
            (alert(one, places, joined, quiet.of_monitor) for one in own if one.name not in quiet.HUSHING),
        ),
    ]
    quorum = group(
        "portwatch-quorum",
        [
            *map(record, [*quiet.quorum_hush_rules(), *quiet.agreed_rules(schools)]),
            alert(both, places, joined, quiet.as_it_is, "agreed"),
            alert(alone, places, joined, quiet.as_it_is, "alone"),
            *(alert(one, places, joined, quiet.agreed, "agreed") for one in schools),
            alert(disagreement(joined), places, joined, quiet.disputed),
        ],
    )
    return {
        "portwatch.rules.yml": HEAD.format(what="What portwatchd sees, recorded, and the alerts on it.")
        + "\n".join(rules)
        + "\n",
        "quorum.rules.yml": HEAD.format(
            what="For a Prometheus that sees several monitors, in addition to portwatch.rules.yml: two must agree."
        )
        + "\n".join(quorum)
        + "\n",
    }


def faults(options: argparse.Namespace) -> list[str]:
    """Return what is wrong with the options."""
    labels = [label for label in options.labels.split(",") if label]
    wrong = [
        f"--labels: {one!r} is no label's name" for one in labels if not re.fullmatch(r"[a-zA-Z_]\w*", one, re.ASCII)
    ]
    wrong += [f"--labels: {one!r} has a meaning of its own in the rules" for one in sorted(TAKEN.intersection(labels))]
    wrong += [f"--labels: {one!r} is given twice" for one in sorted(set(labels)) if labels.count(one) > 1]
    if not options.output.is_dir():
        wrong.append(f"--output: {options.output} is no folder")
    return wrong


def main() -> int:
    """Write the files, or say which is not current."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, help="a configuration whose own profiles shall be told of")
    parser.add_argument("--labels", default="district,contact", help="the schools' labels that reach notifications")
    parser.add_argument(
        "--critical", default="https,smtp", help="services whose loss cannot wait (required ports only)"
    )
    parser.add_argument("--job", default="portwatchd", help="the job's name in prometheus.yml")
    parser.add_argument("--interval", type=int, default=60, help="global.interval of the daemon, in seconds")
    parser.add_argument("--runbooks", default=RUNBOOKS, help="where the runbooks are served")
    parser.add_argument("--grafana", default=GRAFANA, help="where people open Grafana; its dashboards are linked")
    parser.add_argument("--output", type=Path, default=HERE)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is not current")
    options = parser.parse_args()
    if wrong := faults(options):
        print("\n".join(wrong), file=sys.stderr)  # noqa: T201
        return 2
    try:
        made = files(options)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    stale = 0
    for name, text in made.items():
        path = options.output / name
        if path.exists() and path.read_text() == text:
            continue
        if options.check:
            print(f"{path} is not current: run deploy/prometheus/build.py", file=sys.stderr)  # noqa: T201
            stale = 1
        else:
            path.write_text(text)
    return stale


if __name__ == "__main__":
    raise SystemExit(main())
