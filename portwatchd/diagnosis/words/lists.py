"""Owns how ports are listed in a sentence: compact spans, names, families, a bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portwatchd.diagnosis.words.language import say
from portwatchd.model import Family, PortReport, Proof, Report, VerdictKind, Words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PORTS_SHOWN = 6
"""Ports that one list of a sentence names; more do not help a reader, and the table has them all."""

SPANS_SHOWN = 4
"""Spans of one range that a sentence names."""

AND = Words("and", "und")
MORE = Words("{} more", "{} weitere")
FAMILY_NAMES = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}


def spans(ports: Iterable[int], limit: int | None = None, lang: str = "en") -> str:
    """Return ports as compact spans, `63017, 63040-63042`; at most `limit` spans, then how many more ports."""
    found: list[tuple[int, int]] = []
    for port in sorted(set(ports)):
        if found and port == found[-1][1] + 1:
            found[-1] = (found[-1][0], port)
        else:
            found.append((port, port))
    shown = found if limit is None or len(found) <= limit else found[:limit]
    text = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in shown)
    left = sum(last - first + 1 for first, last in found[len(shown) :])
    return f"{text} {say(AND, lang)} {say(MORE, lang).format(left)}" if left else text


def bounded(items: Sequence[str], lang: str, limit: int = PORTS_SHOWN) -> str:
    """Return `a, b and c`, or `a, b and 7 more` where there are more than `limit`."""
    if len(items) > limit:
        items = [*items[: limit - 1], say(MORE, lang).format(len(items) - limit + 1)]
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {say(AND, lang)} {items[-1]}"


def named(
    ports: Sequence[PortReport],
    everything: Sequence[PortReport],
    lang: str,
    note: str = "",
    limit: int = PORTS_SHOWN,
) -> str:
    """Return ports with their names, `25 (smtp) and 63017 (ftp-data)`, each service once.

    A service that fails over one family and not over the other says so: `25 (smtp, IPv6)`.
    """
    return bounded([_one(group, everything, lang, note) for group in by_service(ports)], lang, limit)


def by_service(ports: Sequence[PortReport]) -> list[list[PortReport]]:
    """Return the ports grouped by service, in their first order."""
    groups: dict[str, list[PortReport]] = {}
    for port in ports:
        groups.setdefault(port.service.name, []).append(port)
    return list(groups.values())


def lives_elsewhere(group: Sequence[PortReport], everything: Sequence[PortReport]) -> Family | None:
    """Return the family over which a service works that fails over the other one; None where there is none."""
    failing = {port.family for port in group}
    for port in everything:
        if port.service.name == group[0].service.name and port.family not in failing:
            return port.family if port.verdict.kind is VerdictKind.OK else None
    return None


def router_shows(report: Report) -> bool:
    """Whether the router itself was met on a port that the diagnosis rests on: then its address is reachable."""
    return any(
        port.verdict.kind in {VerdictKind.FORWARD_LOST, VerdictKind.ROUTER_ANSWERS}
        and port.verdict.proof in {Proof.HOP, Proof.ICMP}
        for port in report.diagnosis.concerned
    )


def _one(group: Sequence[PortReport], everything: Sequence[PortReport], lang: str, note: str) -> str:
    service = group[0].service
    families = {port.family for port in group}
    others = {port.family for port in everything if port.service.name == service.name} - families
    notes = [service.name, *([note] if note else [])]
    if others:
        notes += [FAMILY_NAMES[family] for family in sorted(families)]
    lost = {number for port in group if port.range is not None for number in port.range.lost}
    return f"{spans(lost, SPANS_SHOWN, lang) if lost else service.port} ({', '.join(notes)})"
