"""What /proc tells of a process and of this machine, and on which of its cores something runs."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import NamedTuple

CORES = sorted(os.sched_getaffinity(0))
OTHERS = CORES[0]
"""The core of the servers, and of whoever asks."""
MEASURED = CORES[-1]
"""The core of the one process that is measured."""
TICKS = os.sysconf("SC_CLK_TCK")


def pinned(core: int, *command: str | Path) -> tuple[str | Path, ...]:
    """Return the command that runs on this core only. It becomes the process itself, so their number is one."""
    return ("taskset", "--cpu-list", str(core), *command)


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of all threads of a process (proc(5), stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def description() -> str:
    """Return what the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU unknown")
    return f"{len(CORES)} cores, {model}, Linux {platform.release()}, Python {platform.python_version()}"


class Mark(NamedTuple):
    """Clocks at one moment."""

    at: float
    measured: float
    others: float

    @classmethod
    def of(cls, measured: int, servers: int) -> Mark:
        """Return the clocks now: the measured process' and those of all who share the other core."""
        return cls(time.monotonic(), cpu_seconds(measured), cpu_seconds(servers) + cpu_seconds(os.getpid()))
