"""Owns a configuration as people read it: in one sentence, as a table of profiles, and whole as YAML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from portwatchd.config.profiles import BUILT_IN
from portwatchd.config.settings import Config
from portwatchd.config.values import spell
from portwatchd.model import Policy, Profile, Protocol, School, Service

DUMPER: type[yaml.CSafeDumper | yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def describe(config: Config) -> str:
    """What a configuration amounts to, in one sentence."""
    counts = Counter(school.profile.name for school in config.schools)
    schools = "1 school" if len(config.schools) == 1 else f"{len(config.schools)} schools"
    used = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    files = "1 file" if len(config.sources) == 1 else f"{len(config.sources)} files"
    discoveries = len(config.file_sd_configs) + len(config.http_sd_configs)
    more = "" if not discoveries else f", and those that {discoveries} discoveries find"
    return (
        f"{schools}{f' ({used})' if used else ''} from {files}{more}; "
        f"watched every {spell(config.interval)}, audited every {spell(config.audit_interval)}"
    )


def profiles_table(profiles: Mapping[str, Profile], language: str = "en") -> str:
    """Each profile with its services, as text; the consequences in `en` or `de`."""
    return "\n".join(_profile_table(profile, language) for profile in profiles.values())


def _profile_table(profile: Profile, language: str) -> str:
    rows = [("SERVICE", "PORT", "PROTOCOL", "REQUIRED", "POLICIES", "IF LOST")]
    for service in profile.services:
        required = "yes" if service.required else f"no, alias of {service.alias_of}" if service.alias_of else "no"
        consequence = service.consequence.de if language == "de" else service.consequence.en
        policies = " ".join(_ordered(service)) or "-"
        rows.append((service.name, service.port, service.protocol, required, policies, consequence or "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return f"{profile.name}\n" + "".join(f"  {line}\n" for line in lines)


def effective(config: Config) -> str:
    """The whole configuration as YAML, defaults and files included; `load` makes the same of it in any place."""
    tree: dict[str, Any] = {
        "global": {
            "interval": spell(config.interval),
            "audit_interval": spell(config.audit_interval),
            "connect_timeout": spell(config.connect_timeout),
            "timeout": spell(config.timeout),
            "concurrency": config.concurrency,
            "school_concurrency": config.school_concurrency,
            "confirm": {"attempts": config.confirm_attempts, "spacing": spell(config.confirm_spacing)},
            "families": [str(family) for family in config.families],
            "latency_histograms": str(config.latency_histograms),
        },
        "monitor": {
            "canaries": [str(canary) for canary in config.canaries],
            "controls": {port: str(control) for port, control in config.controls.items()},
            "isolated_above": config.isolated_above,
        },
        "tls": {"ca_file": str(config.ca_file.absolute()) if config.ca_file else None},
        "storage": {
            "path": str(config.storage_path) if config.storage_path else None,
            "retention": spell(config.retention),
        },
        "profiles": {
            name: {"services": {service.name: _service(service) for service in profile.services}}
            for name, profile in config.profiles.items()
            if name not in BUILT_IN
        },
        "schools": [_school(school) for school in config.schools],
        "file_sd_configs": [
            {
                "files": [str(file.absolute()) for file in discovery.files],
                "refresh_interval": spell(discovery.refresh_interval),
            }
            for discovery in config.file_sd_configs
        ],
        "http_sd_configs": [
            {"url": discovery.url, "refresh_interval": spell(discovery.refresh_interval)}
            for discovery in config.http_sd_configs
        ],
    }
    return yaml.dump(tree, Dumper=DUMPER, sort_keys=False, allow_unicode=True, width=120)


def _school(school: School) -> dict[str, Any]:
    tree: dict[str, Any] = {"name": school.name, "host": school.host}
    if school.server_name:
        tree["server_name"] = school.server_name
    return tree | {"profile": school.profile.name} | ({"labels": dict(school.labels)} if school.labels else {})


def _service(service: Service) -> dict[str, Any]:
    ranged = service.protocol is Protocol.RANGE
    tree: dict[str, Any] = {"ports": service.port} if ranged else {"port": service.first}
    tree |= {
        "protocol": str(service.protocol),
        "required": service.required,
        "policies": list(_ordered(service)),
    }
    if any(service.consequence):
        tree["consequence"] = dict(service.consequence._asdict())
    return tree | ({"alias_of": service.alias_of} if service.alias_of else {})


def _ordered(service: Service) -> Iterable[str]:
    """A service's policies in the order of the interface."""
    return (str(policy) for policy in Policy if policy in service.policies)
