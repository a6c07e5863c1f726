"""The machine's clocks."""

from __future__ import annotations

import time

from portwatchd.net.clock import SystemClock


async def test_clocks() -> None:
    clock = SystemClock()
    start = clock.monotonic()
    assert abs(clock.wall() - time.time()) < 1
    await clock.sleep(0.01)
    assert clock.monotonic() - start >= 0.009
