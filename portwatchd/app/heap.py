"""Owns Python's cyclic collector: a fleet is millions of objects, and hardly any garbage among them is cyclic.

Left alone, the collector comes when so many objects more were made than freed, and looks through all that were made
since: seldom, and for more than a second at 10,000 schools. Here it comes each second, for some milliseconds. What
grows older is freed by its count of references: a round leaves no cycles, a connection of asyncssh's 47 objects.
"""

from __future__ import annotations

import gc
import resource
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from portwatchd.world import Clock

YOUNG_EVERY = 1.0
"""Seconds between two looks at the objects made since the last one: 50,000 at 10,000 schools."""
ALL_EVERY = 6 * 3600.0
"""Seconds between two looks at all objects, for cycles that were in use when they were young: some megabytes an hour.
It holds the loop up for up to 1 µs an object."""
GROWTH, ROOM = 2, 64 << 20
"""So many times the memory after the last such look, and so many bytes more, make for another one: who opens and closes
thousands of connections to the web side leaves cycles that were old."""

STATM = Path("/proc/self/statm")


def resident() -> int:
    """Return the resident memory of this process in bytes; 0 where the system does not tell (proc(5))."""
    try:
        return int(STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


async def keep(clock: Clock, used: Callable[[], int] = resident) -> None:
    """Look for cyclic garbage by the clock, until cancelled; no look comes by itself meanwhile."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        due, most = clock.monotonic() + ALL_EVERY, GROWTH * used() + ROOM
        while True:
            await clock.sleep(YOUNG_EVERY)
            if clock.monotonic() < due and used() < most:
                gc.collect(0)
            else:
                gc.collect()
                due, most = clock.monotonic() + ALL_EVERY, GROWTH * used() + ROOM
    finally:
        if enabled:
            gc.enable()
