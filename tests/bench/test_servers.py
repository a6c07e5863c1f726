"""The bench's own servers: each kind of school behaves as its name says, at any address of its block."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from portwatchd.config import load
from portwatchd.model import Depth, Family, Observation, Outcome, Policy, Protocol, School, Target
from portwatchd.net.clock import SystemClock
from portwatchd.net.sockets import SystemNetwork
from portwatchd.probes.runner import Prober
from tests.bench.blocks import Kind
from tests.bench.schools import counts, write

BASE = 16_500
"""Other ports than those of a bench that may run at the same time."""


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.servers", f"--ca-file={tmp_path / 'ca.pem'}", f"--port-offset={BASE}", "--switched=3"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    assert await process.stdout.readline() == b"ready\n"
    yield process
    process.stdin.close()
    assert await process.wait() == 0


async def test_each_kind_of_school_behaves_as_its_name_says(
    servers: asyncio.subprocess.Process, tmp_path: Path
) -> None:
    of_kind = counts(300, {Kind.LOST: 0.01, Kind.DROPPED: 0.01, Kind.TARPIT: 0.01}, 3)
    assert of_kind[Kind.WELL] == 288
    config = load(write(tmp_path, tmp_path / "ca.pem", of_kind, base=BASE))
    network = SystemNetwork(config.ca_file)
    prober = Prober(network, SystemClock(), connect_timeout=1, timeout=2, stalled=lambda _start, _end: False)

    async def audited(school: School) -> list[Observation]:
        targets = [
            Target(service, Family.IPV4, school.host, service.first, school.server_name, Depth.AUDIT)
            for service in school.profile.services
            if service.protocol is not Protocol.RANGE
        ]
        return await asyncio.gather(*map(prober.observe, targets))

    async def outcomes(school: School) -> set[Outcome]:
        return {seen.outcome for seen in await audited(school)}

    async def broken_policies(school: School) -> set[Policy]:
        return {fact.policy for seen in await audited(school) for fact in seen.policies if not fact.holds}

    schools = {school.name: school for school in config.schools}
    assert len(schools) == 300
    assert await outcomes(schools["well-00000"]) == {Outcome.OK}
    assert await outcomes(schools["well-00287"]) == {Outcome.OK}
    assert await broken_policies(schools["well-00287"]) == set()
    assert await outcomes(schools["lost-00002"]) == {Outcome.REFUSED}
    assert await outcomes(schools["dropped-00002"]) == {Outcome.TIMEOUT}
    assert await outcomes(schools["tarpit-00002"]) == {Outcome.TIMEOUT}
    assert await outcomes(schools["switched-00001"]) == {Outcome.OK}
    assert servers.stdin
    assert servers.stdout
    servers.stdin.write(b"arrivals\n")
    first, *by_second = (await servers.stdout.readline()).split()
    assert 0 < time.monotonic() - float(first) < 60
    # Two schools that are well, one of them twice, and one that shares their ports.
    assert sum(map(int, by_second)) == 4
    servers.stdin.write(b"1 closed\n")
    assert (await servers.stdout.readline()).startswith(b"1 closed ")
    assert await outcomes(schools["switched-00001"]) == {Outcome.OK, Outcome.REFUSED}
    assert await outcomes(schools["switched-00002"]) == {Outcome.OK}
    servers.stdin.write(b"1 ok\n")
    assert (await servers.stdout.readline()).startswith(b"1 ok ")
    assert await outcomes(schools["switched-00001"]) == {Outcome.OK}
    network.close()
