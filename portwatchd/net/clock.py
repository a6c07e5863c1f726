"""Owns the machine's two clocks."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """The clocks of this machine, and the event loop's pause. All in seconds."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never jumps: CLOCK_MONOTONIC, as the event loop's own."""
        return time.monotonic()

    def wall(self) -> float:
        """Return UTC seconds since the epoch; may jump."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)
