"""Owns a monitor that conducts a round when it is told to, with what it remembers kept from one to the next.

Run in the monitor, unprivileged, as a program: it takes the path of a configuration, and from standard input one JSON
object a line. `{"do": "round", "school": ..., "depth": "audit"}` prints the report, as `check --json` shows it, with
the round's transitions. `keep` and `restore` keep what is remembered of all schools and go back to it; `later` lets
`seconds` pass for host keys.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from portwatchd.app.workshop import opened
from portwatchd.config import load
from portwatchd.history.view import event_json
from portwatchd.metrics.own import OwnMetrics
from portwatchd.model import Depth
from portwatchd.rounds.conduct import conduct
from portwatchd.rounds.memory import Memory
from portwatchd.web.api import school_json

PACE = 0.5
"""Seconds between two connections to SSH: too fast for a real server in the long run, but a table is short."""


async def serve(path: str) -> None:
    """Carry out orders until standard input ends."""
    config = load(Path(path))
    schools = {school.name: school for school in config.schools}
    fleet = {name: Memory() for name in schools}
    kept = copy.deepcopy(fleet)
    async with opened(config, fleet, OwnMetrics()) as workshop:
        workshop.tools.settings = dataclasses.replace(workshop.tools.settings, ssh_pace=PACE)
        while line := await asyncio.to_thread(sys.stdin.readline):
            order: dict[str, Any] = json.loads(line)
            answer: object = None
            match order["do"]:
                case "round":
                    school = schools[order["school"]]
                    report = await conduct(school, fleet[school.name], workshop.tools, depth=Depth(order["depth"]))
                    answer = school_json(report) | {"events": [event_json(one) for one in report.transitions]}
                case "keep":
                    kept = copy.deepcopy(fleet)
                case "restore":
                    fleet.update(copy.deepcopy(kept))
                case "later":
                    for memory in fleet.values():
                        _age(memory, order["seconds"])
                case unknown:
                    raise ValueError(unknown)
            print(json.dumps(answer), flush=True)  # noqa: T201


def _age(memory: Memory, seconds: float) -> None:
    if memory.host_key_at is not None:
        memory.host_key_at -= seconds
    for address, one in memory.host_keys.items():
        memory.host_keys[address] = dataclasses.replace(one, at=one.at - seconds, since=one.since - seconds)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
