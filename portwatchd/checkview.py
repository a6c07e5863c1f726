"""Owns how the reports of `check` look: a table and a diagnosis for each school, on a terminal and as plain text."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from portwatchd.diagnosis import words
from portwatchd.diagnosis.words import say
from portwatchd.model import DiagnosisKind, Family, HopMethod, PortReport, Report, Stage, VerdictKind, Words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

TABLES_SHOWN = 12
"""With more schools than that, one that is well is told in one line."""

DETAIL_WIDTH = 44
"""Columns that details need beside the table; on a narrower terminal they stand below their row."""

READABLE = 100
"""Columns of running text: longer lines are hard to read, however wide the terminal."""

HEADS = (
    Words("PORT", "PORT"),
    Words("SERVICE", "DIENST"),
    Words("VIA", "ÜBER"),
    Words("VERDICT", "URTEIL"),
    Words("PROOF", "BEWEIS"),
    Words("TIME", "ZEIT"),
)
VIA, VERDICT = 2, 3
"""The columns of address families (left out where every row has the same) and of verdicts (in colour)."""
GAP = "  "
JOINT = "; "

TODO = Words("What to do:", "Was zu tun ist:")
NOT_MET = Words("not met: {}", "nicht erfüllt: {}")
LOST = Words("not forwarded: {}", "nicht weitergeleitet: {}")
OPEN = Words("not judged: {}", "nicht beurteilt: {}")
FORWARDED = Words("{} of {} forwarded", "{} von {} weitergeleitet")
HOPS = Words("router at hop {} ({})", "Router bei Hop {} ({})")
METHODS: Mapping[HopMethod, Words] = {
    HopMethod.TIME_EXCEEDED: Words("time-exceeded", "time-exceeded"),
    HopMethod.ANSWERS: Words("answers", "Antworten"),
    HopMethod.OFF: Words("no hop proofs", "keine Hop-Beweise"),
}
EXPOSED = {True: Words("exposed host", "Exposed Host"), False: Words("single forwards", "einzelne Weiterleitungen")}
SCHOOLS = Words("{} schools:", "{} Schulen:")

FAMILIES = {Family.IPV4: "v4", Family.IPV6: "v6"}
FAMILY_NAMES = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}

WELL, ASIDE, OPEN_QUESTION, FAULT, LOSS = "green", "dim", "magenta", "yellow", "bold red"
STYLES: Mapping[VerdictKind, str] = {
    VerdictKind.OK: WELL,
    VerdictKind.UNUSED: ASIDE,
    VerdictKind.UNKNOWN: OPEN_QUESTION,
    VerdictKind.BLOCKED_HERE: OPEN_QUESTION,
    VerdictKind.SERVICE_FAULTY: FAULT,
    VerdictKind.SERVER_FILTERED: FAULT,
    VerdictKind.SERVICE_DOWN: FAULT,
    VerdictKind.WRONG_DEVICE: LOSS,
    VerdictKind.ROUTER_ANSWERS: LOSS,
    VerdictKind.FORWARD_LOST: LOSS,
    VerdictKind.SERVER_DOWN: LOSS,
    VerdictKind.LINE_DOWN: LOSS,
}
SYMBOLS: Mapping[str, str] = {WELL: "✓", ASIDE: "-", OPEN_QUESTION: "?", FAULT: "!", LOSS: "✗"}
DIAGNOSIS_STYLES: Mapping[DiagnosisKind, str] = {
    DiagnosisKind.OK: WELL,
    DiagnosisKind.UNKNOWN: OPEN_QUESTION,
    DiagnosisKind.SERVICES_DOWN: FAULT,
    DiagnosisKind.POLICY_VIOLATED: FAULT,
}
"""What is not named here is a loss."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, and what stands beside or below it."""

    cells: tuple[str, ...]
    style: str
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What is written on: columns of a terminal, or None for plain text, whose lines are never wrapped."""

    width: int | None
    symbols: bool
    lang: str


def show(reports: Sequence[Report], console: Console, lang: str, *, terminal: bool) -> None:
    """Write every report: with colours and wrapped on a terminal, else as plain text, one line a row."""
    utf8 = console.encoding.lower().replace("-", "").startswith("utf")
    page = Page(console.width if terminal else None, terminal and utf8, lang)
    for line in _lines(reports, page):
        # Lines are wrapped here already, and plain ones never: hence soft_wrap.
        line.rstrip()
        console.print(line if terminal else line.plain, soft_wrap=True, markup=False, highlight=False)


def _lines(reports: Sequence[Report], page: Page) -> Iterator[Text]:
    for number, report in enumerate(reports):
        if len(reports) > TABLES_SHOWN and report.diagnosis.kind is DiagnosisKind.OK:
            yield _diagnosis_line(report, page, named=True)
            continue
        if number:
            yield Text()
        yield from _school(report, page)
    if len(reports) > 1:
        count = Counter(report.diagnosis.kind for report in reports)
        kinds = [kind for kind in reversed(DiagnosisKind) if count[kind]]
        parts = ", ".join(f"{count[kind]} {words.diagnosis_words(kind, page.lang)}" for kind in kinds)
        yield Text()
        yield from _wrapped(Text(f"{say(SCHOOLS, page.lang).format(len(reports))} {parts}"), "", page.width)


def rows(ports: Sequence[PortReport], lang: str) -> list[Row]:
    """Return the lines of the table. Addresses and families that say the same of a service share one."""
    groups: dict[tuple[object, ...], list[PortReport]] = {}
    for port in ports:
        outcome = port.observation.outcome if port.observation else None
        broken = tuple((fact.policy, fact.reason) for fact in port.policies if fact.holds is False)
        groups.setdefault((port.service.name, port.verdict, outcome, broken, port.range), []).append(port)
    order = list(dict.fromkeys(port.service.name for port in ports))
    return [
        _row(group, lang) for group in sorted(groups.values(), key=lambda group: order.index(group[0].service.name))
    ]


def _row(group: Sequence[PortReport], lang: str) -> Row:
    port = group[0]
    style = STYLES[port.verdict.kind]
    if not port.service.required and style is LOSS:
        style = FAULT
    via = " ".join(FAMILIES[family] for family in Family if any(p.family is family for p in group))
    proof = words.proof_words(port.verdict.proof, lang)
    verdict = words.verdict_words(port.verdict.kind, lang)
    cells = (port.service.port, port.service.name, via, verdict, proof, _seconds(group))
    return Row(tuple(map(_clean, cells)), style, tuple(map(_clean, _details(port, lang))))


def _details(port: PortReport, lang: str) -> Iterator[str]:
    """What stands beside a row: holes of a range, the facts of a failure, policies that are not met."""
    if port.range is not None:
        known = port.range.forwarded + len(port.range.lost)
        if port.range.lost:
            yield say(LOST, lang).format(words.spans(port.range.lost))
        if known:
            yield say(FORWARDED, lang).format(port.range.forwarded, known)
        if port.range.unknown:
            yield say(OPEN, lang).format(words.spans(port.range.unknown))
    seen = port.observation
    if detail := port.verdict.detail or (seen.detail if seen else ""):
        yield words.detail_words(detail, lang)
    elif seen and port.verdict.kind is VerdictKind.SERVICE_FAULTY:
        yield words.outcome_words(seen.outcome, lang)
    for fact in port.policies:
        if fact.holds is False:
            reason = f" ({words.reason_words(fact.reason, lang)})" if fact.reason else ""
            yield say(NOT_MET, lang).format(f"{words.policy_words(fact.policy, lang)}{reason}")


def _seconds(group: Iterable[PortReport]) -> str:
    """Return the longest time of a group's last probes: `42 ms`, `5.0 s`."""
    times = [port.observation.seconds(Stage.TOTAL) for port in group if port.observation is not None]
    known = [seconds for seconds in times if seconds is not None]
    if not known:
        return ""
    longest = max(known)
    if longest < 0.001:
        return "<1 ms"
    return f"{longest * 1000:.0f} ms" if longest < 1 else f"{longest:.1f} s"


