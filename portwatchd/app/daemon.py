"""The long-running whole: what is watched, what is remembered, and everyone who is told of a report."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from portwatchd import journal, signals
from portwatchd.agenda import slot
from portwatchd.app import heap
from portwatchd.app.fleet import Fleet
from portwatchd.app.workshop import opened
from portwatchd.config import ConfigError, load
from portwatchd.discovery.discovery import Discovery
from portwatchd.history.keeper import History
from portwatchd.history.view import Json, event_json
from portwatchd.journal import Journal
from portwatchd.metrics.own import OwnMetrics
from portwatchd.metrics.store import MetricStore
from portwatchd.model import Depth, Report
from portwatchd.net.clock import SystemClock
from portwatchd.rounds.conduct import conduct
from portwatchd.scheduler import Scheduler
from portwatchd.systemd.notify import Notifier
from portwatchd.systemd.pulse import Pulse, status_line
from portwatchd.systemd.sockets import listen_fds
from portwatchd.web.gate import Gate
from portwatchd.web.serve import CannotListen, WebServer
from portwatchd.web.server import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
    from socket import socket
    from typing import Any

    from portwatchd.app.workshop import Workshop
    from portwatchd.config import Config
    from portwatchd.model import School
    from portwatchd.options import RunOptions
    from portwatchd.rounds.memory import Memory

log = structlog.get_logger()

AUDITS_A_SECOND = 10.0
"""First audits are spread so that no more than so many schools are audited each second after a start."""
AT_START = {
    "storage.path": "storage_path",
    "storage.retention": "retention",
    "global.latency_histograms": "latency_histograms",
}
"""Keys that count from the next start on, and their fields: they are what is open, and what has been counted."""
NAMES_LOGGED = 10
"""Names in one line of the log; the rest is counted."""


class Daemon:
    """Watches, remembers, tells; reads its configuration anew when asked to."""

    def __init__(self, config: Config, options: RunOptions) -> None:
        """Keep the configuration; nothing is opened before `run`."""
        self._config = config
        self._at_start = config
        self._options = options
        self._fleet = Fleet(options.shard)
        self._reports: dict[str, Report] = {}
        self._own = OwnMetrics(by_school=config.latency_histograms == "school")
        self._store = MetricStore([self._own])
        self._sinks: list[Callable[[Report], None]] = [self._store.put, self._own.report, Journal().report]
        self._clock = SystemClock()
        self._started = self._clock.monotonic()
        self._reading = asyncio.Lock()
        self._gate = Gate(options.web_config_file, self._own.web_config)
        self._pulse = Pulse(Notifier.of(os.environ), self._clock, self._status)

    async def run(self) -> int:
        """Watch and serve until SIGINT or SIGTERM; SIGHUP reads the configuration anew."""
        stop = asyncio.Event()
        self._own.reloaded(True, self._clock.wall())
        self._own.shard(self._options.shard)
        journal.count_dropped(self._own.line_dropped)
        history = await self._recall()
        try:
            return await self._serve(stop, history)
        finally:
            await asyncio.to_thread(history.close)

    async def _recall(self) -> History:
        """Open the history and take up what it remembers of the schools."""
        path = self._options.storage_path or self._config.storage_path
        history = await asyncio.to_thread(
            lambda: History.open(path, retention=self._config.retention, clock=self._clock, on_state=self._own.storage)
        )
        self._fleet.recall(await asyncio.to_thread(history.load), self._clock.wall())
        self._fleet.watch(self._config.schools, self._clock.wall())
        self._own.schools(len(self._fleet.inventory))
        return history

    async def _serve(self, stop: asyncio.Event, history: History) -> int:
        """Watch and serve until the event is set."""
        async with opened(self._config, self._fleet.memories, self._own) as workshop:
            self._started = self._clock.monotonic()
            scheduler = Scheduler(
                self._fleet.inventory,
                self._config.interval,
                lambda school: self._round(school, workshop, history),
                self._clock,
                self._own,
            )

            def found() -> None:
                self._watch(discovery.schools(self._config), scheduler, history)
                if discovery.settled:
                    history.part_absent(self._fleet.part_absent(self._clock.wall()))

            async def reload() -> str | None:
                return await self._reload(workshop, discovery, found)

            async def events(since: float | None, school: str | None) -> list[Json]:
                return [event_json(change) for change in await history.events(since=since, school=school)]

            discovery = Discovery(found, self._own, self._clock, history)
            _stop_on_signals(stop)
            site = WebServer(
                create_app(
                    store=self._store,
                    reports=self._reports,
                    schools=self._watched,
                    ready=lambda: self._ready(discovery),
                    reload=reload if self._options.enable_lifecycle else None,
                    events=events,
                ),
                self._gate,
            )
            addresses = await site.start(self._options.listen_addresses, sockets=self._handed_over())
            log.info("started", schools=len(self._fleet.inventory), listening=", ".join(addresses))
            try:
                discovery.refit(self._config)
                found()  # those of the lists that were in force before the start
                self._pulse.ready()
                work = (
                    scheduler.run(),
                    workshop.vigil.keep(),
                    history.keep(),
                    self._pulse.keep(self._interval),
                    heap.keep(self._clock),
                )
                with _reloading_on_hang_up(reload):
                    await _until(stop, *work)
            finally:
                await discovery.close()
                await site.stop()
        log.info("stopped")
        return 0

    def _handed_over(self) -> list[socket]:
        """Return the sockets that come open from systemd."""
        if not self._options.systemd_socket:
            return []
        try:
            return listen_fds()
        except OSError as error:
            raise CannotListen(error.errno, error.strerror) from None

    def _watched(self) -> Collection[School]:
        return self._fleet.inventory.values()

    def _status(self) -> str:
        return status_line((report.diagnosis.kind for report in self._reports.values()), len(self._fleet.inventory))

    def _interval(self) -> float | None:
        """Return how many seconds apart a school's rounds are; None while there is no school."""
        return self._config.interval if self._fleet.inventory else None

    def _ready(self, discovery: Discovery) -> bool:
        """Whether every school has been looked at, or one interval has passed."""
        passed = self._clock.monotonic() - self._started
        looked = discovery.complete and len(self._reports) >= len(self._fleet.inventory)
        return looked or passed >= self._config.interval

    async def _round(self, school: School, workshop: Workshop, history: History) -> None:
        """Conduct a round and hand its report to every sink; a sink that fails is logged and holds nobody up."""
        self._pulse.round_started()
        memory = self._fleet.memories.get(school.name)
        if memory is None:  # a reload took it away between its slot and now
            return
        report = await conduct(school, memory, workshop.tools, depth=self._depth(school, memory))
        current = self._fleet.inventory.get(school.name)
        if current is None or self._fleet.memories.get(school.name) is not memory:
            return
        if current != school:  # other labels since the round began: what was seen holds all the same
            report = replace(report, school=current)
        self._reports[school.name] = report
        sinks: list[Callable[[Report], None]] = [*self._sinks, lambda told: history.remember(told, memory)]
        for sink in sinks:
            try:
                sink(report)
            except Exception:
                log.exception("a sink failed", sink=getattr(sink, "__qualname__", repr(sink)))

    def _depth(self, school: School, memory: Memory) -> Depth:
        """Return whether this round is an audit: at first spread over the schools, then by interval or on a cause."""
        now = self._clock.wall()
        if memory.audit_due is None:
            spread = min(self._config.audit_interval, len(self._fleet.inventory) / AUDITS_A_SECOND)
            memory.audit_due = now + slot(school.name, spread) - (self._clock.monotonic() - self._started)
        if now < memory.audit_due:
            return Depth.WATCH
        memory.audit_due = now + self._config.audit_interval
        return Depth.AUDIT

    async def _reload(self, workshop: Workshop, discovery: Discovery, found: Callable[[], None]) -> str | None:
        """Read the configuration anew and swap it at once; return why it failed, and then nothing has changed."""
        async with self._reading:
            with self._pulse.reloading():
                return await self._read(workshop, discovery, found)

    async def _read(self, workshop: Workshop, discovery: Discovery, found: Callable[[], None]) -> str | None:
        try:
            config = await asyncio.to_thread(load, self._options.config_file)
        except ConfigError as error:
            for problem in error.problems:
                log.warning("configuration refused", problem=str(problem))
            self._own.reloaded(False, self._clock.wall())
            return "\n".join(map(str, error.problems))
        for key, field in AT_START.items():
            if getattr(config, field) != getattr(self._at_start, field):
                log.warning("this takes a restart", key=key)
        self._config = config
        self._own.forget_monitor()
        workshop.refit(config)
        discovery.refit(config)
        found()
        self._own.reloaded(True, self._clock.wall())
        log.info("configuration read", schools=len(self._fleet.inventory))
        return None

    def _watch(self, schools: Iterable[School], scheduler: Scheduler, history: History) -> None:
        """Watch these schools from now on; those that stay keep their slot, their standing and their round."""
        before = self._fleet.inventory
        parted, forgotten = self._fleet.watch(schools, self._clock.wall())
        for name in (*parted, *forgotten):
            self._forget(name)
        for name in parted:
            history.part(name)
        for name in forgotten:
            history.forget(name)
        if gone := sorted(before.keys() - self._fleet.inventory.keys()):
            log.warning("schools are watched no longer", number=len(gone), first=", ".join(gone[:NAMES_LOGGED]))
        self._own.schools(len(self._fleet.inventory))
        scheduler.replace(self._fleet.inventory, self._config.interval)

    def _forget(self, name: str) -> None:
        self._reports.pop(name, None)
        self._store.remove(name)
        self._own.forget(name)


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


@contextlib.contextmanager
def _reloading_on_hang_up(reload: Callable[[], Coroutine[Any, Any, str | None]]) -> Iterator[None]:
    """Reload on SIGHUP, and now if one came during the start; afterwards one says nothing."""
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[str | None]] = set()

    def hang_up() -> None:
        task = asyncio.create_task(reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    # Not `loop.add_signal_handler`: when the loop ends, it would let the next SIGHUP end the process.
    signals.hang_ups.listen(lambda: loop.call_soon_threadsafe(hang_up))
    try:
        yield
    finally:
        signals.hang_ups.listen(lambda: None)


async def _until(stop: asyncio.Event, *work: Coroutine[Any, Any, None]) -> None:
    """Work until the event is set; the first error of any work ends it all and is raised."""
    tasks = [asyncio.create_task(one) for one in work]
    waiting = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (waiting, *tasks):
        task.cancel()
    await asyncio.gather(waiting, *tasks, return_exceptions=True)
    for task in done - {waiting}:
        task.result()
