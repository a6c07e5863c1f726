"""Owns Python's cyclic collector: a fleet is millions of objects, and hardly any garbage among them is cyclic.

Left alone, the collector comes when so many objects more were made than freed, and looks through all that were made
since: seldom, and for more than a second at 10,000 schools. Here it comes each second, for some milliseconds. What
grows older is freed by its count of references: a round leaves no cycles, a connection of asyncssh's 47 objects.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portwatchd.world import Clock

YOUNG_EVERY = 1.0
"""Seconds between two looks at the objects made since the last one: 50,000 at 10,000 schools."""
ALL_EVERY = 6 * 3600.0
"""Seconds between two looks at all objects, for cycles that were in use when they were young: some megabytes an hour.
It holds the loop up for up to 1 µs an object."""


async def keep(clock: Clock) -> None:
    """Look for cyclic garbage by the clock, until cancelled; no look comes by itself meanwhile."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        due = clock.monotonic() + ALL_EVERY
        while True:
            await clock.sleep(YOUNG_EVERY)
            if clock.monotonic() < due:
                gc.collect(0)
            else:
                gc.collect()
                due = clock.monotonic() + ALL_EVERY
    finally:
        if enabled:
            gc.enable()
