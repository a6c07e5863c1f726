"""A scrape of thousands of schools: its CPU against prometheus_client's, and how long it holds up the event loop."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import replace

import uvloop
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from portwatchd.config import built_in_profiles
from portwatchd.metrics.own import OwnMetrics
from portwatchd.metrics.store import MetricStore
from portwatchd.model import IMPLICIT_TLS, DiagnosisKind, Report, School
from portwatchd.options import ListenAddress
from portwatchd.web.serve import WebServer
from portwatchd.web.server import create_app
from tests.bench.blocks import Kind
from tests.bench.machine import MEASURED, pinned
from tests.bench.results import Results
from tests.bench.schools import rows
from tests.bench.size import SIZE
from tests.unit.metrics.scraping import scraped
from tests.unit.metrics.test_render import CERTIFICATE
from tests.unit.reports import port, report

SCHOOLS = SIZE.fleet // 2
SERIES = 50 * SCHOOLS
PROFILE = built_in_profiles()["iserv"]
TICK = 0.001
"""Seconds between two turns of the loop by which a stall shows."""


class Ready(Collector):
    """Samples that are there already, so that only their text is made."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def test_scrape(results: Results) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        store = full_store()
        text = runner.run(scraped(store)).decode()
        registry = CollectorRegistry()
        registry.register(Ready(list(text_string_to_metric_families(text))))
        series = samples(text)
        assert series >= SERIES
        assert samples(generate_latest(registry).decode()) == series
        theirs = min(cpu_of_text(registry) for _ in range(SIZE.runs))
        runs = [runner.run(measured(store)) for _ in range(SIZE.runs)]
    plain, packed, stalls, idle = zip(*runs, strict=True)
    told = f"{max(plain):.0f} ms against {theirs:.0f} ms of CPU for {series:,} series; {max(packed):.0f} ms with gzip"
    results.note("scrape", [cpu / theirs for cpu in plain], told)
    results.note("stall", stalls, f"{max(idle):.1f} ms without a scrape")


def full_store() -> MetricStore:
    """A daemon's store after a round of every school."""
    store = MetricStore([OwnMetrics()])
    for row in rows({Kind.WELL: SCHOOLS}):
        district = (("district", row["district"]),)
        store.put(healthy(School(row["name"], row["host"], row["server_name"], PROFILE, district)))
    return store


def healthy(school: School) -> Report:
    """All ports well, with certificates where TLS comes first."""
    secured = [row for row in school.profile.services if row.protocol in IMPLICIT_TLS]
    return report(DiagnosisKind.OK, *(replace(port(row), certificate=CERTIFICATE) for row in secured), school=school)


def samples(text: str) -> int:
    return sum(not line.startswith("#") for line in text.splitlines())


def cpu_of_text(registry: CollectorRegistry) -> float:
    """Milliseconds that prometheus_client takes for its text."""
    began = time.process_time()
    generate_latest(registry)
    return (time.process_time() - began) * 1e3


async def measured(store: MetricStore) -> tuple[float, float, float, float]:
    """Milliseconds: CPU of a scrape over HTTP, plain and compressed; the longest stall by one, and without one."""
    async with served(store) as url:
        plain = await cpu_of_scrape(url)
        packed = await cpu_of_scrape(url, "--compressed")
        stall = await longest_stall(fetch(url, "--compressed"))
        return plain, packed, stall, await longest_stall(asyncio.sleep(1))


@contextlib.asynccontextmanager
async def served(store: MetricStore) -> AsyncIterator[str]:
    """The daemon's own web server, in this process."""
    site = WebServer(
        create_app(store=store, reports={}, schools=list, ready=lambda: True, reload=None, events=None),
    )
    (where,) = await site.start([ListenAddress("127.0.0.1", 0)])
    try:
        yield f"http://{where}/metrics"
    finally:
        await site.stop()


async def cpu_of_scrape(url: str, *options: str) -> float:
    began = time.process_time()
    await fetch(url, *options)
    return (time.process_time() - began) * 1e3


async def fetch(url: str, *options: str) -> None:
    """Fetch it in another process, on the other core."""
    command = ("curl", "--silent", "--fail", "--output", "/dev/null", *options, url)
    fetching = await asyncio.create_subprocess_exec(*pinned(MEASURED, *command))
    assert await fetching.wait() == 0


async def longest_stall(work: Awaitable[None]) -> float:
    """Milliseconds that the loop was late at worst while something went on."""
    late: list[float] = []
    ticking = asyncio.create_task(_tick(late))
    await work
    ticking.cancel()
    return max(late) * 1e3


async def _tick(late: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(TICK)
        late.append(time.perf_counter() - began - TICK)
