"""Owns the way from a path to a `Config`: all files are read, and either all is sound or every problem is named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from portwatchd.config import profiles, values
from portwatchd.config.document import Node, Table, parse, read_text
from portwatchd.config.problem import ConfigError, Problems, Refused, Sheet, escaped, shown
from portwatchd.config.schools import Register, found_files, read_school_file
from portwatchd.config.section import Section
from portwatchd.config.settings import DAY, Config, FileSd, HttpSd, LatencyHistograms
from portwatchd.config.values import Endpoint, duration, whole
from portwatchd.model import Family, Profile

DISCOVERED = re.compile(r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)")
"""Prometheus' own rule for the files of file_sd: `*` only in the last part."""
_DEFAULTS = Config()


def load(path: Path) -> Config:
    """The configuration of a file and of all files that it names; ConfigError with every problem of all of them."""
    problems = Problems()
    sheet = problems.sheet(str(path))
    root = _root(path, sheet)
    drafts = profiles.built_in(problems)
    with Section(root, "", sheet) as section:
        profiles.read_profiles(section.section("profiles"), drafts)
        resolved = profiles.resolve(drafts)
        register = Register(resolved, frozenset(drafts))
        for key, node in section.nodes("schools"):
            register.enter(node, key, sheet)
        files = tuple(found_files(section, path))
        for file in files:
            read_school_file(file, problems, register)
        config = _settings(section, path, resolved, register, files)
        if not (problems.count() or config.schools or config.file_sd_configs or config.http_sd_configs):
            section.complain("schools", "there are no schools, and no discovery that could find some")
    if found := problems.found():
        raise ConfigError(found)
    return config


def built_in_profiles() -> dict[str, Profile]:
    """The profiles that come with the package; they pass the same checks as a user's own."""
    problems = Problems()
    resolved = profiles.resolve(profiles.built_in(problems))
    if found := problems.found():
        raise ConfigError(found)
    return resolved


def _root(path: Path, sheet: Sheet) -> Node:
    """The tree of the main file; ConfigError where there is none, for then nothing else can be checked."""
    text = read_text(path, sheet)
    root = None if text is None else parse(text, sheet)
    if root is not None and not isinstance(root, Table):
        sheet.add(root.line, "", "is no mapping: it begins with keys such as schools: or global:")
    if root is None or not isinstance(root, Table):
        raise ConfigError(tuple(sheet.problems))
    return root


def _settings(
    section: Section, path: Path, known: Mapping[str, Profile], register: Register, files: tuple[Path, ...]
) -> Config:
    """Everything beside profiles and schools."""
    base = _DEFAULTS
    with section.section("global") as g, g.section("confirm") as confirm:
        interval = g.get("interval", duration(1, DAY), _DEFAULTS.interval)
        audit_interval = g.get("audit_interval", duration(1, 30 * DAY), _DEFAULTS.audit_interval)
        connect_timeout, timeout = _timeouts(g)
        concurrency = g.get("concurrency", whole(1, 65536), base.concurrency, plain=True)
        school_concurrency = g.get("school_concurrency", whole(1, 256), base.school_concurrency, plain=True)
        attempts = confirm.get("attempts", whole(0, 10), base.confirm_attempts, plain=True)
        spacing = confirm.get("spacing", duration(0, 300), base.confirm_spacing)
        families = _families(g)
        histograms = g.get("latency_histograms", values.one_of(LatencyHistograms, "choice"), base.latency_histograms)
    with section.section("monitor") as monitor:
        canaries = monitor.each("canaries", values.endpoint)
        if len(set(canaries)) != len(canaries):
            monitor.complain("canaries", "name each canary once")
        controls = _controls(monitor)
        isolated_above = monitor.get("isolated_above", values.share, base.isolated_above, plain=True)
    with section.section("tls") as tls:
        ca_file = _ca_file(tls, path)
    with section.section("storage") as storage:
        storage_path = None if storage.is_null("path") else base.storage_path
        if stored := storage.get("path", values.file_name, ""):
            storage_path = Path(stored)
        retention = storage.get("retention", duration(DAY, 3650 * DAY), base.retention)
    return Config(
        interval=interval,
        audit_interval=audit_interval,
        connect_timeout=connect_timeout,
        timeout=timeout,
        concurrency=concurrency,
        school_concurrency=school_concurrency,
        confirm_attempts=attempts,
        confirm_spacing=spacing,
        families=families,
        latency_histograms=histograms,
        canaries=canaries,
        controls=MappingProxyType(controls),
        isolated_above=isolated_above,
        ca_file=ca_file,
        storage_path=storage_path,
        retention=retention,
        profiles=MappingProxyType(dict(known)),
        schools=tuple(register.schools),
        file_sd_configs=_file_sd(section, path),
        http_sd_configs=_http_sd(section),
        sources=(path, *files, *((ca_file,) if ca_file else ())),
    )


