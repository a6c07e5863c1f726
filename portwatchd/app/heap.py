"""Owns Python's cyclic collector: a fleet is millions of objects that stay, and hardly any garbage is cyclic.

Left alone, the collector looks through all of them again and again: 30 % of the CPU of 10,000 schools, and stalls of a
second. Reports and memories hold no cycles, so counting references frees them; the cycles of tracebacks die young.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portwatchd.world import Clock

YOUNG = 50_000
"""Objects more than before that make the collector look at the young ones: some 10 MB."""
MIDDLE = 20
"""Looks at the young ones to one at those that outlived the first."""
NEVER = 1_000_000
"""Looks at the middle ones to one at all: none, but for those of `keep`."""
ALL_EVERY = 3600.0
"""Seconds between two looks at all objects, for cycles that grew old; it holds the loop up for 0.1 µs an object."""


async def keep(clock: Clock) -> None:
    """Let the collector look at young objects seldom, and at all of them once in an hour, until cancelled."""
    usual = gc.get_threshold()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    try:
        while True:
            await clock.sleep(ALL_EVERY)
            gc.collect()
    finally:
        gc.set_threshold(*usual)
