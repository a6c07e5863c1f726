"""The figures, their goals, and the table that tells of both: tests/bench/RESULTS.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PATH = Path(__file__).with_name("RESULTS.md")
HEAD = """# What portwatchd costs

Written by `make bench`: the daemon on one core, simulated servers and whoever asks on the other. A figure is the worst
of its runs; goals are upper bounds. `times` are CPU (user and system) of the daemon, divided by that of the other.
"""
COLUMNS = ("figure", "goal", "measured", "holds", "how", "date")


class Figure(NamedTuple):
    """Something that is measured, and the largest value that is well."""

    name: str
    goal: float | None = None
    unit: str = ""
    digits: int = 2

    def shown(self, value: float | None) -> str:
        """A value with its unit."""
        return "" if value is None else f"{value:.{self.digits}f} {self.unit}".strip()


def _fleet(what: str) -> Mapping[str, Figure]:
    return {
        f"{what} skipped": Figure(f"{what}: rounds skipped", 0, digits=0),
        f"{what} lag": Figure(f"{what}: lag p99", 1, "s", 3),
        f"{what} cpu": Figure(f"{what}: CPU share of one core", 70, "%", 1),
        f"{what} memory": Figure(f"{what}: RSS", 800, "MiB", 0),
        f"{what} late": Figure(f"{what}: healthy schools whose last round is too old", 0, digits=0),
    }


FIGURES: Mapping[str, Figure] = {
    "tcp": Figure("TCP watch against blackbox_exporter", 0.35, "times"),
    "tls": Figure("TLS watch with verified certificate against blackbox_exporter", 0.80, "times"),
    "smtp": Figure("SMTP watch against blackbox_exporter with STARTTLS", 0.75, "times"),
    "iserv": Figure("watch round of a school with 13 services against blackbox_exporter", 0.25, "times"),
    "audit": Figure("audit round of a school with 13 services", None, "ms"),
    "scrape": Figure("scrape of 5,000 schools against generate_latest", 1 / 30, "times", 4),
    "stall": Figure("longest stall of the event loop by such a scrape with gzip", 20, "ms", 1),
    **_fleet("10,000 schools"),
    **_fleet("10,000 schools, 10 % lost"),
    **_fleet("10,000 schools, 5 % tarpits"),
    "fault": Figure("fault to metric, p99", 80, "s", 1),
    "missed": Figure("faults missed", 0, digits=0),
    "false": Figure("false faults", 0, digits=0),
    "first probe": Figure("start with 10,000 schools until the first probe", 5, "s"),
    "spread": Figure("first round: the busiest second against the mean", 2, "times"),
    "reload stall": Figure("reload with 10,000 schools, 100 changed: loop stall", 100, "ms", 0),
    "reload missed": Figure("reload: rounds missed", 0, digits=0),
    "growth": Figure("cost of a round among 10,000 schools against the cheaper of 100 and 1,000", 1.20, "times"),
}


class Row(NamedTuple):
    """What a figure came to."""

    figure: Figure
    runs: tuple[float, ...]
    how: str

    @property
    def worst(self) -> float:
        """The largest of the runs."""
        return max(self.runs)

    @property
    def holds(self) -> str:
        """Whether the goal is met."""
        if self.figure.goal is None:
            return ""
        return "yes" if self.worst <= self.figure.goal else "**no**"

    def line(self, date: str) -> str:
        """The row of the table."""
        runs = [f"{len(self.runs)} runs"] if len(self.runs) > 1 else []
        figure, shown = self.figure, self.figure.shown
        goal = "" if figure.goal is None else f"<= {shown(figure.goal)}"
        return _row(
            figure.name, goal, shown(self.worst), self.holds, "; ".join([*runs, *filter(None, [self.how])]), date
        )


class Results:
    """What was measured in this run of the benches."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def note(self, name: str, runs: Sequence[float] | float, how: str = "") -> None:
        """Keep the runs of a figure, and print them."""
        figure = FIGURES[name]
        row = self.rows[name] = Row(figure, tuple(runs) if isinstance(runs, Sequence) else (runs,), how)
        print(f"\n{figure.name}: {', '.join(map(figure.shown, row.runs))}{how and f' ({how})'}", end="")

    def table(self, machine: str, date: str, before: str = "") -> str:
        """Return the whole text; figures that were not measured now stand as before, if that was this machine."""
        kept = {line.split("|")[1].strip(): line for line in before.splitlines() if line.startswith("| ")}
        if f"\n{machine}\n" not in before:
            kept.clear()
        lines = [_row(*COLUMNS), "|---" * len(COLUMNS) + "|"]
        for name, figure in FIGURES.items():
            row = self.rows.get(name)
            lines += [row.line(date)] if row else [kept[figure.name]] if figure.name in kept else []
        return "\n".join([HEAD, machine, "", *lines, ""])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