def _timeouts(section: Section) -> tuple[float, float]:
    """The time for a connect and for a whole probe; a connect's, where it is not given, is fitted to the probe's.

    Both may be longer than the interval: a round that still runs at its school's next slot is skipped and counted.
    """
    timeout = section.get("timeout", duration(0.1, 300), _DEFAULTS.timeout)
    connect = section.get("connect_timeout", duration(0.05, 300), min(_DEFAULTS.connect_timeout, timeout))
    if connect > timeout:
        section.complain("connect_timeout", f"must not be more than the timeout of {values.spell(timeout)}")
    return connect, timeout


def _families(section: Section) -> tuple[Family, ...]:
    """The address families, each once."""
    before = len(section.sheet.problems)
    families = section.each("families", values.one_of(Family, "family"), _DEFAULTS.families)
    if len(section.sheet.problems) == before and (not families or len(set(families)) != len(families)):
        section.complain("families", "name ipv4, ipv6 or both, each once")
    return families


def _controls(section: Section) -> dict[int, Endpoint]:
    """For each port a host that surely answers on it."""
    controls: dict[int, Endpoint] = {}
    with section.section("controls") as inner:
        for port, key, _, node in inner.entries(values.port):
            if control := inner.found(node, key, values.endpoint):
                controls[port] = control
    return controls


def _ca_file(section: Section, path: Path) -> Path | None:
    """A file of authorities, relative to the configuration; it exists and can be parsed."""
    name = section.get("ca_file", values.file_name, "")
    if not name:
        return None
    from cryptography.x509 import load_pem_x509_certificates

    file = path.parent / name
    own = Problems().sheet("")
    text = read_text(file, own)
    if text is None:
        section.complain("ca_file", f"{escaped(str(file))} {own.problems[0].reason}")
        return file
    try:
        load_pem_x509_certificates(text.encode())
    except ValueError:
        section.complain("ca_file", f"{escaped(str(file))} holds no certificates in PEM form")
    return file


def _file_sd(section: Section, path: Path) -> tuple[FileSd, ...]:
    """Where files of targets are, relative to the configuration."""
    found = []
    for key, node in section.nodes("file_sd_configs"):
        with Section(node, key, section.sheet) as one:
            if not one.has("files"):
                one.complain("files", "is missing")
            names = one.each("files", _discovered)
            refresh = one.get("refresh_interval", duration(1, DAY), 300.0)
            found.append(FileSd(tuple(path.parent / name for name in names), refresh))
    return tuple(found)


def _discovered(text: str) -> str:
    if not DISCOVERED.fullmatch(values.file_name(text)):
        raise Refused(f"{shown(text)} must end in .json, .yml or .yaml, with * only in its last part")
    return text


def _http_sd(section: Section) -> tuple[HttpSd, ...]:
    """Where lists of targets are served."""
    found = []
    for key, node in section.nodes("http_sd_configs"):
        with Section(node, key, section.sheet) as one:
            found.append(
                HttpSd(
                    url=one.need("url", values.url, ""),
                    refresh_interval=one.get("refresh_interval", duration(1, DAY), 60.0),
                )
            )
    return tuple(found)
