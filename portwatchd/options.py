"""Owns what the command line tells the daemon: frozen, checked, with the defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from portwatchd.config import values
from portwatchd.config.problem import Refused
from portwatchd.shard import WHOLE, Shard


class ListenAddress(NamedTuple):
    """Where the web server listens. An empty host is every address; port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written: `host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen_address(text: str) -> ListenAddress:
    """Read `HOST:PORT`, `[IPV6]:PORT` or `:PORT`; ValueError says what is wrong with it.

    `PORT+N` is the N-th port after it: a unit of systemd that knows its shard's number cannot reckon.
    """
    match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]*)):([0-9]{1,5})(?:\+([0-9]{1,5}))?", text)
    port = int(match[3]) + int(match[4] or 0) if match else 0
    if not match or port > values.PORT_LIMIT:
        raise ValueError(f"{text!r} is no HOST:PORT, [IPV6]:PORT or :PORT")
    host = match[1] or match[2]
    try:
        if match[1] or re.fullmatch("[0-9.]+", host):
            ip_address(host)
        elif host:
            values.host_name(host)
    except Refused as refused:
        raise ValueError(str(refused)) from None
    return ListenAddress(host, port)


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
    web_config_file: Path | None = None
    """Who may ask, in exporter-toolkit's format; None lets everybody who can connect."""
    systemd_socket: bool = False
    """Listen on sockets that systemd hands over, and on the addresses only where some are named."""
    enable_lifecycle: bool = False
    storage_path: Path | None = None
    """In place of the configuration's own path; None leaves that."""
    shard: Shard = WHOLE
    """Which share of the schools is watched; by default all."""
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.LOGFMT
