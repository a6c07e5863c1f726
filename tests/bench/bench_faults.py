"""From the fault of a server to the metric that tells of it: one school in ten breaks, at random moments."""

import asyncio
import random
import time
from pathlib import Path
from typing import NamedTuple

from portwatchd.demo.connection import Fault
from tests.bench.blocks import Kind, school_name
from tests.bench.results import Results
from tests.bench.schools import counts, write
from tests.bench.scraping import label, of, scrape, worst
from tests.bench.size import SIZE
from tests.bench.stage import Servers, servers, warmed_up, watching
from tests.running import Running

SCHOOLS = SIZE.fleet // 2
BROKEN = SCHOOLS // 10
BREAKING = 3 * SIZE.interval
"""Seconds within which all faults begin."""
PATIENCE = 2 * SIZE.interval + 80
"""Seconds after which a fault that does not show is missed."""
LOOK = 1.0
"""Seconds between two looks; so much of what is measured is the bench's own."""
FAULTS = (Fault.CLOSED, Fault.DROPPED, Fault.SILENT, Fault.REFUSES, Fault.WRONG_PROTOCOL, Fault.TARPIT)
DIAGNOSIS = "portwatch_school_diagnosis"
"""Put out together with the verdicts of the school's ports, and shorter to read."""


class Broken(NamedTuple):
    """What a school suffers, and since when."""

    fault: Fault
    at: float


async def test_faults(tmp_path: Path, results: Results) -> None:
    settings = {"interval": f"{SIZE.interval}s", "confirm": {"attempts": 3, "spacing": f"{SIZE.confirm}s"}}
    async with servers(tmp_path, switched=BROKEN) as playing:
        config = write(tmp_path, playing.ca_file, counts(SCHOOLS, {}, BROKEN), settings=settings)
        async with watching(config) as running:
            await warmed_up(running, SCHOOLS)
            began: dict[str, Broken] = {}
            breaking = asyncio.create_task(break_all(playing, began))
            seen = await look_on(running, until=time.monotonic() + BREAKING + PATIENCE)
            await breaking
    shown = [(fault, seen[name] - at) for name, (fault, at) in began.items() if seen.get(name, 0.0) >= at]
    false = [name for name, at in seen.items() if name not in began or at < began[name].at]
    delays = [delay for _, delay in shown]
    longest = ", ".join(f"{fault} {max(d for f, d in shown if f is fault):.0f} s" for fault in sorted(dict(shown)))
    told = f"p50 {worst(delays, 0.5):.1f} s; the longest: {longest}"
    results.note("fault", worst(delays, 0.99), told)
    results.note("missed", BROKEN - len(delays), f"of {BROKEN} among {SCHOOLS:,} schools")
    results.note("false", len(false), ", ".join(false[:3]))


async def break_all(playing: Servers, began: dict[str, Broken]) -> None:
    """Break every switched school for good, each by a fault and at a moment of its own."""
    chance = random.Random(7)
    start = time.monotonic()
    for number, moment in enumerate(sorted(chance.uniform(0, BREAKING) for _ in range(BROKEN))):
        await asyncio.sleep(start + moment - time.monotonic())
        fault = chance.choice(FAULTS)
        *_, at = await playing.told(f"{number} {fault}")
        began[school_name(Kind.SWITCHED, number)] = Broken(fault, float(at))


async def look_on(running: Running, until: float) -> dict[str, float]:
    """Return when each school was first seen not to be well."""
    seen: dict[str, float] = {}
    while (now := time.monotonic()) < until:
        samples = await scrape(running.url, DIAGNOSIS)
        for key, _ in of(samples, DIAGNOSIS):
            if label(key, "diagnosis") != "ok":
                seen.setdefault(label(key, "school"), now)
        await asyncio.sleep(max(0.0, now + LOOK - time.monotonic()))
    return seen
