"""One line for each change that is believed; a school that comes and goes fills no disk."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import structlog

from portwatchd.config.problem import Problem
from portwatchd.model import DiagnosisKind, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portwatchd.model import Report, Transition

WELL = frozenset({DiagnosisKind.OK, VerdictKind.OK, VerdictKind.UNUSED})
LINES = 60
"""Lines of one school at once: twice its services, lost and back. The same again for its diagnoses."""
LINES_A_SECOND = 0.1
SCHOOLS = 20_000
"""Schools whose lines are counted; the one that has been quiet for longest is forgotten first."""


class Budget:
    """How many lines may still be written. The one for diagnoses is its own, for they say most."""

    def __init__(self, now: float) -> None:
        self._lines = float(LINES)
        self._at = now
        self.left_out = 0

    def spend(self, now: float) -> bool:
        """Whether one more line may be written."""
        self._lines = min(LINES, self._lines + max(now - self._at, 0.0) * LINES_A_SECOND)
        self._at = now
        if self._lines < 1:
            self.left_out += 1
            return False
        self._lines -= 1
        return True


class Journal:
    """The sink that writes one line for each change."""

    def __init__(self) -> None:
        """Write through structlog's present configuration."""
        self._log = structlog.get_logger()
        self._budgets: OrderedDict[tuple[str, bool], Budget] = OrderedDict()

    def report(self, report: Report) -> None:
        """Write what changed in a round, the school's diagnosis last."""
        for change in report.transitions:
            self._write(change, report.at)

    def _write(self, change: Transition, now: float) -> None:
        key = change.school, change.service is None
        budget = self._budgets.setdefault(key, Budget(now))
        self._budgets.move_to_end(key)
        if len(self._budgets) > SCHOOLS:
            self._budgets.popitem(last=False)
        if not budget.spend(now):
            return
        well = change.after in WELL
        write = self._log.info if well else self._log.warning
        facts = {
            "school": change.school,
            "family": change.family,
            "port": change.port,
            "port_name": change.service,
            "before": change.before,
            "after": change.after,
            "proof": change.proof,
            "detail": change.detail or None,
            "left_out": budget.left_out or None,
        }
        budget.left_out = 0
        what = "host key" if change.family is None else "verdict"
        event = "diagnosis changed" if change.service is None else f"{what} changed"
        write(event, **{key: str(value) for key, value in facts.items() if value is not None})


def cannot_start(problems: Iterable[object]) -> None:
    """Write one line for each thing that keeps the daemon from starting; what is wrong in a file has its place."""
    log = structlog.get_logger()
    for problem in problems:
        if isinstance(problem, Problem):
            place = {"file": problem.file, "line": problem.line, "key": problem.key}
            known = {name: part for name, part in place.items() if part}
            log.error("configuration refused", **known, reason=problem.reason)
        else:
            log.error("cannot start", reason=str(problem))
