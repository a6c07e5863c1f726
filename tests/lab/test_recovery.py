"""Whoever was told of a fault is told of its end, whatever else is wrong meanwhile: real Prometheus, real Alertmanager.

What the daemon would say is written by the tests: so many schools, and so many orders of events, no lab has.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from .alerting import Alerting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .lab import Lab

OPERATIONS = "operations@example.org"
PORT = 8052
SCHOOLS = tuple(f"school-{number:02}" for number in range(20))
QUIET = 12
"""Seconds in which all that is going to be told has been: the longest an alert waits here is 10."""
VERDICTS = {"forwards_lost": "forward_lost", "ipv4_lost": "line_down"}
"""What port 25 is then; with every other diagnosis its verdict has the same name."""
PLACES = {"one monitor": ("berlin",), "a quorum": ("berlin", "kiel")}


class Daemons:
    """What daemons in one or two places say of their schools; all are well at first."""

    def __init__(self, lab: Lab, places: tuple[str, ...], schools: Sequence[str] = SCHOOLS) -> None:
        home = lab.monitor.directory()
        self._home, self._places = home, places
        self._since = dict.fromkeys(schools, 0.0)
        self._diagnoses: dict[str, dict[str, str]] = {place: dict.fromkeys(schools, "ok") for place in places}
        self.isolated = False
        self.say()
        self._server = lab.monitor.popen(
            [sys.executable, "-m", "http.server", str(PORT), "-d", home, "-b", "127.0.0.1"]
        )
        quorum = len(places) > 1
        scraped = [
            {
                "targets": [f"127.0.0.1:{PORT}"],
                "labels": {"__metrics_path__": f"/{place}", "instance": f"{place}:10052"}
                | ({"monitor": place} if quorum else {}),
            }
            for place in places
        ]
        self.alerting = Alerting(lab, scraped, "prometheus.quorum.yml" if quorum else "prometheus.yml")
        self.alerting.wait(self._well, 60, "the first scrapes, and nothing that fires but the Watchdog")

    def _well(self) -> bool:
        """Return whether all is scraped, nothing fires, and whoever was told of the time before that knows its end."""
        told = [subject.partition("]")[0] for subject in self.told()]
        return (
            len(self.alerting.ask("portwatch_schools")) == len(self._places)
            and not self.alerting.ask('ALERTS{alertname!="Watchdog"}')
            and bool(self.alerting.ask("ALERTS"))
            and told.count("[CRITICAL") == told.count("[RESOLVED")
        )

    def stop(self) -> None:
        self.alerting.stop()
        self._server.kill()
        self._server.communicate()

    def now(self, diagnosis: str, *schools: str, at: str = "") -> None:
        """Let schools be diagnosed so from now on, in all places or in one."""
        for place in (at,) if at else self._places:
            self._diagnoses[place] |= dict.fromkeys(schools, diagnosis)
        self._since |= dict.fromkeys(schools, time.time())
        self.say()

    def say(self) -> None:
        """Write down what a scrape finds."""
        for place in self._places:
            lines = [
                f"portwatch_schools {len(self._since)}",
                f"portwatch_monitor_isolated {int(self.isolated)}",
                "process_start_time_seconds 1",
            ]
            for school, diagnosis in self._diagnoses[place].items():
                lines += self._school(school, "unknown" if self.isolated else diagnosis)
            new = self._home / f"{place}.new"
            new.write_text("\n".join(lines) + "\n")
            new.rename(self._home / place)

    def _school(self, school: str, diagnosis: str) -> list[str]:
        port = f'school="{school}",family="ipv4",port="25",port_name="smtp"'
        verdict = VERDICTS.get(diagnosis, diagnosis)
        return [
            f'portwatch_school_info{{school="{school}",host="{school}.example.org",profile="iserv"}} 1',
            f'portwatch_school_diagnosis{{school="{school}",diagnosis="{diagnosis}"}} 1',
            f'portwatch_school_diagnosis_since_timestamp_seconds{{school="{school}"}} {self._since[school]}',
            f'portwatch_school_last_round_timestamp_seconds{{school="{school}"}} {time.time() + 3600}',
            f'portwatch_port_verdict{{{port},verdict="{verdict}",proof="none"}} 1',
            f"portwatch_port_required{{{port}}} 1",
        ]

    def told(self, since: float = 0) -> list[str]:
        """Return the subjects of the mails to operations."""
        return [mail["subject"] for mail in self.alerting.mails(OPERATIONS, since)]

    def wait(self, subject: str, since: float) -> None:
        """Wait for a mail with this beginning of its subject."""
        found: Callable[[], bool] = lambda: any(one.startswith(subject) for one in self.told(since))  # noqa: E731
        self.alerting.wait(found, 30, subject)


@pytest.fixture(params=PLACES)
def daemons(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Daemons]:
    """Return the daemons of one place, or of two."""
    made = Daemons(lab, PLACES[request.param])
    yield made
    made.stop()


@pytest.mark.timeout(180)
def test_a_mass_outage_is_one_notification_and_swallows_no_end(daemons: Daemons) -> None:
    early, late, *others = SCHOOLS[:8]
    began = time.time()
    daemons.now("line_down", early)
    daemons.wait(f"[CRITICAL] {early}: line down", began)

    masses = time.time()
    daemons.now("line_down", late, *others)
    daemons.wait("[CRITICAL]", masses)
    time.sleep(QUIET)
    (mass,) = daemons.told(masses)
    assert mass.endswith(": many schools lost at once")

    mended = time.time()
    daemons.now("ok", early)
    daemons.wait(f"[RESOLVED] {early}: line down", mended)

    over = time.time()
    daemons.now("ok", *others)
    daemons.wait(mass.replace("CRITICAL", "RESOLVED"), over)
    daemons.wait(f"[CRITICAL] {late}: line down", over)
    last = time.time()
    daemons.now("ok", late)
    daemons.wait(f"[RESOLVED] {late}: line down", last)
    time.sleep(QUIET)
    assert len(daemons.told(mended)) == 4, daemons.told()


@pytest.fixture
def daemon(lab: Lab) -> Iterator[Daemons]:
    """Return the daemon of one place."""
    made = Daemons(lab, PLACES["one monitor"])
    yield made
    made.stop()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("first", "told_first", "then", "told_then"),
    [
        ("forwards_lost", "25 (smtp, IPv4) not forwarded", "line_down", "line down"),
        ("ipv4_lost", "IPv4 lost", "server_down", "server down"),
    ],
)
def test_a_wider_cause_swallows_no_end(daemon: Daemons, first: str, told_first: str, then: str, told_then: str) -> None:
    school = SCHOOLS[0]
    began = time.time()
    daemon.now(first, school)
    daemon.wait(f"[CRITICAL] {school}: {told_first}", began)
    daemon.now(then, school)
    daemon.wait(f"[CRITICAL] {school}: {told_then}", began)
    daemon.now("ok", school)
    daemon.wait(f"[RESOLVED] {school}: {told_first}", began)
    daemon.wait(f"[RESOLVED] {school}: {told_then}", began)
    time.sleep(QUIET)
    assert len(daemon.told(began)) == 4, daemon.told(began)


@pytest.mark.timeout(120)
def test_a_monitor_that_is_cut_off_swallows_no_end_and_accuses_nobody(daemon: Daemons) -> None:
    told, *others = SCHOOLS
    began = time.time()
    daemon.now("line_down", told)
    daemon.wait(f"[CRITICAL] {told}: line down", began)
    cut = time.time()
    daemon.now("line_down", *others[:3])
    daemon.isolated = True
    daemon.say()
    daemon.wait("[CRITICAL] berlin:10052: monitor isolated", cut)
    time.sleep(QUIET)
    daemon.isolated = False
    daemon.now("ok", *SCHOOLS)
    daemon.wait("[RESOLVED] berlin:10052: monitor isolated", cut)
    daemon.wait(f"[RESOLVED] {told}: line down", cut)
    time.sleep(QUIET)
    assert len(daemon.told(cut)) == 3, daemon.told(cut)


@pytest.mark.timeout(120)
def test_thousands_of_schools_lost_at_once_are_one_notification(lab: Lab) -> None:
    schools = [f"school-{number:04}" for number in range(5000)]
    daemon = Daemons(lab, PLACES["one monitor"], schools)
    try:
        began = time.time()
        daemon.now("line_down", *schools)
        daemon.wait("[CRITICAL] berlin:10052: many schools lost at once", began)
        time.sleep(2 * QUIET)
        assert len(daemon.told(began)) == 1, daemon.told(began)[:9]
    finally:
        daemon.stop()
