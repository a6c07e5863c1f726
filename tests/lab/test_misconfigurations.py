"""Each misconfiguration of the real daemons is found in an audit, with its reason, and nothing else is reported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .misconfigurations import MISCONFIGURATIONS, Misconfiguration
from .netns import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .lab import Lab

WELL = {"ok", "unused"}


class Auditor:
    """A monitor that audits when it is told to; see `driver`."""

    def __init__(self, lab: Lab) -> None:
        """Start it, and let it learn the school while all is well."""
        brisk = {
            "school_concurrency": 16,
            "confirm": {"attempts": 1, "spacing": "100ms"},
            "connect_timeout": "3500ms",
            "timeout": "5s",
        }
        config = lab.monitor.config(global_=brisk)
        self._name = lab.school.plan.name
        self._log = Path(config).with_name("driver.log").open("w+")
        self._process = subprocess.Popen(
            lab.monitor.command([sys.executable, Path(__file__).with_name("driver.py"), config]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=lab.monitor.environment(),
            cwd=lab.monitor.home,
        )
        self.audit()
        self._order(do="later", seconds=600)
        well = self.audit()
        assert well["diagnosis"] == "ok", json.dumps(well, indent=1)
        self._order(do="keep")

    def _order(self, **order: object) -> Any:  # noqa: ANN401 - JSON
        """Give an order and return the answer to it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise LabError(self._log.read()[-3000:])
        return json.loads(line)

    def audit(self) -> dict[str, Any]:
        """Conduct one audit and return its report."""
        found: dict[str, Any] = self._order(do="round", school=self._name, depth="audit")
        return found

    def restore(self) -> None:
        """Go back to what was learnt while all was well."""
        self._order(do="restore")

    def later(self, seconds: float) -> None:
        """Let time pass for host keys."""
        self._order(do="later", seconds=seconds)

    def stop(self) -> None:
        """End it."""
        with self._process, self._log:
            self._process.kill()


@pytest.fixture(scope="module")
def auditor(lab: Lab) -> Iterator[Auditor]:
    """Return one monitor for all misconfigurations, which knows the school as it was when all was well."""
    one = Auditor(lab)
    yield one
    one.stop()


def _reasons(report: dict[str, Any]) -> dict[str, str]:
    """Return everything that is wrong with its reason, written as in the table."""
    found: dict[str, dict[str, str]] = {}
    for port in report["ports"]:
        family = port["family"][-1]
        if port["verdict"] not in WELL:
            found.setdefault(f"{port['port']} {port['verdict']} {port['proof']}", {})[family] = port["detail"]
        for policy, holds in port["policies"].items():
            if holds is False:
                reason = port["policy_reasons"].get(policy, "")
                found.setdefault(f"{port['port']} {policy}", {})[family] = reason
    said: dict[str, str] = {}
    for what, reasons in found.items():
        if len(reasons) == 2:
            said[what] = " / ".join(sorted(set(reasons.values())))
        else:
            said |= {f"{family}/{what}": reason for family, reason in reasons.items()}
    return said


def _without_proofs(found: dict[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Leave proofs out where the table does."""
    short = {what: what.rpartition(" ")[0] for what in found}
    return {short[what] if short[what] in wanted else what: reason for what, reason in found.items()}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("wrong", MISCONFIGURATIONS, ids=lambda wrong: wrong.name)
def test_it_is_found_and_nothing_else(
    lab: Lab, auditor: Auditor, wrong: Misconfiguration, record_property: Callable[[str, object], None]
) -> None:
    auditor.restore()
    wrong.happen(lab, lab.school)
    reports = []
    for seconds in wrong.pauses:
        auditor.later(seconds)
        reports.append(auditor.audit())
    found = _without_proofs(_reasons(reports[-1]), wrong.found)
    keys = [event for report in reports for event in report["events"] if event["service"] and not event["family"]]
    record_property("found", json.dumps({"diagnosis": reports[-1]["diagnosis"], **found}))
    assert set(found) == set(wrong.found), json.dumps(found, indent=1)
    unclear = {what: found[what] for what, reason in wrong.found.items() if not re.search(reason, found[what])}
    assert unclear == {}
    assert reports[-1]["diagnosis"] == wrong.diagnosis
    assert len(keys) == wrong.events, keys
