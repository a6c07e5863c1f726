"""The output of `check` against snapshots; SNAPSHOTS=write renews them, and a person reads what changed."""

import io
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from portwatchd.checkview import DIAGNOSIS_STYLES, STYLES, SYMBOLS, TABLES_SHOWN, rows, show
from portwatchd.model import (
    DiagnosisKind,
    Family,
    Outcome,
    Policy,
    PolicyFact,
    Proof,
    RangeState,
    Report,
    Verdict,
    VerdictKind,
)
from tests.unit.reports import (
    ALIAS,
    BY_CONTRAST,
    BY_HOP,
    FTP_DATA,
    HTTPS,
    IMAP,
    SMTP,
    SSH,
    SUBMISSION,
    holes,
    port,
    report,
)

SNAPSHOTS = Path(__file__).parent / "snapshots"
BOTH = (Family.IPV4, Family.IPV6)
EXPIRED = PolicyFact(Policy.CERTIFICATE_VALID, holds=False, reason="expired 3 days ago")
PLAIN = PolicyFact(Policy.PLAINTEXT_REFUSED, holds=False, reason="LOGINDISABLED is not listed before STARTTLS")
REPORTS = {
    "ok": report(DiagnosisKind.OK, families=BOTH),
    "forwards_lost": report(
        DiagnosisKind.FORWARDS_LOST,
        port(SMTP, BY_HOP, outcome=Outcome.TIMEOUT),
        port(HTTPS, Verdict(VerdictKind.ROUTER_ANSWERS, Proof.HOP, "the router accepts the connection itself")),
        holes(),
        families=BOTH,
    ),
    "services_down": report(
        DiagnosisKind.SERVICES_DOWN,
        port(SMTP, Verdict(VerdictKind.SERVICE_DOWN, Proof.HOP, "forwarded, and the server refuses")),
        port(SUBMISSION, Verdict(VerdictKind.SERVICE_FAULTY, Proof.ANSWER), outcome=Outcome.STARTTLS_MISSING),
    ),
    "policy_violated": report(DiagnosisKind.POLICY_VIOLATED, port(HTTPS, broken=[EXPIRED]), port(IMAP, broken=[PLAIN])),
    "ipv4_lost": report(DiagnosisKind.IPV4_LOST, port(SSH, BY_CONTRAST), port(SMTP, BY_CONTRAST), families=BOTH),
    "dns_failed": replace(report(DiagnosisKind.DNS_FAILED, detail="NXDOMAIN"), ports=(), addresses=()),
}


def drawn(
    reports: Sequence[Report], lang: str, width: int | None, encoding: str = "utf-8", no_color: bool = False
) -> str:
    """What `check` writes: on a terminal of a width, or as plain text."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
    terminal = width is not None
    show(
        reports,
        Console(file=out, width=width or 80, force_terminal=terminal, no_color=no_color),
        lang,
        terminal=terminal,
    )
    out.flush()
    buffer = out.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(encoding)


def without_colour(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("lang", ["en", "de"])
@pytest.mark.parametrize("name", REPORTS)
def test_snapshot(name: str, lang: str) -> None:
    parts = {"plain": drawn([REPORTS[name]], lang, None)}
    parts |= {f"{width} columns": without_colour(drawn([REPORTS[name]], lang, width)) for width in (80, 140)}
    text = "\n".join(f"=== {title}\n{part}" for title, part in parts.items())
    file = SNAPSHOTS / f"check.{name}.{lang}.txt"
    if os.environ.get("SNAPSHOTS") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", REPORTS)
def test_plain_text_has_no_control_characters_and_a_line_for_each_row(name: str) -> None:
    text = drawn([REPORTS[name]], "en", None)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert not any(line.endswith(" ") for line in text.split("\n"))
    ports = {row.cells[0] for row in rows(REPORTS[name].ports, "en")}
    found = [line for line in text.split("\n") if line.partition(" ")[0] in ports]
    assert len(found) == len(rows(REPORTS[name].ports, "en"))


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [60, 80, 100, 140, 250])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    for lang in ("en", "de"):
        for line in without_colour(drawn([REPORTS[name]], lang, width)).split("\n"):
            assert cell_len(line.rstrip()) <= max(width, 76), line


def test_colour_only_where_it_is_wanted() -> None:
    assert "\x1b[32m" in drawn([REPORTS["ok"]], "en", 80)
    assert "\x1b[32m" not in drawn([REPORTS["ok"]], "en", 80, no_color=True)


def test_text_from_outside_neither_colours_nor_commands() -> None:
    nasty = "[red]554[/red] [link=http://x]\x1b[2J\x07\u202e"
    seen = report(DiagnosisKind.SERVICES_DOWN, port(SMTP, Verdict(VerdictKind.SERVICE_FAULTY, Proof.ANSWER, nasty)))
    for text in (drawn([seen], "en", 140), drawn([seen], "en", None)):
        assert "[red]554[/red] [link=http://x]\ufffd[2J\ufffd\ufffd" in text


def test_a_terminal_without_utf8_gets_no_symbols() -> None:
    text = drawn([REPORTS["services_down"]], "de", 80, encoding="ascii")
    assert not set("✓✗") & set(text)
    assert "\\u2713" not in text


def test_families_share_a_row_while_they_say_the_same() -> None:
    seen = rows(REPORTS["forwards_lost"].ports, "en")
    assert [row.cells[2] for row in seen if row.cells[1] == "ssh"] == ["v4 v6"]
    assert [(row.cells[2], row.cells[3]) for row in seen if row.cells[1] == "smtp"] == [
        ("v4", "forward lost"),
        ("v6", "ok"),
    ]


def test_a_range_lists_its_holes_and_what_is_not_known() -> None:
    state = RangeState(90, (63001, 63002, 63003), (63010, 63012))
    seen = replace(port(FTP_DATA, BY_HOP), range=state)
    assert rows([seen], "en")[0].details == (
        "not forwarded: 63001-63003",
        "90 of 93 forwarded",
        "not judged: 63010, 63012",
        BY_HOP.detail,
    )


def test_an_optional_port_is_no_loss() -> None:
    wrong = Verdict(VerdictKind.WRONG_DEVICE, Proof.IDENTITY)
    assert rows([port(ALIAS, wrong)], "en")[0].style != rows([port(SMTP, wrong)], "en")[0].style


def test_every_verdict_and_diagnosis_has_a_style_and_a_symbol() -> None:
    assert set(STYLES) == set(VerdictKind)
    assert {*STYLES.values(), *DIAGNOSIS_STYLES.values()} <= set(SYMBOLS)


def test_several_schools_are_counted_and_healthy_ones_among_many_are_short() -> None:
    few = drawn([REPORTS["ok"], REPORTS["dns_failed"]], "en", None)
    assert few.count("SERVICE") == 1
    assert few.endswith("\n2 schools: 1 all well, 1 name not found\n")
    many = drawn([*[REPORTS["ok"]] * TABLES_SHOWN, REPORTS["services_down"]], "en", None)
    assert many.count("SERVICE") == 1
    assert many.count("gym-nord: All well. All required ports") == TABLES_SHOWN
