"""The log: structured lines on stderr, and one line for each change that is believed."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, TextIO

import structlog

from portwatchd.model import DiagnosisKind, Foreign, VerdictKind

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

    from portwatchd.model import Report, Transition

WELL = frozenset({DiagnosisKind.OK, VerdictKind.OK, VerdictKind.UNUSED})
LINES_A_ROUND = 30
"""Lines for the changes of one round; a profile has fewer services, and a broken one must not fill the disk."""


def configure(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Write the log to stderr, in logfmt or JSON, from a level on; `level` is debug, info, warn or error."""
    renderer = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.processors.LogfmtRenderer(key_order=["ts", "level", "event"], bool_as_flag=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            _printable,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper().replace("WARN", "WARNING"))),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Let no control character through, wherever it came from; a traceback keeps its lines in the escaped form."""
    return {key: Foreign(v.encode()).shown(4000) if isinstance(v, str) else v for key, v in event.items()}


class Journal:
    """The sink that writes one line for each change."""

    def __init__(self) -> None:
        """Write through structlog's present configuration."""
        self._log = structlog.get_logger()

    def report(self, report: Report) -> None:
        """Write what changed in a round, the school's diagnosis last; a port that is well at first sight is no news."""
        news = [c for c in report.transitions if c.service is None or c.before is not None or c.after not in WELL]
        for change in news[-LINES_A_ROUND:]:
            self._write(change)

    def _write(self, change: Transition) -> None:
        well = change.after in WELL
        write = self._log.info if well or change.before is None else self._log.warning
        facts = {
            "school": change.school,
            "family": change.family,
            "port": change.port,
            "port_name": change.service,
            "before": change.before,
            "after": change.after,
            "proof": change.proof,
            "detail": change.detail or None,
        }
        what = "host key" if change.family is None else "verdict"
        event = "diagnosis changed" if change.service is None else f"{what} changed"
        write(event, **{key: str(value) for key, value in facts.items() if value is not None})
