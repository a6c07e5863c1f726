"""The real daemon on simulated schools: `python -m tests.lab.grafana.watched DIRECTORY PORT` runs until it is ended.

Two of them, with two ports, do not disturb each other.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import yaml

from portwatchd.app import run
from portwatchd.demo.certificates import Authority
from portwatchd.demo.configuration import OFFSET, DemoSchool, demo_configuration, shifted_services
from portwatchd.demo.connection import Fault
from portwatchd.demo.stage import Stage
from portwatchd.options import ListenAddress, RunOptions

DISTRICTS = ("nord", "sued", "west")


def _school(
    name: str, faults: dict[str, Fault] | None = None, comes_and_goes: str | None = None, turn: float = 20
) -> DemoSchool:
    district = DISTRICTS[sum(name.encode()) % len(DISTRICTS)]
    return DemoSchool(name, "", district, "", MappingProxyType(faults or {}), comes_and_goes, turn)


_ALL = {service.name: Fault.CLOSED for service in shifted_services()}
_DARK = {service.name: Fault.DROPPED for service in shifted_services()}
SCHOOLS = (
    _school("gym-nord", comes_and_goes="smtp", turn=15),
    _school("gs-sued", {"imap": Fault.REFUSES}),
    _school("rs-west"),
    _school("gs-am-deich", {"http": Fault.CLOSED}),
    _school("igs-mitte", {"smtp": Fault.NO_STARTTLS}),
    _school("bbs-hafen", comes_and_goes="ssh", turn=40),
    _school("gs-lindenhof", _ALL),
    _school("gym-elbe", {"https": Fault.WRONG_PROTOCOL}),
    _school("obs-heide", _DARK),
    _school("gs-muehlberg"),
    _school("fs-park", {"pop3s": Fault.SILENT, "imaps": Fault.CLOSED}),
    _school("gym-sued"),
    _school("kgs-ost", comes_and_goes="imaps", turn=25),
    _school("gs-waldweg", {"http": Fault.REFUSES}),
    _school("rs-bruecke", {"ldaps": Fault.CLOSED, "smtps": Fault.DROPPED}),
    _school("gs-feld"),
)
WELL = ("rs-west", "gs-muehlberg")
"""The schools that nothing befalls: canaries and controls are there."""
DISCOVERED = "gym-sued"
"""The school that a list of service discovery names, and not the configuration."""
STRANGE = "gs-feld"
"""The school whose certificate is for another name."""
NOWHERE = "gs-waldweg"
"""The school without a district."""


def placed(block: int) -> tuple[DemoSchool, ...]:
    """Return the schools with addresses of a block of loopback."""
    return tuple(replace(one, address=f"127.3.{block}.{number}") for number, one in enumerate(SCHOOLS, 1))


def configuration(directory: Path, authority: Authority, schools: tuple[DemoSchool, ...]) -> str:
    """Return the demo's configuration with these schools, with canaries and controls."""
    ca_file = directory / "authority.pem"
    ca_file.write_bytes(authority.pem)
    document = yaml.safe_load(demo_configuration(ca_file, directory / "portwatchd.db", schools))
    for school in document["schools"]:
        if school["name"] == NOWHERE:
            del school["labels"]["district"]
        if school["name"] == STRANGE:
            school["server_name"] = "somebody-else.example.org"
    (found,) = (school for school in document["schools"] if school["name"] == DISCOVERED)
    document["schools"].remove(found)
    labels = {key: found[key] for key in ("name", "server_name", "profile")} | found["labels"]
    (directory / "targets.json").write_text(json.dumps([{"targets": [found["host"]], "labels": labels}]))
    document["file_sd_configs"] = [{"files": [str(directory / "targets.json")]}]
    well, other = (one.address for one in schools if one.name in WELL)
    smtp = OFFSET + 25
    document["monitor"] = {
        "canaries": [f"{well}:{OFFSET + 443}", f"{other}:{OFFSET + 443}"],
        "controls": {smtp: f"{well}:{smtp}"},
    }
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text


def main(directory: Path, port: int) -> int:
    """Run schools and daemon."""
    authority, schools = Authority(), placed(port % 256)
    with Stage(authority, schools):
        config = directory / "portwatchd.yml"
        config.write_text(configuration(directory, authority, schools))
        return run(RunOptions(config_file=config, listen_addresses=(ListenAddress("127.0.0.1", port),)))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
