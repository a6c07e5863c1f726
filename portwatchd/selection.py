"""Owns which schools `check` looks at: those of the named hosts, or of a configuration, and every reason against."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificates

from portwatchd.config import values
from portwatchd.config.load import built_in_profiles, load
from portwatchd.config.problem import Refused
from portwatchd.config.settings import Config
from portwatchd.model import Family, School

DEFAULT_PROFILE = "iserv"

USAGE = 2
"""The exit status of a usage or configuration error."""
CONFIRM_ATTEMPTS, CONFIRM_SPACING = 2, 2.0
"""Of a host that is named on the command line: somebody waits, and may ask again."""


class UsageError(Exception):
    """What was asked for cannot be done; every problem, one a line."""

    def __init__(self, *problems: object) -> None:
        super().__init__(*map(str, problems))
        self.problems = tuple(map(str, problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks to be checked, as it was typed."""

    names: tuple[str, ...]
    config_file: Path | None = None
    profile: str | None = None
    family: str = "both"
    ca_file: Path | None = None


def select(wanted: Wanted) -> tuple[tuple[School, ...], Config]:
    """The schools to check, and the configuration for it; UsageError or ConfigError with every problem."""
    return of_hosts(wanted) if wanted.config_file is None else of_config(wanted, wanted.config_file)


def of_hosts(wanted: Wanted) -> tuple[tuple[School, ...], Config]:
    """The schools that the named hosts are, and the configuration of a file that says nothing."""
    if not wanted.names:
        raise UsageError("portwatchd check: name a HOST, or a configuration with --config.file=PATH")
    profiles = built_in_profiles()
    profile = profiles.get(wanted.profile or DEFAULT_PROFILE)
    problems = []
    if profile is None:
        problems.append(f"portwatchd check: --profile: there is no {wanted.profile!r}, there are {' '.join(profiles)}")
    hosts: dict[str, str] = {}
    for name in wanted.names:
        try:
            hosts.setdefault(values.host(name), name)
        except Refused as refused:
            problems.append(f"portwatchd check: {refused}")
    families = _families(wanted, Config().families)
    problems += [
        f"portwatchd check: {host} cannot be checked with --family={wanted.family}"
        for host in filter(values.is_address, hosts)
        if (Family.IPV6 if ":" in host else Family.IPV4) not in families
    ]
    if problems or profile is None:
        raise UsageError(*problems)
    schools = (School(host, host, "" if values.is_address(host) else host.rstrip("."), profile) for host in hosts)
    ca_file = _ca_file(wanted, None)
    return tuple(schools), Config(
        families=families,
        ca_file=ca_file,
        storage_path=None,
        confirm_attempts=CONFIRM_ATTEMPTS,
        confirm_spacing=CONFIRM_SPACING,
    )


def of_config(wanted: Wanted, file: Path) -> tuple[tuple[School, ...], Config]:
    """The schools of a configuration that are asked for, all where none are named."""
    if wanted.profile is not None:
        raise UsageError("portwatchd check: --profile: a configuration names the profile of each school itself")
    config = load(file)
    faults: list[str] = []
    if config.file_sd_configs or config.http_sd_configs:
        from portwatchd.discovery.once import found

        schools, faults, notes = found(config)
        config = replace(config, schools=schools)
        for note in notes:
            sys.stderr.write(f"portwatchd check: {note}\n")
    known = {school.name: school for school in config.schools}
    problems = []
    for name in wanted.names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            problems.append(f"portwatchd check: {file} has no school {name!r}{hint}")
    if not known and not faults:
        problems.append(f"portwatchd check: {file}: its discoveries find no school")
    if problems or (faults and not wanted.names):
        raise UsageError(*(f"portwatchd check: {fault}" for fault in faults), *problems)
    chosen = tuple(known[name] for name in dict.fromkeys(wanted.names)) or config.schools
    families = _families(wanted, config.families)
    return chosen, replace(config, families=families, ca_file=_ca_file(wanted, config.ca_file))


def _families(wanted: Wanted, allowed: tuple[Family, ...]) -> tuple[Family, ...]:
    families = tuple(family for family in allowed if wanted.family in {family, "both"})
    if not families:
        raise UsageError(
            f"portwatchd check: --family={wanted.family}: the configuration leaves only {' '.join(allowed)}"
        )
    return families


def _ca_file(wanted: Wanted, otherwise: Path | None) -> Path | None:
    """The file of authorities, once it is known that it holds some."""
    if wanted.ca_file is None:
        return otherwise
    try:
        load_pem_x509_certificates(wanted.ca_file.read_bytes())
    except OSError as error:
        raise UsageError(f"portwatchd check: --tls.ca-file: {wanted.ca_file}: {error.strerror}") from None
    except ValueError:
        raise UsageError(
            f"portwatchd check: --tls.ca-file: {wanted.ca_file} holds no certificates in PEM form"
        ) from None
    return wanted.ca_file
