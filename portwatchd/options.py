"""Owns what the command line tells the daemon: frozen, checked, with the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class ListenAddress(NamedTuple):
    """Where the web server listens. An empty host is every address; port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written: `host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


DEFAULT_LISTEN_ADDRESS = ListenAddress("127.0.0.1", 10052)


class LogLevel(StrEnum):
    """The least grave messages that are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line of the log is written."""

    LOGFMT = "logfmt"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Everything that `portwatchd run` was told on the command line."""

    config_file: Path
    listen_addresses: tuple[ListenAddress, ...] = (DEFAULT_LISTEN_ADDRESS,)
    enable_lifecycle: bool = False
    storage_path: Path | None = None
    """In place of the configuration's own path; None leaves that."""
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.LOGFMT
