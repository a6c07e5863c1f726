"""Owns the configuration as the daemon sees it: frozen, complete, with the defaults. Times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from portwatchd.config.values import Endpoint
from portwatchd.model import Family, Profile, School

DAY = 86_400.0


class LatencyHistograms(StrEnum):
    """Whose durations become histograms: a service's over all schools, or each school's own (many more series)."""

    SERVICE = "service"
    SCHOOL = "school"


@dataclass(frozen=True, slots=True)
class FileSd:
    """Where Prometheus' files of targets are found, absolute or relative to the working directory."""

    files: tuple[Path, ...]
    refresh_interval: float = 300.0


@dataclass(frozen=True, slots=True)
class HttpSd:
    """Where a list of targets is served in Prometheus' format."""

    url: str
    refresh_interval: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the daemon was told. Its defaults are those of a file that says nothing."""

    interval: float = 60.0
    audit_interval: float = 900.0
    connect_timeout: float = 5.0
    timeout: float = 15.0
    concurrency: int = 512
    school_concurrency: int = 4
    confirm_attempts: int = 3
    confirm_spacing: float = 5.0
    families: tuple[Family, ...] = (Family.IPV4, Family.IPV6)
    latency_histograms: LatencyHistograms = LatencyHistograms.SERVICE
    canaries: tuple[Endpoint, ...] = ()
    controls: Mapping[int, Endpoint] = field(default_factory=dict)
    isolated_above: float = 0.5
    ca_file: Path | None = None
    storage_path: Path | None = Path("portwatchd.db")
    """Relative to the working directory, for the configuration's own may be read-only; None keeps nothing."""
    retention: float = 400 * DAY
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    schools: tuple[School, ...] = ()
    file_sd_configs: tuple[FileSd, ...] = ()
    http_sd_configs: tuple[HttpSd, ...] = ()
    sources: tuple[Path, ...] = ()
    """The files that were read."""
