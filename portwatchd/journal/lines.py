"""What a line looks like: logfmt or JSON, with the journal's priority where systemd's journal reads it."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from portwatchd.journal.writer import Writer
from portwatchd.model import Foreign

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

VALUE_LIMIT = 4000
"""Characters of one value; a traceback has them."""
CLOSE_SECONDS = 1.0
"""How long the last lines may take."""
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Of syslog(3), as sd-daemon(3) has them before a line."""

_state: dict[str, Writer] = {}


def configure(level: str, log_format: str, descriptor: int = 2) -> None:
    """Write the log to stderr, in logfmt or JSON, from a level on; `level` is debug, info, warn or error."""
    close()
    render = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.processors.LogfmtRenderer(key_order=["ts", "level", "event"], bool_as_flag=False)
    )
    finish = Finish(render, priorities=is_journal(os.environ, descriptor))
    writer = _state["writer"] = Writer(descriptor, finish.dropped)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            printable,
            finish,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper().replace("WARN", "WARNING"))),
        logger_factory=lambda *_: Line(writer),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, Bridge)]:
        root.removeHandler(handler)
    root.addHandler(Bridge(logging.WARNING))


def close() -> None:
    """Let the last lines be written, as far as somebody takes them."""
    if writer := _state.pop("writer", None):
        writer.close(CLOSE_SECONDS)


def count_dropped(on_drop: Callable[[], None]) -> None:
    """Have a function called for each line that is dropped from now on."""
    if writer := _state.get("writer"):
        writer.on_drop = on_drop


def is_journal(environment: Mapping[str, str], descriptor: int) -> bool:
    """Whether the descriptor leads to systemd's journal: the variable may come from a parent with another stderr."""
    try:
        about = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{about.st_dev}:{about.st_ino}"


def printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Let no control character through, wherever it came from; a traceback keeps its lines in the escaped form."""
    return {key: _shown(value) for key, value in event.items()}


def _shown(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return Foreign(str(value).encode("utf-8", "backslashreplace")).shown(VALUE_LIMIT)


class Finish:
    """The last of the processors: makes the line."""

    def __init__(self, render: Callable[[Any, str, EventDict], str | bytes], *, priorities: bool) -> None:
        self._render = render
        self._priorities = priorities

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        """Return the line, after its priority where that is wanted."""
        level = str(event.get("level", method))
        line = self._render(logger, method, event)
        text = line if isinstance(line, str) else line.decode()
        return f"<{PRIORITIES.get(level, 5)}>{text}" if self._priorities else text

    def dropped(self, lines: int) -> str:
        """Return the line that tells of dropped ones."""
        moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        return self(None, "warning", {"ts": moment, "level": "warning", "event": "log lines dropped", "lines": lines})


class Line:
    """What structlog hands its lines to."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def msg(self, line: str) -> None:
        """Write a line."""
        self._writer.write(line)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


class Bridge(logging.Handler):
    """Takes the lines of libraries that log by the standard library: the event loop's and the web server's."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it as one of our own."""
        with contextlib.suppress(Exception):  # as the standard library has it: a bad record must not end who logs
            structlog.get_logger().log(
                record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None
            )