def _school(report: Report, page: Page) -> Iterator[Text]:
    school, lang = report.school, page.lang
    names = dict.fromkeys([school.name, school.host, school.profile.name])
    yield Text("  ").join([Text(_clean(name), "bold" if name == school.name else "") for name in names])
    for address in report.addresses:
        method, hops = say(METHODS[address.distance.method], lang), address.distance.hops
        router = method if hops is None else say(HOPS, lang).format(hops, method)
        facts = [f"{FAMILY_NAMES[address.family]} {address.address}", router]
        if address.exposed_host is not None:
            facts.append(say(EXPOSED[address.exposed_host], lang))
        yield from _wrapped(Text(_clean(", ".join(facts)), "dim"), "", page.width)
    if report.ports:
        yield Text()
        yield from _table(rows(report.ports, lang), page)
    yield Text()
    yield from _wrapped(_diagnosis_line(report, page, named=False), "", page.width)
    if report.diagnosis.detail:
        yield from _wrapped(Text(_clean(report.diagnosis.detail), "dim"), "", page.width)
    if report.diagnosis.kind is not DiagnosisKind.OK:
        todo = Text.assemble((say(TODO, lang), "bold"), " ", _clean(words.remedy(report, lang)))
        yield from _wrapped(todo, "", page.width)


