"""Deadlines by one timer, in fake time."""

from __future__ import annotations

import asyncio

import pytest

from portwatchd.probes.limits import Limit, Limits

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


async def late(limits: Limits, seconds: float, *, work: float = 100.0) -> float:
    """Return when a piece of work was ended by its limit."""
    with pytest.raises(TimeoutError), limits.until(now() + seconds):
        await asyncio.sleep(work)
    return now()


async def test_who_is_late_gets_a_time_out() -> None:
    assert await late(Limits(), 5.0) == 5.0


async def test_who_is_in_time_goes_on() -> None:
    limits = Limits()
    with limits.until(5.0):
        await asyncio.sleep(4.0)
    await asyncio.sleep(10.0)
    assert now() == 14.0


async def test_each_of_many_ends_at_its_own_time_in_whatever_order_they_came() -> None:
    limits = Limits()
    wanted = [7.0, 3.0, 5.0, 3.0, 11.0, 0.5]
    assert await asyncio.gather(*(late(limits, seconds) for seconds in wanted)) == wanted


async def test_a_limit_that_is_moved_away_comes_later_and_one_that_is_moved_near_at_once() -> None:
    limits = Limits()

    async def move(limit: Limit, when: float) -> None:
        await asyncio.sleep(0.25)
        limit.move(when)
        await asyncio.sleep(100.0)

    async def moved(first: float, second: float) -> float:
        with pytest.raises(TimeoutError), limits.until(first) as limit:
            await move(limit, second)
        return now()

    assert list(await asyncio.gather(moved(1.0, 9.0), moved(9.0, 1.0))) == [9.0, 1.0]


async def test_the_timer_goes_on_for_those_who_come_after_it_came_in_vain() -> None:
    limits = Limits()
    with limits.until(1.0):
        await asyncio.sleep(0.5)
    assert await late(limits, 2.0) == 2.5
    assert await late(limits, 2.0) == 4.5


async def test_who_is_cancelled_by_another_is_no_time_out() -> None:
    limits = Limits()
    task = asyncio.create_task(late(limits, 5.0))
    await asyncio.sleep(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(10.0)


async def test_both_at_once_are_a_cancellation() -> None:
    limits = Limits()

    async def work() -> None:
        with limits.until(5.0):
            await asyncio.sleep(100.0)

    task = asyncio.create_task(work())
    asyncio.get_running_loop().call_at(5.0, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_inside_passes() -> None:
    limits = Limits()
    with pytest.raises(OSError, match="gone"), limits.until(5.0):
        raise OSError("gone")


def test_a_limit_is_set_on_a_task() -> None:
    with pytest.raises(RuntimeError), Limits().until(5.0):
        pass
