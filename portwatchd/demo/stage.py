"""The thread in which the simulated schools live while the daemon has the main thread to itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Self

from portwatchd.demo.certificates import Authority
from portwatchd.demo.configuration import SCHOOLS, DemoSchool, shifted_services
from portwatchd.demo.connection import Fault
from portwatchd.demo.servers import SimulatedServer


class Stage:
    """Simulated schools that run inside the context. A port in use is an `OSError` on the way in."""

    def __init__(self, authority: Authority, schools: Iterable[DemoSchool] = SCHOOLS) -> None:
        self._authority = authority
        self._schools = tuple(schools)
        self._ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run, name="simulated schools", daemon=True)

    def __enter__(self) -> Self:
        """Return when every school answers."""
        self._thread.start()
        self._ready.result()
        return self

    def __exit__(self, *_: object) -> None:
        """Return when every school is gone."""
        loop, stop = self._ready.result()
        loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._play())
        except OSError as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _play(self) -> None:
        stop = asyncio.Event()
        services = shifted_services()
        async with AsyncExitStack() as stack:
            turns = []
            for school in self._schools:
                context = self._authority.server_context(school.server_name)
                server = SimulatedServer(school.address, services, context, school.server_name, school.faults)
                await stack.enter_async_context(server)
                if school.comes_and_goes:
                    turns.append(asyncio.create_task(_take_turns(server, school.comes_and_goes, school.turn_seconds)))
            self._ready.set_result((asyncio.get_running_loop(), stop))
            await stop.wait()
            for turn in turns:
                turn.cancel()
            await asyncio.gather(*turns, return_exceptions=True)


async def _take_turns(server: SimulatedServer, name: str, seconds: float) -> None:
    while True:
        for fault in (Fault.CLOSED, None):
            await asyncio.sleep(seconds)
            await server.suffer(name, fault)
