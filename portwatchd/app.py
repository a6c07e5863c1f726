"""The composition: builds the rooms from a configuration and runs them, as a daemon or once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, TypeVar

import structlog

from portwatchd import journal
from portwatchd.agenda import slot
from portwatchd.config import load
from portwatchd.inventory import Inventory
from portwatchd.metrics.own import OwnMetrics
from portwatchd.metrics.store import MetricStore
from portwatchd.model import Depth, Protocol
from portwatchd.net.clock import SystemClock
from portwatchd.net.lag import LoopLag
from portwatchd.net.resolver import CachingResolver
from portwatchd.net.sockets import SystemNetwork
from portwatchd.probes.runner import Prober
from portwatchd.rounds.conduct import conduct
from portwatchd.rounds.memory import Memory
from portwatchd.rounds.tools import Settings, Tools
from portwatchd.rounds.vigil import Signs, Watch
from portwatchd.scheduler import Scheduler
from portwatchd.web.server import Site, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from typing import Any

    from portwatchd.config import Config
    from portwatchd.model import Report, School
    from portwatchd.options import RunOptions

log = structlog.get_logger()
T = TypeVar("T")

AUDITS_A_SECOND = 10.0
"""First audits are spread so that no more than so many schools are audited each second after a start."""


def run(options: RunOptions) -> int:
    """Run the daemon until SIGINT or SIGTERM and return 0. Raises ConfigError, and OSError where it cannot listen."""
    config = load(options.config_file)
    journal.configure(options.log_level, options.log_format)
    return _loop(Daemon(config, options).run())


def check(
    schools: Sequence[School],
    *,
    config: Config,
    watch_only: bool,
    progress: Callable[[str, int, int], None],
) -> list[Report]:
    """Look at schools once, all at the same time as far as the permits allow, and return a report each, in order.

    Without `watch_only` it is the whole diagnosis: audit, hop proofs, every port of the ranges, canary.
    """
    return _loop(_check(schools, config, watch_only=watch_only, progress=progress))


def _loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the fastest loop there is."""
    factory = None
    if sys.platform == "linux":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


@contextlib.asynccontextmanager
async def _tools(config: Config, fleet: dict[str, Memory], own: OwnMetrics) -> AsyncIterator[tuple[Tools, Watch]]:
    """Build what rounds work with; everything that is open is closed in the end."""
    clock = SystemClock()
    network = SystemNetwork(config.ca_file)
    resolver = CachingResolver(clock)
    async with LoopLag(clock, own.loop_lag) as lag:
        prober = Prober(
            network,
            clock,
            connect_timeout=config.connect_timeout,
            timeout=config.timeout,
            stalled=lag.stalled_between,
        )
        signs = Signs(config.families, config.canaries, config.controls, config.isolated_above)
        vigil = Watch(network, resolver, clock, own, fleet, signs)
        settings = Settings(
            families=config.families,
            school_concurrency=config.school_concurrency,
            confirm_attempts=config.confirm_attempts,
            confirm_spacing=config.confirm_spacing,
            audit_interval=config.audit_interval,
        )
        permits = asyncio.Semaphore(config.concurrency)
        try:
            yield Tools(prober, network, resolver, clock, vigil, permits, settings), vigil
        finally:
            await resolver.close()
            network.close()


async def _check(
    schools: Sequence[School],
    config: Config,
    *,
    watch_only: bool,
    progress: Callable[[str, int, int], None],
) -> list[Report]:
    fleet = {school.name: Memory() for school in schools}
    async with _tools(config, fleet, OwnMetrics()) as (tools, _vigil):

        async def one(school: School) -> Report:
            steps = Steps(school, config, complete=not watch_only, progress=progress)
            return await conduct(
                school,
                fleet[school.name],
                tools,
                depth=Depth.WATCH if watch_only else Depth.AUDIT,
                complete=not watch_only,
                progress=steps.add,
            )

        return list(await asyncio.gather(*map(one, schools)))


