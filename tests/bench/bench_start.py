"""A start with a whole fleet, and a reload in the middle of its work."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import NamedTuple

import aiohttp

from tests.bench.bench_fleet import LATE
from tests.bench.blocks import Kind, school_name
from tests.bench.results import Results
from tests.bench.schools import rows, write, write_table
from tests.bench.scraping import Samples, gained, label, quantile, scrape
from tests.bench.size import SIZE
from tests.bench.stage import SKIPPED, Servers, last_rounds, servers, warmed_up, watching
from tests.running import Running

FLEET = {Kind.WELL: SIZE.fleet}
CHANGED = SIZE.fleet // 100
LOOP = "portwatch_event_loop_lag_seconds"
ASKED = 0.01
"""Seconds between two questions by which a stall shows."""


async def test_start(tmp_path: Path, results: Results) -> None:
    async with servers(tmp_path) as playing:
        config = write(tmp_path, playing.ca_file, FLEET, settings={"interval": f"{SIZE.interval}s"})
        fresh = await first_round(config, playing)
        again = await first_round(config, playing)
    results.note("first probe", [fresh.first, again.first], "the second start reads what the first remembered")
    busiest = max(map(max, (fresh.by_second, again.by_second)))
    results.note("spread", [fresh.spread, again.spread], f"of rounds as the servers see them, {busiest} at most")


class FirstRound(NamedTuple):
    """Seconds until the first round arrived, and how many did in each second of the interval from then on."""

    first: float
    by_second: Sequence[int]

    @property
    def spread(self) -> float:
        """The busiest second against the mean."""
        return max(self.by_second) * len(self.by_second) / sum(self.by_second)


async def first_round(config: Path, playing: Servers) -> FirstRound:
    await playing.told("arrivals")
    began = time.monotonic()
    async with watching(config):
        await asyncio.sleep(began + SIZE.interval + 10 - time.monotonic())
        first, *by_second = await playing.told("arrivals")
    return FirstRound(float(first) - began, list(map(int, by_second[: SIZE.interval])))


async def test_reload(tmp_path: Path, results: Results) -> None:
    async with servers(tmp_path) as playing:
        config = write(tmp_path, playing.ca_file, FLEET, settings={"interval": f"{SIZE.interval}s"})
        async with watching(config) as running:
            await warmed_up(running, sum(FLEET.values()))
            usual = await longest_answer(running, asyncio.sleep(SIZE.interval / 4))
            before, at = await scrape(running.url, SKIPPED, LOOP), time.time()
            stall = await longest_answer(running, reload(running, config))
            after = await scrape(running.url, LOOP)
            await asyncio.sleep(at + SIZE.interval + LATE - time.time())
            left_out = await left_out_since(running, at, before)
    told = f"longest answer to a client; {usual * 1e3:.0f} ms without a reload"
    measured = f"; by the daemon's own histogram {quantile(before, after, LOOP, 1) * 1e3:.0f} ms"
    results.note("reload stall", stall * 1e3, told + measured)
    results.note("reload missed", left_out, f"within the interval after it, by at most {LATE:.0f} s late")


async def reload(running: Running, config: Path) -> None:
    """Change one school in a hundred: some go, some come, some get another label."""
    share = CHANGED // 3
    table = rows({Kind.WELL: SIZE.fleet + share})[share:]
    for row in table[: CHANGED - 2 * share]:
        row["district"] = "elsewhere"
    write_table(config.parent, table)
    running.process.send_signal(signal.SIGHUP)
    await running.until_said('event="configuration read"', 60)
    await asyncio.sleep(2)


async def left_out_since(running: Running, at: float, before: Samples) -> int:
    """How many rounds were skipped, or are of before the reload still."""
    old = {label(key, "school") for key, done in (await last_rounds(running)).items() if done < at}
    skipped = gained(before, await scrape(running.url, SKIPPED), SKIPPED)
    assert school_name(Kind.WELL, SIZE.fleet) not in old
    return len(old) + round(skipped)


async def longest_answer(running: Running, work: Awaitable[None]) -> float:
    """Seconds that the daemon took for a small answer at worst while something goes on."""
    times: list[float] = []
    asking = asyncio.create_task(_ask(running, times))
    await work
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    return max(times)


async def _ask(running: Running, times: list[float]) -> None:
    async with aiohttp.ClientSession() as client:
        while True:
            began = time.perf_counter()
            async with client.get(f"{running.url}/-/healthy") as answer:
                await answer.read()
            times.append(time.perf_counter() - began)
            await asyncio.sleep(ASKED)
