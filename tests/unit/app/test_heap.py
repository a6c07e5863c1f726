"""When the cyclic collector runs, in fake time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import pytest

from portwatchd.app import heap
from tests.unit.probes.network import LoopClock

pytestmark = pytest.mark.looptime


class Knot:
    """An object that only the cyclic collector frees."""

    freed = 0

    def __init__(self) -> None:
        self.self = self

    def __del__(self) -> None:
        Knot.freed += 1


@contextlib.asynccontextmanager
async def kept() -> AsyncIterator[None]:
    keeping = asyncio.create_task(heap.keep(LoopClock()))
    await asyncio.sleep(0.0)
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_young_garbage_is_freed_within_seconds_and_older_within_hours() -> None:
    async with kept():
        Knot.freed = 0
        old = Knot()
        await asyncio.sleep(2)
        Knot()
        del old
        await asyncio.sleep(2)
        assert Knot.freed == 1
        await asyncio.sleep(heap.ALL_EVERY)
        assert Knot.freed == 2


async def test_the_collector_comes_by_itself_only_before_and_after() -> None:
    assert gc.isenabled()
    async with kept():
        assert not gc.isenabled()
    assert gc.isenabled()
