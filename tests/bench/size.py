"""How large a bench is. `BENCH_QUICK=1 make bench` tries everything within some minutes; its figures say nothing."""

from __future__ import annotations

import os
from typing import NamedTuple


class Size(NamedTuple):
    """Seconds, schools and probes a second."""

    interval: int
    fleet: int
    """Schools of the largest fleet; the others are shares of it."""
    pace: int
    """Probes a second that both sides are asked for."""
    window: int
    """Seconds of one run."""
    runs: int
    confirm: int
    """Seconds between two looks at a fault."""


FULL = Size(interval=60, fleet=10_000, pace=200, window=60, runs=3, confirm=5)
SMALL = Size(interval=10, fleet=200, pace=40, window=10, runs=1, confirm=1)
QUICK = bool(os.environ.get("BENCH_QUICK"))
SIZE = SMALL if QUICK else FULL
