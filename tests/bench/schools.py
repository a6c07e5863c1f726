"""Writes a configuration of thousands of simulated schools, as tests.bench.servers serves them.

    python -m tests.bench.schools DIRECTORY --ca-file=ca.pem --schools=10000 [--lost=0.1] [--tarpits=0.05] ...

DIRECTORY then holds portwatchd.yml and the table schools.csv that it names.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from portwatchd.demo.configuration import profile_entry
from portwatchd.history.keeper import History
from portwatchd.model import Diagnosis, DiagnosisKind, Distance, HopMethod, Profile, Report, School, Service
from portwatchd.net.clock import SystemClock
from portwatchd.rounds.memory import Memory
from tests.bench.blocks import BASE, DOMAIN, Kind, address, school_name, services

COLUMNS = ("name", "host", "server_name", "profile", "district")
DISTRICTS = 16
TABLE = "schools.csv"
STORAGE = "portwatchd.db"
ON_THIS_MACHINE = Distance(0, 64, HopMethod.ANSWERS)
YEAR = 365 * 86_400.0


def counts(schools: int, shares: Mapping[Kind, float], number_switched: int = 0) -> dict[Kind, int]:
    """Return how many schools there are of each kind: shares of all, and the rest is well."""
    of_kind = {kind: round(schools * share) for kind, share in shares.items()}
    of_kind[Kind.SWITCHED] = number_switched
    well = schools - sum(of_kind.values())
    if well < 0:
        raise ValueError(f"{sum(of_kind.values())} schools of other kinds are more than {schools}")
    return {Kind.WELL: well, **of_kind}


def rows(of_kind: Mapping[Kind, int]) -> list[dict[str, str]]:
    """Return the table of schools."""
    return [
        {
            "name": school_name(kind, number),
            "host": address(kind, number),
            "server_name": f"{school_name(kind, number)}.{DOMAIN}",
            "profile": f"bench-{kind}",
            "district": f"district-{number % DISTRICTS:02}",
        }
        for kind, count in of_kind.items()
        for number in range(count)
    ]


def write_table(directory: Path, table: Iterable[Mapping[str, str]]) -> None:
    """Write the table of schools that the configuration names."""
    with (directory / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(table)


def write(
    directory: Path,
    ca_file: Path,
    of_kind: Mapping[Kind, int],
    *,
    base: int = BASE,
    settings: Mapping[str, object] | None = None,
    well: Iterable[Service] | None = None,
) -> Path:
    """Write the configuration and its table; return the configuration's path.

    `settings` go under `global`; `well` are the services of healthy schools, where these are not all.
    """
    profiles = {kind: services(kind, base) for kind in Kind}
    if well is not None:
        profiles[Kind.WELL] = tuple(well)
    write_table(directory, rows(of_kind))
    document = {
        "global": {"families": ["ipv4"], **(settings or {})},
        "tls": {"ca_file": str(ca_file)},
        "storage": {"path": str(directory / STORAGE)},
        "profiles": {f"bench-{kind}": profile_entry(rows) for kind, rows in profiles.items()},
        "school_files": [TABLE],
    }
    path = directory / "portwatchd.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), "utf-8")
    return path


def put_off_audits(config: Path, of_kind: Mapping[Kind, int]) -> None:
    """Let the daemon remember how far each school is, and that no audit is due for a year: all rounds are watches."""
    clock = SystemClock()
    history = History.open(config.with_name(STORAGE), retention=YEAR, clock=clock, on_state=lambda _well: None)
    for row in rows(of_kind):
        memory = Memory(audit_due=clock.wall() + YEAR, distances={row["host"]: ON_THIS_MACHINE})
        school = School(row["name"], row["host"], row["server_name"], Profile(row["profile"], ()))
        history.remember(Report(school, clock.wall(), 0, Diagnosis(DiagnosisKind.OK), clock.wall()), memory)
    assert history.flush(60)
    history.close()


def main(arguments: list[str] | None = None) -> None:
    """Write what the command line asks for, and print the configuration's path."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--ca-file", type=Path, required=True)
    parser.add_argument("--port-offset", type=int, default=BASE)
    parser.add_argument("--schools", type=int, default=10_000)
    parser.add_argument("--lost", type=float, default=0.0, help="share of schools whose every port is refused")
    parser.add_argument("--dropped", type=float, default=0.0, help="share of schools that answer no SYN")
    parser.add_argument("--tarpits", type=float, default=0.0, help="share of schools that give a byte a second")
    parser.add_argument("--switched", type=int, default=0, help="schools whose smtp is given faults at run time")
    parser.add_argument("--interval", default="60s")
    parser.add_argument("--audit-interval", default="15m")
    options = parser.parse_args(arguments)
    shares = {Kind.LOST: options.lost, Kind.DROPPED: options.dropped, Kind.TARPIT: options.tarpits}
    settings = {"interval": options.interval, "audit_interval": options.audit_interval}
    of_kind = counts(options.schools, shares, options.switched)
    options.directory.mkdir(parents=True, exist_ok=True)
    print(write(options.directory, options.ca_file.resolve(), of_kind, base=options.port_offset, settings=settings))


if __name__ == "__main__":
    main()
