"""The clockwork: starts each school's round at its slot, never two rounds of one school at once."""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING, Protocol

import structlog

from portwatchd import agenda
from portwatchd.inventory import difference

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from portwatchd.inventory import Inventory
    from portwatchd.model import School
    from portwatchd.world import Clock

log = structlog.get_logger()
NAP = 0.25
"""Seconds the clockwork sleeps at most, so that a new inventory is taken up soon."""

TICK = 0.001
"""Seconds it sleeps at least: a timer of the loop may wake a little before its time, and must not be asked for less."""


class Watched(Protocol):
    """Is told of the clockwork's own figures."""

    def round_started(self, lag: float) -> None:
        """A round began so many seconds after its slot."""
        ...

    def skipped(self) -> None:
        """A round was left out: the one before was still running."""
        ...


class Scheduler:
    """Owns the slots. A school keeps its slot for as long as it is watched; a new one gets its own, without a burst."""

    def __init__(
        self,
        inventory: Inventory,
        interval: float,
        conduct: Callable[[School], Awaitable[None]],
        clock: Clock,
        watched: Watched,
    ) -> None:
        """Plan every school's first round within one interval from now."""
        self._inventory = inventory
        self._interval = interval
        self._conduct = conduct
        self._clock = clock
        self._watched = watched
        self._origin = clock.monotonic()
        self._due: dict[str, float] = {}
        self._queue: list[tuple[float, str]] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        for name in inventory:
            self._plan(name, self._origin)

    def _plan(self, name: str, now: float) -> None:
        self._due[name] = agenda.first_due(name, self._interval, self._origin, now)
        heapq.heappush(self._queue, (self._due[name], name))

    def replace(self, inventory: Inventory, interval: float) -> None:
        """Watch another set of schools; those that stay keep their slot and the round they are in.

        Another interval gives every school another slot, spread over the interval that comes.
        """
        change = difference(self._inventory, inventory)
        now = self._clock.monotonic()
        self._inventory = inventory
        if interval != self._interval:
            self._interval, self._origin, self._due, self._queue = interval, now, {}, []
            for name in inventory:
                self._plan(name, now)
            return
        for name in change.removed:
            del self._due[name]
        for name in change.added:
            self._plan(name, now)

    async def run(self) -> None:
        """Start rounds until cancelled; then end those that run."""
        try:
            while True:
                now = self._clock.monotonic()
                while self._queue and self._queue[0][0] <= now:
                    due, name = heapq.heappop(self._queue)
                    if self._due.get(name) == due:
                        self._start(name, due, now)
                pause = min(NAP, self._queue[0][0] - now) if self._queue else NAP
                await self._clock.sleep(max(TICK, pause))
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _start(self, name: str, due: float, now: float) -> None:
        if name in self._running:
            self._watched.skipped()
        else:
            self._watched.round_started(now - due)
            task = asyncio.create_task(self._round(self._inventory[name]), name=f"round of {name}")
            self._running[name] = task
            task.add_done_callback(lambda ended: self._ended(name, ended))
        self._due[name] = agenda.next_due(due, self._interval, now)
        heapq.heappush(self._queue, (self._due[name], name))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        """Let the school have its next round; a round that raised is a fault of the program, and is told."""
        self._running.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a round failed", school=name, exc_info=error)

    async def _round(self, school: School) -> None:
        await self._conduct(school)
