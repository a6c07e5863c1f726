"""From the fault to the mail, real parts only: routers, daemon, Prometheus, Alertmanager, a mail server, a webhook."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from . import addresses as at
from .alerting import Alerting
from .topology import Cut
from .watching import BRISK, Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .lab import Lab

OPERATIONS, CONTACT = "operations@example.org", "it@gym-nord.example.org"
QUIET = 11
"""Seconds in which nothing more may come: the longest an alert waits here is 10."""


class Watched:
    """The school's daemon and the way of its alerts."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.plan = lab.school.plan
        self.alerting = Alerting(lab)
        self.daemon = self.start()

    def start(self) -> Watching:
        labels = {"district": "mitte", "contact": CONTACT, "phone": "0431 123"}
        school = {"name": self.plan.name, "host": self.plan.host, "profile": "iserv", "labels": labels}
        # A canary of each family: a lone school has no other schools that could vouch for the monitor.
        canaries = [f"{at.EXTERNAL_V4}:443", f"[{at.EXTERNAL_V6}]:443"]
        # No round is skipped, not even an audit; and a silent school takes seconds.
        settings = BRISK | {"interval": "10s", "school_concurrency": 16, "connect_timeout": "1s"}
        return Watching(self.lab, schools=[school], global_=settings, monitor={"canaries": canaries})

    def well(self) -> None:
        """Wait until the school is well and its distance is known, nothing fires and nobody has yet to be told."""
        found = self.daemon.wait(self.plan.name, _well, seconds=60)
        assert _well(found), found
        self.alerting.wait(
            lambda: not self.alerting.ask('ALERTS{alertname!="Watchdog"}') and self.alerting.ask("ALERTS"),
            60,
            "nothing fires but the Watchdog",
        )

    def stop(self) -> None:
        self.daemon.process.kill()
        self.daemon.process.wait()
        self.alerting.stop()


def _well(found: dict[str, Any]) -> bool:
    """Whether the school is well, and its router's distance is known, by which a fault is proven."""
    return found["diagnosis"] == "ok" and any(one["hop_method"] == "time_exceeded" for one in found["addresses"])


@pytest.fixture(scope="module")
def watched(lab: Lab) -> Iterator[Watched]:
    """Return all of it, running and well."""
    all_ = Watched(lab)
    yield all_
    all_.stop()


def _one_notification(watched: Watched, began: float, seconds: float, name: str, record: Callable[..., None]) -> str:
    """Wait for the mail to operations, then for quiet; return the mail, which is the only one, as the webhook is."""
    alerting = watched.alerting
    alerting.wait(lambda: alerting.mails(OPERATIONS, began), seconds, name)
    (first, *_) = alerting.mails(OPERATIONS, began)
    record("from fault to mail", f"{name}: {first['at'] - began:.1f} s")
    print(f"\nfrom fault to mail: {name}: {first['at'] - began:.1f} s: {first['subject']}")  # noqa: T201 - asked for
    time.sleep(QUIET)
    came = alerting.received(began)
    told = [one["subject"] for one in came if one.get("to") == [OPERATIONS]]
    assert told == [first["subject"]], f"{alerting.state()}\n{watched.daemon.log.read_text()[-4000:]}"
    (hook,) = (one["body"] for one in came if one["kind"] == "webhook")
    assert hook["status"] == "firing"
    assert {alert["labels"]["alertname"] for alert in hook["alerts"]} == {name}
    assert f"deploy/runbooks/{name}.md" in first["text"]
    assert "/d/portwatch-" in first["text"]
    return f"{first['subject']}\n{first['text']}"


def _resolved(watched: Watched, began: float, seconds: float = 60) -> dict[str, Any]:
    """Wait for the resolved mail to operations and return it."""
    alerting = watched.alerting
    alerting.wait(lambda: alerting.mails(OPERATIONS, began), seconds, "the resolved mail")
    mails = alerting.mails(OPERATIONS, began)
    log = watched.daemon.log.read_text()[-3000:]
    assert len(mails) == 1, f"{[mail['subject'] for mail in mails]}\n{log}"
    (mail,) = mails
    assert mail["subject"].startswith("[RESOLVED]"), f"{mail['subject']}\n{log}"
    print(f"from mending to mail: {mail['at'] - began:.1f} s: {mail['subject']}")  # noqa: T201 - asked for
    return mail


