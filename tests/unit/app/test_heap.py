"""When the cyclic collector runs, in fake time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable

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
async def kept(used: Callable[[], int] = lambda: 0) -> AsyncIterator[None]:
    keeping = asyncio.create_task(heap.keep(LoopClock(), used))
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


async def test_memory_that_grows_is_looked_through_once() -> None:
    sizes = [heap.ROOM]
    async with kept(lambda: sizes[-1]):
        Knot.freed = 0
        old = Knot()
        await asyncio.sleep(2)
        del old
        sizes.append((heap.GROWTH + 1) * heap.ROOM - 1)
        await asyncio.sleep(2)
        assert Knot.freed == 0
        sizes.append((heap.GROWTH + 1) * heap.ROOM)
        await asyncio.sleep(1.5)
        assert Knot.freed == 1
        old = Knot()
        await asyncio.sleep(2)
        del old
        await asyncio.sleep(2)
        assert Knot.freed == 1


def test_the_memory_of_this_process_is_known() -> None:
    assert 10 << 20 < heap.resident() < 10 << 30


async def test_the_collector_comes_by_itself_only_before_and_after() -> None:
    assert gc.isenabled()
    async with kept():
        assert not gc.isenabled()
    assert gc.isenabled()
