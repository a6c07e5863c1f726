"""Owns the measuring of the event loop itself: how late it wakes, and whether a span of time was spoilt by a stall."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portwatchd.world import Clock

PERIOD = 0.25
"""Seconds between two looks: four wakings a second cost nothing, and a stall is placed to a quarter of a second."""
STALL = 1.0
"""Seconds of lateness that spoil what was timed meanwhile: a SYN is repeated after one (RFC 6298)."""
STALLS_LIMIT = 256
"""Stalls remembered: a probe lasts 15 s, so no more than 15 of them concern it."""


class LoopLag:
    """How late this loop wakes. `observe` is given each lateness, in seconds, for a histogram."""

    def __init__(self, clock: Clock, observe: Callable[[float], None] = lambda _: None) -> None:
        self._clock = clock
        self._observe = observe
        self._stalls: deque[tuple[float, float]] = deque(maxlen=STALLS_LIMIT)
        self._slept_at: float | None = None

    async def run(self) -> None:
        """Measure until cancelled."""
        try:
            while True:
                self._slept_at = self._clock.monotonic()
                await self._clock.sleep(PERIOD)
                woke = self._clock.monotonic()
                late = max(0.0, woke - self._slept_at - PERIOD)
                if late > STALL:
                    self._stalls.append((self._slept_at, woke))
                self._observe(late)
        finally:
            self._slept_at = None

    def stalled_between(self, start: float, end: float) -> bool:
        """Whether the loop stalled for more than STALL seconds at some time in this span of the monotonic clock.

        A stall counts before `run` itself woke from it: who is woken first may ask first.
        """
        slept_at, now = self._slept_at, self._clock.monotonic()
        if slept_at is not None and now - slept_at - PERIOD > STALL and slept_at < end and start < now:
            return True
        return any(begun < end and start < over for begun, over in self._stalls)