class Steps:
    """Counts the steps of one school's check for a progress display."""

    def __init__(
        self,
        school: School,
        config: Config,
        *,
        complete: bool,
        progress: Callable[[str, int, int], None],
    ) -> None:
        """Reckon with one address of each family; more of them only make the count end later."""
        services = school.profile.services
        ranges = sum(s.last - s.first + 1 for s in services if s.protocol is Protocol.RANGE)
        single = sum(1 for s in services if s.protocol is not Protocol.RANGE)
        literal = school.host.replace(".", "").isdigit() or ":" in school.host
        self._total = (single + (ranges if complete else 0)) * (1 if literal else len(config.families))
        self._done = 0
        self._name = school.name
        self._progress = progress

    def add(self, steps: int) -> None:
        """Count steps that are done; never more than all."""
        self._done = min(self._done + steps, self._total)
        self._progress(self._name, self._done, self._total)


class Daemon:
    """The long-running whole: what is watched, what is remembered, and everyone who is told of a report."""

    def __init__(self, config: Config, options: RunOptions) -> None:
        """Keep the configuration; nothing is opened before `run`."""
        self._config = config
        self._options = options
        self._inventory = Inventory(config.schools)
        self._fleet = {name: Memory() for name in self._inventory}
        self._reports: dict[str, Report] = {}
        self._own = OwnMetrics(by_school=config.latency_histograms == "school")
        self._store = MetricStore([self._own])
        self._sinks: list[Callable[[Report], None]] = [self._store.put, self._own.report, journal.Journal().report]
        self._clock = SystemClock()
        self._started = self._clock.monotonic()

    async def run(self) -> int:
        """Watch and serve until a signal comes."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        self._own.schools(len(self._inventory))
        self._own.reloaded(True, self._clock.wall())
        async with _tools(self._config, self._fleet, self._own) as (tools, vigil):
            self._started = self._clock.monotonic()
            scheduler = Scheduler(
                self._inventory,
                self._config.interval,
                lambda school: self._round(school, tools),
                self._clock,
                self._own,
            )
            site = Site(self._store, self._own, self._reports, self._inventory, self._ready)
            async with serve(site, self._options.listen_addresses) as addresses:
                log.info("started", schools=len(self._inventory), listening=", ".join(addresses))
                work = [asyncio.create_task(scheduler.run()), asyncio.create_task(vigil.keep())]
                waiting = asyncio.create_task(stop.wait())
                done, _ = await asyncio.wait([waiting, *work], return_when=asyncio.FIRST_COMPLETED)
                for task in (waiting, *work):
                    task.cancel()
                await asyncio.gather(waiting, *work, return_exceptions=True)
                for task in done - {waiting}:
                    task.result()
        log.info("stopped")
        return 0

    def _ready(self) -> bool:
        """Whether every school has been looked at, or one interval has passed."""
        passed = self._clock.monotonic() - self._started
        return passed >= self._config.interval or len(self._reports) >= len(self._inventory)

    async def _round(self, school: School, tools: Tools) -> None:
        """Conduct a round and hand its report to every sink; a sink that fails is logged and holds nobody up."""
        memory = self._fleet[school.name]
        report = await conduct(school, memory, tools, depth=self._depth(school, memory))
        self._reports[school.name] = report
        for sink in self._sinks:
            try:
                sink(report)
            except Exception:
                log.exception("a sink failed", sink=getattr(sink, "__qualname__", repr(sink)))

    def _depth(self, school: School, memory: Memory) -> Depth:
        """Return whether this round is an audit: at first spread over the schools, then by interval or on a cause."""
        now = self._clock.wall()
        if memory.audit_due is None:
            spread = min(self._config.audit_interval, len(self._inventory) / AUDITS_A_SECOND)
            memory.audit_due = now + slot(school.name, spread) - (self._clock.monotonic() - self._started)
        if now < memory.audit_due:
            return Depth.WATCH
        memory.audit_due = now + self._config.audit_interval
        return Depth.AUDIT
