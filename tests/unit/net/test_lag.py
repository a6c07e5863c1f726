"""The loop's lateness, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import pytest

from portwatchd.net.lag import PERIOD, STALL, LoopLag


@dataclass
class LateClock:
    """Every sleep lasts longer by the next lateness; where none is left, for ever."""

    late: list[float]
    now: float = 100.0
    walked: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if not self.late:
            raise asyncio.CancelledError
        self.now += seconds + self.late.pop(0)


async def measured(late: list[float]) -> tuple[LoopLag, list[float]]:
    seen: list[float] = []
    lag = LoopLag(LateClock(late), seen.append)
    with contextlib.suppress(asyncio.CancelledError):
        await lag.run()
    return lag, seen


async def test_every_lateness_is_observed() -> None:
    _, seen = await measured([0.0, 0.5, 2.0])
    assert seen == pytest.approx([0.0, 0.5, 2.0])


@pytest.mark.parametrize(
    ("start", "end", "stalled"),
    [(90, 99, False), (90, 101, True), (101, 101.5, True), (101, 200, True), (102.5, 200, False)],
)
async def test_spans(start: float, end: float, stalled: bool) -> None:
    lag, _ = await measured([2.0, 0.0])
    assert lag.stalled_between(start, end) is stalled


async def test_lateness_up_to_the_threshold_is_no_stall() -> None:
    lag, _ = await measured([STALL - 0.01])
    assert not lag.stalled_between(0, 1000)


async def test_a_stall_counts_before_the_measure_woke_from_it() -> None:
    clock = LateClock([])
    lag = LoopLag(clock)
    lag._slept_at = clock.now
    clock.now += PERIOD + STALL + 0.1
    assert lag.stalled_between(100.5, clock.now)
    assert not lag.stalled_between(50, 99)
