"""The demo's schools and their configuration file: the built-in profile at ports that any user may have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import yaml

from portwatchd.config import built_in_profiles
from portwatchd.demo.connection import Fault
from portwatchd.model import Protocol, Service

PROFILE = "demo"
OFFSET = 20_000
"""Added to each port: ports below 1024 need privileges, and the school server of this machine may have them."""
RANGE_LENGTH = 10


@dataclass(frozen=True, slots=True)
class DemoSchool:
    """A simulated school, and what befalls it."""

    name: str
    address: str
    district: str
    story: str
    faults: Mapping[str, Fault] = field(default_factory=lambda: MappingProxyType({}))
    """Services that are faulty all the time."""
    comes_and_goes: str | None = None
    """The service whose forward is there for a turn, and then lost for a turn."""
    turn_seconds: float = 60.0

    @property
    def server_name(self) -> str:
        """The name in the server's certificate."""
        return f"{self.name}.example.org"


SCHOOLS = (
    DemoSchool("gym-nord", "127.1.0.1", "nord", "all is well"),
    DemoSchool(
        "gs-sued",
        "127.1.0.2",
        "sued",
        "its router loses the forward of smtp, and has it again a minute later, and so on",
        comes_and_goes="smtp",
    ),
    DemoSchool(
        "rs-west",
        "127.1.0.3",
        "west",
        "its IMAP service greets with an error",
        faults=MappingProxyType({"imap": Fault.REFUSES}),
    ),
)


def shifted_services(offset: int = OFFSET) -> tuple[Service, ...]:
    """Return the services of the built-in profile `iserv` at ports that any user may listen on."""
    return tuple(_shifted(service, offset) for service in built_in_profiles()["iserv"].services)


def _shifted(service: Service, offset: int) -> Service:
    if service.protocol is Protocol.RANGE:  # high enough already, with little room above; a part stands for the whole
        first = service.first + (offset - OFFSET) // 100
        return replace(service, first=first, last=first + RANGE_LENGTH - 1)
    return replace(service, first=service.first + offset, last=service.last + offset)


def profile_entry(services: Iterable[Service]) -> dict[str, object]:
    """Return a profile as a configuration file has it."""
    return {"services": {service.name: _service_entry(service) for service in services}}


def _service_entry(service: Service) -> dict[str, object]:
    ranged = service.protocol is Protocol.RANGE
    entry: dict[str, object] = {
        **({"ports": service.port} if ranged else {"port": service.first}),
        "protocol": service.protocol.value,
        "required": service.required,
    }
    if service.alias_of:
        entry["alias_of"] = service.alias_of
    if not ranged:
        entry["policies"] = sorted(policy.value for policy in service.policies)
    if any(service.consequence):
        entry["consequence"] = service.consequence._asdict()
    return entry


def demo_configuration(ca_file: Path, storage: Path, schools: Iterable[DemoSchool] = SCHOOLS) -> str:
    """Return the configuration file: short intervals, so that there is something to see soon."""
    document = {
        "global": {
            "interval": "5s",
            "audit_interval": "30s",
            "connect_timeout": "2s",
            "timeout": "4s",
            "confirm": {"attempts": 2, "spacing": "1s"},
            "families": ["ipv4"],
        },
        "tls": {"ca_file": str(ca_file)},
        "storage": {"path": str(storage)},
        "profiles": {PROFILE: profile_entry(shifted_services())},
        "schools": [
            {
                "name": school.name,
                "host": school.address,
                "server_name": school.server_name,
                "profile": PROFILE,
                "labels": {"district": school.district},
            }
            for school in schools
        ],
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
