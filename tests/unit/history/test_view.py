"""What `portwatchd history` writes."""

import json

import pytest

from portwatchd.history.availability import PortAvailability
from portwatchd.history.view import duration, history_json, history_text
from portwatchd.model import Family, Transition
from tests.unit.history.memories import change

PORTS = [PortAvailability(Family.IPV4, "smtp", "25", {"ok": 359_999.0, "unknown": 7.0, "forward_lost": 1.0})]
CHANGES = [change(1_700_000_000.25), Transition(1_700_000_001, "gym-nord", None, None, None, "ok", "forwards_lost")]


def test_the_text_has_availability_and_changes() -> None:
    assert history_text("gym-nord", CHANGES, PORTS) == (
        "gym-nord\n"
        "\n"
        "PORT  SERVICE  VIA   AVAILABLE  OK     NOT KNOWN  LOST OR FAULTY\n"
        "25    smtp     ipv4  99.999 %   4d 3h  7s         forward_lost 1s\n"
        "\n"
        "TIME (UTC)           PORT  SERVICE      VIA   FROM  TO             PROOF  DETAIL\n"
        "2023-11-14 22:13:20  25    smtp         ipv4  ok    forward_lost   hop    refused\n"
        "2023-11-14 22:13:21        (diagnosis)        ok    forwards_lost\n"
    )


def test_the_text_of_a_quiet_school() -> None:
    assert history_text("gym-nord", [], []) == "gym-nord\n\nNothing has changed in this time.\n"


def test_a_lost_second_in_a_year_is_never_a_hundred_percent() -> None:
    year = [PortAvailability(Family.IPV4, "smtp", "25", {"ok": 365 * 86400.0, "forward_lost": 1.0})]
    assert "99.999 %" in history_text("gym-nord", [], year)
    well = [PortAvailability(Family.IPV4, "smtp", "25", {"ok": 365 * 86400.0})]
    assert "100.000 %" in history_text("gym-nord", [], well)


def test_text_from_outside_cannot_reach_the_terminal() -> None:
    evil = Transition(1, "x", Family.IPV4, "smtp", "25", None, "ok", None, "\x1b[2J\nfoo")
    shown = history_text("gym\x07", [evil], [])
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\\nfoo" in shown


def test_the_object_is_json() -> None:
    shown = json.loads(json.dumps(history_json("gym-nord", CHANGES, PORTS)))
    assert shown["availability"] == [
        {
            "family": "ipv4",
            "port": "25",
            "service": "smtp",
            "available": 0.999997,
            "seconds": {"ok": 359999.0, "unknown": 7.0, "forward_lost": 1.0},
        }
    ]
    assert shown["events"][0] == {
        "at": 1_700_000_000.25,
        "school": "gym-nord",
        "family": "ipv4",
        "port": "25",
        "service": "smtp",
        "before": "ok",
        "after": "forward_lost",
        "proof": "hop",
        "detail": "refused",
    }
    assert shown["events"][1]["service"] is None


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (59.6, "1m"), (125, "2m 5s"), (3600, "1h"), (3605, "1h"), (90_000, "1d 1h"), (86400, "1d")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