def _diagnosis_line(report: Report, page: Page, *, named: bool) -> Text:
    style = DIAGNOSIS_STYLES.get(report.diagnosis.kind, LOSS)
    head = words.diagnosis_words(report.diagnosis.kind, page.lang)
    return Text.assemble(
        (f"{SYMBOLS[style]} " if page.symbols else "", style),
        (f"{_clean(report.school.name)}: " if named else "", "bold"),
        (f"{head[:1].upper()}{head[1:]}.", style),
        " ",
        _clean(words.summary(report, page.lang)),
    )


def _table(lines: Sequence[Row], page: Page) -> Iterator[Text]:
    """Lay the rows out; in plain text all details stand in the row's own line."""
    heads = tuple(say(head, page.lang) for head in HEADS)
    if page.symbols:
        lines = [
            replace(
                row,
                cells=(*row.cells[:VERDICT], f"{SYMBOLS[row.style]} {row.cells[VERDICT]}", *row.cells[VERDICT + 1 :]),
            )
            for row in lines
        ]
    columns = [n for n in range(len(heads)) if n != VIA or len({row.cells[VIA] for row in lines}) > 1]
    widths = {n: max(cell_len(cells[n]) for cells in (heads, *(row.cells for row in lines))) for n in columns}
    used = sum(widths.values()) + len(GAP) * len(columns)
    start = sum(widths[n] + len(GAP) for n in columns if n < VERDICT)
    inline = page.width is None or page.width - used >= DETAIL_WIDTH
    indent = used if inline else widths[0] + len(GAP)
    yield _line(heads, widths, "dim")
    for row in lines:
        line = _line(row.cells, widths, "dim" if row.style is ASIDE else "")
        line.stylize(row.style, start, start + widths[VERDICT])
        if page.width is None:
            yield line.append(JOINT.join(row.details))
            continue
        if sum(map(cell_len, row.details)) + len(row.details) * len(JOINT) <= page.width - used:
            yield line.append(JOINT.join(row.details), "dim")
            continue
        below = [part for text in row.details for part in textwrap.wrap(text, max(20, page.width - indent))]
        if inline and below:
            line.append(below.pop(0), "dim")
        yield line
        yield from (Text(" " * indent + part, "dim") for part in below)


def _line(cells: Sequence[str], widths: Mapping[int, int], style: str) -> Text:
    return Text("".join(cells[n] + " " * (width - cell_len(cells[n])) + GAP for n, width in widths.items()), style)


def _wrapped(text: Text, indent: str, width: int | None) -> Iterator[Text]:
    """Wrap running text, each line after an indent; plain text stays one line."""
    if width is None:
        yield Text(indent) + text
        return
    inner = max(20, min(width, READABLE) - len(indent))
    yield from (Text(indent) + part for part in text.wrap(Console(width=inner), inner))


def _clean(text: str) -> str:
    """Return text without a character that a terminal could obey."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
