from dataclasses import replace

from structlog.testing import capture_logs

from portwatchd.journal.sink import LINES, LINES_A_SECOND, Journal
from portwatchd.model import DiagnosisKind, Family, Proof, Transition, VerdictKind
from tests.unit.reports import report


def lost(at: float, school: str = "a") -> Transition:
    return Transition(
        at, school, Family.IPV4, "smtp", "25", VerdictKind.OK, VerdictKind.FORWARD_LOST, Proof.HOP, "hop 3 answers"
    )


def test_a_change_is_a_line_and_a_loss_is_a_warning() -> None:
    made = report(DiagnosisKind.FORWARDS_LOST)
    diagnosis = Transition(1.0, "a", None, None, None, DiagnosisKind.FORWARDS_LOST, DiagnosisKind.OK)
    with capture_logs() as lines:
        Journal().report(replace(made, transitions=(lost(1.0), diagnosis)))
    assert lines == [
        {
            "event": "verdict changed",
            "log_level": "warning",
            "school": "a",
            "family": "ipv4",
            "port": "25",
            "port_name": "smtp",
            "before": "ok",
            "after": "forward_lost",
            "proof": "hop",
            "detail": "hop 3 answers",
        },
        {"event": "diagnosis changed", "log_level": "info", "school": "a", "before": "forwards_lost", "after": "ok"},
    ]


def test_one_schools_lines_are_bounded_and_the_rest_is_counted() -> None:
    journal = Journal()
    made = report(DiagnosisKind.FORWARDS_LOST)
    with capture_logs() as lines:
        journal.report(replace(made, at=1000.0, transitions=(lost(1.0),) * (LINES + 40)))
        journal.report(replace(made, at=1000.0, transitions=(lost(1.0, "another"),)))
        journal.report(replace(made, at=1000.0 + 1 / LINES_A_SECOND, transitions=(lost(1.0),) * 2))
    assert [line["school"] for line in lines] == ["a"] * LINES + ["another", "a"]
    assert lines[-1]["left_out"] == "40"


def test_diagnoses_are_told_even_where_the_ports_lines_are_spent() -> None:
    diagnosis = Transition(1.0, "a", None, None, None, DiagnosisKind.OK, DiagnosisKind.LINE_DOWN)
    with capture_logs() as lines:
        Journal().report(replace(report(DiagnosisKind.LINE_DOWN), transitions=(*(lost(1.0),) * 100, diagnosis)))
    assert len(lines) == LINES + 1
    assert lines[-1]["event"] == "diagnosis changed"


def test_a_clock_that_jumps_back_gives_and_takes_nothing() -> None:
    journal = Journal()
    made = report(DiagnosisKind.FORWARDS_LOST)
    with capture_logs() as lines:
        for at in (1000.0, 10.0, 1000.0):
            journal.report(replace(made, at=at, transitions=(lost(1.0),)))
    assert len(lines) == 3
