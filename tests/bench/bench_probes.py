"""A probe of the daemon against one of Debian's blackbox exporter, on the same servers, at the same pace."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from portwatchd.model import Protocol, Service
from tests.bench.blackbox import ask_all, asks, exporter
from tests.bench.blocks import Kind, address, services
from tests.bench.results import Results
from tests.bench.schools import put_off_audits, write
from tests.bench.size import SIZE
from tests.bench.stage import FAILURES, Servers, Window, clocked, servers, warmed_up, watching, window

BY_NAME = {row.name: row for row in services(Kind.WELL)}


def alone(name: str, protocol: Protocol, port: int) -> tuple[Service, ...]:
    return (Service(name, protocol, port, port),)


PROFILES: Mapping[str, Sequence[Service]] = {
    "tcp": alone("tcp", Protocol.TCP, BY_NAME["http"].first),
    "tls": alone("tls", Protocol.TLS, BY_NAME["https"].first),
    "smtp": (BY_NAME["smtp"],),
    "iserv": services(Kind.WELL),
}


@pytest.mark.parametrize("what", PROFILES)
async def test_against_blackbox(what: str, tmp_path: Path, results: Results) -> None:
    rows = PROFILES[what]
    async with servers(tmp_path) as playing:
        theirs = await blackbox(tmp_path, playing, rows)
        ours = [run.cost for run in await daemon(tmp_path, playing, rows)]
    ratios = [cost / min(theirs) for cost in ours]
    results.note(what, ratios, f"{max(ours):.2f} ms against {min(theirs):.2f} ms of CPU")


async def test_an_audit(tmp_path: Path, results: Results) -> None:
    async with servers(tmp_path) as playing:
        (run, *_) = await daemon(tmp_path, playing, PROFILES["iserv"], audited=True)
    results.note("audit", run.cost, "of CPU; usually one round in fifteen is an audit, and none in the figures above")


async def blackbox(directory: Path, playing: Servers, rows: Sequence[Service]) -> list[float]:
    """Milliseconds of the exporter's CPU for one school, run by run."""
    wanted = [ask for number in range(schools(rows)) for ask in asks(rows, address(Kind.WELL, number))]
    count = SIZE.pace * SIZE.window
    costs = []
    async with exporter(directory, playing.ca_file) as running:
        await ask_all(running.url, wanted, SIZE.pace, count // 4)
        for _ in range(SIZE.runs):
            async with clocked(running.process.pid, playing) as marks:
                await ask_all(running.url, wanted, SIZE.pace, count)
            costs.append((marks[1].measured - marks[0].measured) * 1e3 * connections(rows) / count)
    return costs


async def daemon(
    directory: Path, playing: Servers, rows: Sequence[Service], *, audited: bool = False
) -> Sequence[Window]:
    """What the daemon did, run by run; a probe that fails makes them worth nothing."""
    of_kind = {Kind.WELL: schools(rows)}
    settings = {"interval": f"{SIZE.interval}s"}
    if audited:
        settings["audit_interval"] = f"{SIZE.interval // 2}s"
    config = write(directory, playing.ca_file, of_kind, settings=settings, well=rows)
    if not audited:
        put_off_audits(config, of_kind)
    async with watching(config) as running:
        await warmed_up(running, schools(rows))
        runs = [await window(running, playing) for _ in range(SIZE.runs)]
    assert [run.gained(FAILURES) for run in runs] == [0.0] * SIZE.runs
    return runs


def connections(rows: Sequence[Service]) -> int:
    """How many ports of a school are asked in a round."""
    return len(list(asks(rows, "")))


def schools(rows: Sequence[Service]) -> int:
    """So many that the pace is kept."""
    return round(SIZE.pace * SIZE.interval / connections(rows))
