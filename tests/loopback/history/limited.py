"""A process whose files may grow no further for a while (RLIMIT_FSIZE), as on a full disk.

    python -m tests.loopback.history.limited PATH

prints what was said of the storage, step by step, as a JSON list.
"""

import json
import resource
import sys
from pathlib import Path

from portwatchd.history.keeper import History
from portwatchd.model import Family, Standing, VerdictKind
from portwatchd.rounds.memory import Memory
from tests.unit.history.memories import NOON, SetClock, change, report_of

STEP = 200


def remember(history: History, first: int) -> None:
    for number in range(first, first + STEP):
        name = f"school-{number}"
        memory = Memory(standings={(Family.IPV4, "smtp"): Standing(VerdictKind.FORWARD_LOST, NOON + number)})
        memory.host_key = "x" * 2000
        history.remember(report_of(name, change(NOON + number, name)), memory)


def main(path: Path) -> None:
    clock = SetClock()
    said: list[bool] = []
    steps: list[object] = []

    def step(history: History, seconds: float) -> None:
        steps.append([history.flush(seconds), list(said)])

    history = History.open(path, retention=1e9, clock=clock, on_state=said.append)
    remember(history, 0)
    step(history, 5)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 4096, resource.RLIM_INFINITY))
    remember(history, STEP)
    remember(history, 2 * STEP)
    for _ in range(100):
        if history.flush(0.1) or not said[-1]:
            break
    step(history, 0)
    clock.pass_by(60)
    step(history, 1.5)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    clock.pass_by(60)
    step(history, 5)
    history.close()
    json.dump(steps, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
