"""The two sides of a bench: the servers' process on one core, the daemon on the other, and a look at both clocks."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp

from tests.bench.machine import MEASURED, Mark, pinned, resident_mib
from tests.bench.scraping import Samples, gained, of, scrape
from tests.bench.size import SIZE
from tests.running import Running, program

START_SECONDS = 120
SATURATED = 0.9
"""Of the other core; servers that are busier answer late, and what is measured is theirs."""
LEARNING = 15
"""Seconds that a distance takes at most: its packets are a second apart."""
PATIENCE = 15
"""Intervals to wait for the last of a fleet."""
EXPOSED = "portwatch_school_exposed_host"
LAG = "portwatch_scheduler_lag_seconds"
SKIPPED = "portwatch_scheduler_rounds_skipped_total"
PROBES = "portwatch_probes_total"
FAILURES = "portwatch_probe_failures_total"
LAST_ROUND = "portwatch_school_last_round_timestamp_seconds"
ROUNDS = f"{LAG}_count"


class Servers:
    """The simulated schools."""

    def __init__(self, process: asyncio.subprocess.Process, ca_file: Path) -> None:
        self.process = process
        self.ca_file = ca_file

    async def told(self, line: str) -> list[str]:
        """Tell them something, and return the words of their answer."""
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n".encode())
        return await self.heard()

    async def heard(self) -> list[str]:
        """Return the words of their next line."""
        assert self.process.stdout
        words = (await self.process.stdout.readline()).decode().split()
        assert words, "the servers are gone"
        return words


@contextlib.asynccontextmanager
async def servers(directory: Path, switched: int = 0) -> AsyncIterator[Servers]:
    """Start the simulated schools, on the core of this process."""
    ca_file = directory / "ca.pem"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.servers", f"--ca-file={ca_file}", f"--switched={switched}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        playing = Servers(process, ca_file)
        assert await playing.heard() == ["ready"]
        yield playing
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()


@contextlib.asynccontextmanager
async def watching(config: Path) -> AsyncIterator[Running]:
    """Start the daemon on the core of the measured, and wait until it listens."""
    command = (sys.executable, "-m", "portwatchd", "run", f"--config.file={config}", "--web.listen-address=127.0.0.1:0")
    async with program(*pinned(MEASURED, *command)) as running:
        line = await running.until_said("event=started", START_SECONDS)
        running.url = f"http://{re.findall('127[0-9.]+:[0-9]+', line)[0]}"
        yield running


class Window(NamedTuple):
    """One run: what a process did within some seconds."""

    seconds: float
    cpu: float
    """Seconds of the measured process."""
    others: float
    """The share of the other core that servers and bench took."""
    memory: float
    before: Samples
    after: Samples

    def gained(self, name: str) -> float:
        """By how much a counter grew."""
        return gained(self.before, self.after, name)

    @property
    def cost(self) -> float:
        """CPU of one round, in milliseconds."""
        return self.cpu * 1e3 / self.gained(ROUNDS)


def others(begin: Mark, end: Mark) -> float:
    """The share of the other core that was taken between two marks."""
    return (end.others - begin.others) / (end.at - begin.at)


@contextlib.asynccontextmanager
async def clocked(pid: int, playing: Servers) -> AsyncIterator[list[Mark]]:
    """Read the clocks before and after; servers that were too busy make the run an error."""
    marks = [Mark.of(pid, playing.process.pid)]
    yield marks
    marks.append(Mark.of(pid, playing.process.pid))
    busy = others(*marks)
    assert busy < SATURATED, f"the servers' core is {busy:.0%} busy, so the figures would be theirs"


async def window(running: Running, playing: Servers, seconds: float = SIZE.window) -> Window:
    """Let the daemon work for some seconds."""
    names = (LAG, PROBES, FAILURES, SKIPPED)
    before = await scrape(running.url, *names)
    async with clocked(running.process.pid, playing) as marks:
        await asyncio.sleep(seconds)
    begin, end = marks
    after = await scrape(running.url, *names)
    memory = resident_mib(running.process.pid)
    return Window(end.at - begin.at, end.measured - begin.measured, others(begin, end), memory, before, after)


async def warmed_up(running: Running, schools: int) -> None:
    """Wait until so many schools were looked at twice and all is learnt of them: who is an exposed host comes last."""
    await asyncio.sleep(2 * SIZE.interval + LEARNING)
    until = time.monotonic() + PATIENCE * SIZE.interval
    while (learnt := len(list(of(await scrape(running.url, EXPOSED), EXPOSED)))) < schools:
        assert time.monotonic() < until, f"only {learnt} of {schools} schools are known"
        await asyncio.sleep(LEARNING)


async def last_rounds(running: Running) -> Samples:
    """Return when each school's last round was done, in Unix time."""
    return dict(of(await scrape(running.url, LAST_ROUND), LAST_ROUND))


async def scraped_by_prometheus(running: Running) -> None:
    """Fetch everything, compressed, and read none of it."""
    async with aiohttp.ClientSession(auto_decompress=False) as client, client.get(f"{running.url}/metrics") as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        await answer.read()
