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


async def test_garbage_that_grew_old_is_freed_within_an_hour() -> None:
    async with kept():
        Knot.freed = 0
        old = Knot()
        gc.collect(1)
        del old
        await asyncio.sleep(heap.ALL_EVERY - 1)
        assert Knot.freed == 0
        await asyncio.sleep(2)
        assert Knot.freed == 1


async def test_the_collector_is_left_as_it_was() -> None:
    before = gc.get_threshold()
    async with kept():
        assert gc.get_threshold() == (heap.YOUNG, heap.MIDDLE, heap.NEVER)
    assert gc.get_threshold() == before
