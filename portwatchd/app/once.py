"""One look at schools: the whole diagnosis of each in a single round."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from portwatchd.app.workshop import opened
from portwatchd.metrics.own import OwnMetrics
from portwatchd.model import Depth, Protocol
from portwatchd.rounds.conduct import conduct
from portwatchd.rounds.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portwatchd.config import Config
    from portwatchd.model import Report, School


async def check_all(
    schools: Sequence[School],
    config: Config,
    *,
    watch_only: bool,
    progress: Callable[[str, int, int], None],
) -> list[Report]:
    """Conduct one round of every school at the same time, as far as the permits allow."""
    fleet = {school.name: Memory() for school in schools}
    async with opened(config, fleet, OwnMetrics()) as workshop:

        async def one(school: School) -> Report:
            steps = Steps(school, config, complete=not watch_only, progress=progress)
            return await conduct(
                school,
                fleet[school.name],
                workshop.tools,
                depth=Depth.WATCH if watch_only else Depth.AUDIT,
                complete=not watch_only,
                proofs=not watch_only,
                progress=steps.add,
            )

        return list(await asyncio.gather(*map(one, schools)))


class Steps:
    """Counts the steps of one school's check for a progress display."""

    def __init__(
        self,
        school: School,
        config: Config,
        *,
        complete: bool,
        progress: Callable[[str, int, int], None],
    ) -> None:
        """Reckon with one address of each family; more of them only make the count end later."""
        services = school.profile.services
        ranges = sum(s.last - s.first + 1 for s in services if s.protocol is Protocol.RANGE)
        single = sum(1 for s in services if s.protocol is not Protocol.RANGE)
        literal = school.host.replace(".", "").isdigit() or ":" in school.host
        self._total = (single + (ranges if complete else 0)) * (1 if literal else len(config.families))
        self._done = 0
        self._name = school.name
        self._progress = progress

    def add(self, steps: int) -> None:
        """Count steps that are done; never more than all."""
        self._done = min(self._done + steps, self._total)
        self._progress(self._name, self._done, self._total)
