"""A whole fleet on one core: healthy, with lost schools, with tarpits; and what a school costs in a small one."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.bench.blocks import Kind
from tests.bench.results import Results
from tests.bench.schools import counts, put_off_audits, write
from tests.bench.scraping import label, quantile
from tests.bench.size import SIZE
from tests.bench.stage import (
    LAG,
    SKIPPED,
    Servers,
    Window,
    last_rounds,
    scraped_by_prometheus,
    servers,
    warmed_up,
    watching,
    window,
)
from tests.running import Running

LATE = 5.0
"""Seconds beyond the interval after which a school's last round is too old."""
CONFIRMING = 3 * SIZE.interval
"""Seconds until the first verdict on a tarpit: each of its ports wastes a whole time-out, in each of four passes."""
ILL: Mapping[str, Mapping[Kind, float]] = {
    "10,000 schools": {},
    "10,000 schools, 10 % lost": {Kind.LOST: 0.10},
    "10,000 schools, 5 % tarpits": {Kind.TARPIT: 0.05},
}


@pytest.mark.parametrize("what", ILL)
async def test_fleet(what: str, tmp_path: Path, results: Results) -> None:
    async with servers(tmp_path) as playing:
        settings = {"interval": f"{SIZE.interval}s"}
        of_kind = counts(SIZE.fleet, ILL[what])
        config = write(tmp_path, playing.ca_file, of_kind, settings=settings)
        async with watching(config) as running:
            await warmed_up(running, of_kind[Kind.WELL])
            if Kind.TARPIT in ILL[what]:
                await asyncio.sleep(CONFIRMING)
            runs, late = [], []
            for _ in range(SIZE.runs):
                runs.append(await scraped_window(running, playing))
                late.append(len(await late_schools(running)))
    results.note(f"{what} skipped", [run.gained(SKIPPED) for run in runs])
    results.note(f"{what} lag", [quantile(run.before, run.after, LAG, 0.99) for run in runs])
    results.note(
        f"{what} cpu",
        [run.cpu / run.seconds * 100 for run in runs],
        f"one compressed scrape a run; servers' core {max(run.others for run in runs):.0%} busy",
    )
    results.note(f"{what} memory", [run.memory for run in runs])
    results.note(f"{what} late", late, f"older than interval and {LATE:.0f} s")


async def test_growth(tmp_path: Path, results: Results) -> None:
    costs = {}
    for schools in (SIZE.fleet // 100, SIZE.fleet // 10, SIZE.fleet):
        directory = tmp_path / str(schools)
        directory.mkdir()
        costs[schools] = await cost(directory, schools)
    *small, large = costs.values()
    told = ", ".join(f"{value:.2f} ms among {schools:,}" for schools, value in costs.items())
    results.note("growth", large / min(small), told)


async def cost(directory: Path, schools: int) -> float:
    """Milliseconds of CPU for a school and interval, without audits, over all runs."""
    of_kind = {Kind.WELL: schools}
    async with servers(directory) as playing:
        config = write(directory, playing.ca_file, of_kind, settings={"interval": f"{SIZE.interval}s"})
        put_off_audits(config, of_kind)
        async with watching(config) as running:
            await warmed_up(running, schools)
            return (await window(running, playing, SIZE.runs * SIZE.window)).cost


async def scraped_window(running: Running, playing: Servers) -> Window:
    """Let the daemon work, and scrape it amid that."""
    scraping = asyncio.create_task(_scrape_in(SIZE.window / 2, running))
    run = await window(running, playing)
    await scraping
    return run


async def _scrape_in(seconds: float, running: Running) -> None:
    await asyncio.sleep(seconds)
    await scraped_by_prometheus(running)


async def late_schools(running: Running) -> set[str]:
    """Healthy schools that were not looked at for longer than an interval."""
    now = time.time()
    ages = {label(key, "school"): now - at for key, at in (await last_rounds(running)).items()}
    return {name for name, age in ages.items() if name.startswith(Kind.WELL) and age > SIZE.interval + LATE}