@pytest.mark.timeout(260)
def test_a_lost_forward_is_told_and_a_cause_that_takes_its_place_and_the_end_of_both(
    lab: Lab, watched: Watched, record_property: Callable[[str, object], None]
) -> None:
    watched.well()
    watched.alerting.wait(watched.alerting.deadman, 30, "the dead man's switch")
    began = time.time()
    lab.school.router.lose(25)
    told = _one_notification(watched, began, 60, "PortwatchForwardLost", record_property)
    assert told.startswith("[CRITICAL] gym-nord: 25 (smtp, IPv4) not forwarded\n")
    for words in (
        "Consequence: The school receives no mail.",
        "In the router, forward the ports named here to the server again. FRITZ!Box: Internet -> Freigaben",
        "forward_lost, by proof: hop",
        "phone: 0431 123",
        "gym-nord.example.org",
        "Dashboard: http://localhost:3000/d/portwatch-school?var-school=gym-nord",
    ):
        assert words in told
    (german,) = watched.alerting.mails(CONTACT, began)
    assert german["subject"] == "[KRITISCH] gym-nord: 25 (smtp, IPv4) nicht weitergeleitet"
    assert "Die Schule empfängt keine E-Mails." in german["text"]
    assert "Die Schule empfängt keine E-Mails." in german["html"]

    given_way = time.time()
    lab.school.server.filter(25)
    lab.school.router.reset()
    over, other = _given_way(watched, given_way, "25 (smtp, IPv4) not forwarded")
    assert other["subject"].startswith("[CRITICAL] gym-nord: 25 (smtp, IPv4) is forwarded, but not served")
    assert "Consequence: The school receives no mail.\r\n" in other["text"]
    assert "25 (smtp, IPv4) not forwarded: over since" in over["text"]
    for mail in watched.alerting.mails(OPERATIONS, given_way) + watched.alerting.mails(CONTACT, given_way):
        assert "ll is well" not in mail["text"] + mail["html"]
        assert "in Ordnung" not in mail["text"] + mail["html"]

    mended = time.time()
    lab.school.server.reset()
    assert "25 (smtp, IPv4) is forwarded, but not served: over since" in _resolved(watched, mended)["text"]


def _given_way(watched: Watched, began: float, ended: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Wait for the end of one cause and for the one notification of the other; nothing else may come."""
    alerting = watched.alerting
    alerting.wait(lambda: len(alerting.mails(OPERATIONS, began)) >= 2, 90, "one ends, the other is told")
    time.sleep(QUIET)
    mails = alerting.mails(OPERATIONS, began)
    assert len(mails) == 2, [mail["subject"] for mail in mails]
    over, other = sorted(mails, key=lambda mail: not mail["subject"].startswith("[RESOLVED]"))
    assert over["subject"] == f"[RESOLVED] gym-nord: {ended}"
    print(f"from giving way to mail: {other['at'] - began:.1f} s: {other['subject']}")  # noqa: T201 - asked for
    return over, other


@pytest.mark.timeout(150)
def test_a_dead_line_is_one_notification(
    lab: Lab, watched: Watched, record_property: Callable[[str, object], None]
) -> None:
    watched.well()
    began = time.time()
    lab.school.cut_line(Cut.BLACKHOLE)
    told = _one_notification(watched, began, 90, "PortwatchLineDown", record_property)
    assert told.startswith("[CRITICAL] gym-nord: line down\n")
    assert "25 (smtp)" in told
    assert "443 (https)" in told
    mended = time.time()
    lab.provider.reset()
    _resolved(watched, mended)


@pytest.mark.timeout(330)
def test_a_dead_line_that_gives_way_to_a_dead_server_ends_and_the_server_is_told(
    lab: Lab, watched: Watched, record_property: Callable[[str, object], None]
) -> None:
    watched.well()
    began = time.time()
    lab.school.cut_line(Cut.BLACKHOLE)
    _one_notification(watched, began, 120, "PortwatchLineDown", record_property)

    given_way = time.time()
    lab.school.switch_server_off()
    lab.provider.reset()
    over, other = _given_way(watched, given_way, "line down")
    assert other["subject"] == "[CRITICAL] gym-nord: server down"
    assert "line down: over since" in over["text"]
    (german,) = (mail for mail in watched.alerting.mails(CONTACT, given_way) if "BEENDET" not in mail["subject"])
    assert german["subject"] == "[KRITISCH] gym-nord: Server aus"

    mended = time.time()
    lab.school.switch_server_on()
    assert _resolved(watched, mended, 90)["subject"] == "[RESOLVED] gym-nord: server down"


@pytest.mark.timeout(150)
def test_an_isolated_monitor_is_one_notification(
    lab: Lab, watched: Watched, record_property: Callable[[str, object], None]
) -> None:
    watched.well()
    began = time.time()
    lab.provider.cut_monitor(Cut.LINK)
    told = _one_notification(watched, began, 60, "PortwatchMonitorIsolated", record_property)
    assert "Nothing to do at the school." in told
    mended = time.time()
    lab.provider.reset()
    _resolved(watched, mended)


@pytest.mark.timeout(150)
def test_a_killed_daemon_is_one_notification(watched: Watched, record_property: Callable[[str, object], None]) -> None:
    watched.well()
    began = time.time()
    watched.daemon.process.kill()
    watched.daemon.process.wait()
    _one_notification(watched, began, 30, "PortwatchDown", record_property)
    mended = time.time()
    watched.daemon = watched.start()
    _resolved(watched, mended)


@pytest.mark.timeout(150)
def test_a_hung_daemon_is_one_notification(watched: Watched, record_property: Callable[[str, object], None]) -> None:
    watched.well()
    began = time.time()
    watched.daemon.process.send_signal(signal.SIGSTOP)
    try:
        _one_notification(watched, began, 30, "PortwatchDown", record_property)
    finally:
        mended = time.time()
        watched.daemon.process.send_signal(signal.SIGCONT)
    _resolved(watched, mended)
