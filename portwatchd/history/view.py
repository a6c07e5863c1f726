"""How the history of a school looks: its changes and the availability of its ports, as a text table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from portwatchd.history.availability import PortAvailability
from portwatchd.history.reading import EVENTS_LIMIT, Reader
from portwatchd.model import Foreign, Transition, VerdictKind

Json = dict[str, object]

CHANGES_HEAD = ("TIME (UTC)", "PORT", "SERVICE", "VIA", "FROM", "TO", "PROOF", "DETAIL")
PORTS_HEAD = ("PORT", "SERVICE", "VIA", "AVAILABLE", "OK", "NOT KNOWN", "LOST OR FAULTY")
DAY, HOUR, MINUTE = 86400, 3600, 60
NOT_KNOWN = frozenset({VerdictKind.UNKNOWN.value, VerdictKind.BLOCKED_HERE.value})
NOT_LOST = NOT_KNOWN | {VerdictKind.OK.value, VerdictKind.UNUSED.value}
"""Verdicts that are no loss of the service."""


def history(path: Path, school: str, *, since: float, until: float, as_json: bool) -> str:
    """Return what a file tells of a school between two times (UTC seconds), as text or as one JSON object.

    Raises Unusable where the file cannot be read, and LookupError where nothing is kept of the school.
    """
    reader = Reader(path)
    if not reader.knows(school):
        raise LookupError(f"nothing is kept of {school!r} in {path}")
    found = reader.events(since=since, school=school, limit=EVENTS_LIMIT)
    changes = [change for change in found if change.at < until]
    ports = reader.availability(school, since, until)
    if as_json:
        return json.dumps(history_json(school, changes, ports), indent=2) + "\n"
    return history_text(school, changes, ports)


def history_text(school: str, changes: Sequence[Transition], ports: Sequence[PortAvailability]) -> str:
    """Return the availability of each port and then every change, oldest first, one line each."""
    parts = [_clean(school), ""]
    if ports:
        parts += [*_table(PORTS_HEAD, map(_port_cells, ports)), ""]
    parts += _table(CHANGES_HEAD, map(_change_cells, changes)) if changes else ["Nothing has changed in this time."]
    return "\n".join(parts) + "\n"


def history_json(school: str, changes: Sequence[Transition], ports: Sequence[PortAvailability]) -> Json:
    """Return the same as an object; times are Unix seconds, null is what is not known."""
    return {
        "school": school,
        "availability": [
            {
                "family": one.family.value,
                "port": one.port,
                "service": one.service,
                "available": None if one.share is None else round(one.share, 6),
                "seconds": {verdict: round(seconds, 3) for verdict, seconds in one.seconds.items()},
            }
            for one in ports
        ],
        "events": [event_json(change) for change in changes],
    }


def event_json(change: Transition) -> Json:
    """Return a change as the API shows it; without family, port and service it is the diagnosis that changed."""
    return {
        "at": round(change.at, 3),
        "school": change.school,
        "family": change.family.value if change.family else None,
        "port": change.port,
        "service": change.service,
        "before": None if change.before is None else str(change.before),
        "after": str(change.after),
        "proof": change.proof.value if change.proof else None,
        "detail": change.detail,
    }


def duration(seconds: float) -> str:
    """Return a time in its two largest units: `3d 4h`, `12m 5s`, `0s`."""
    left, parts = round(seconds), []
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (1, "s")):
        count, left = divmod(left, unit)
        if count:
            parts.append(f"{count}{name}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0s"


def _port_cells(one: PortAvailability) -> tuple[str, ...]:
    share = "-" if one.share is None else f"{_floor(one.share):.3f} %"
    lost = [f"{verdict} {duration(seconds)}" for verdict, seconds in one.seconds.items() if verdict not in NOT_LOST]
    well = duration(one.seconds.get(VerdictKind.OK.value, 0.0))
    unknown = duration(sum(one.seconds.get(verdict, 0.0) for verdict in NOT_KNOWN))
    return one.port, one.service, one.family.value, share, well, unknown, ", ".join(lost)


def _floor(share: float) -> float:
    """Return a share as percent, never rounded up to 100: a lost minute in a year shows."""
    return int(share * 100_000) / 1000


def _change_cells(change: Transition) -> tuple[str, ...]:
    at = datetime.fromtimestamp(change.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return (
        at,
        change.port or "",
        change.service or "(diagnosis)",
        change.family.value if change.family else "",
        change.before or "",
        change.after,
        change.proof.value if change.proof else "",
        change.detail,
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [tuple(head), *(tuple(map(_clean, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _clean(text: str) -> str:
    """Return text in one line, without a character that a terminal could obey."""
    return Foreign(text.encode("utf-8", "backslashreplace")).shown()
