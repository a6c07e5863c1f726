"""What a round works with: the doors to the outside, the permits, and the settings that all schools share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from portwatchd.diagnosis.port import unanswered
from portwatchd.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from portwatchd.model import Family, Observation, School, Target, Transition
    from portwatchd.rounds.memory import Memory, Proven
    from portwatchd.world import Clock, Network, Resolver


WAITERS = 1024
"""Proofs in flight, beside the probes: among 10,000 schools that are well, 200 SYNs await the silence they prove."""
LEARNERS = 256
"""Schools that learn their distance at one time: each takes some seconds, mostly in waiting for silence, and 10,000 in
the same minute after a start would take all permits from the watch."""


class Observer(Protocol):
    """Probes one target; never raises for what the network does."""

    async def observe(self, target: Target, *, patience: float | None = None) -> Observation:
        """Return the facts of one probe, which waits `patience` seconds for a connect, if that is given."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """The bounds of a round; times in seconds."""

    families: tuple[Family, ...]
    school_concurrency: int = 4
    confirm_attempts: int = 3
    confirm_spacing: float = 5.0
    audit_interval: float = 900.0
    addresses_per_family: int = 4
    """A name with more addresses is a name of something else; each of them costs a whole watch."""
    ssh_pace: float = 5.0
    """After another connection to an SSH server; faster ones add up to a penalty (OpenSSH's PerSourcePenalties)."""
    silent_patience: float = 1.2
    """Seconds for a connect to an address that was silent to the first probes of a pass: it answers at once, or not."""
    silent_enough: int = 2
    """Silent probes, and no answer, after which an address is taken for a silent one."""
    control_patience: float = 2.5
    """Seconds to wait for a port that answered before: a lost SYN is sent again after one."""
    limited_per_round: int = 12
    """TTL-limited probes in one round of the daemon: at one a second, what a round can bear."""
    limited_complete: int = 60
    """The same for a complete round, which is asked for by a person who waits."""


class Vigil(Protocol):
    """Says whether the monitor itself is the fault."""

    async def isolated(self, school: School, family: Family, *, helpless: bool) -> bool:
        """Whether the monitor's own line is dead for a family, as other hosts and other schools show.

        `helpless`: not one packet could be sent to the school.
        """
        ...

    async def blocked(self, port: int) -> bool:
        """Whether a port cannot be reached anywhere: its control is lost."""
        ...


@dataclass(slots=True)
class Tools:
    """Shared by all rounds of a daemon."""

    prober: Observer
    network: Network
    resolver: Resolver
    clock: Clock
    vigil: Vigil
    permits: asyncio.Semaphore
    settings: Settings
    waiters: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WAITERS))
    """For SYNs that mostly wait for silence, and for host keys: they must not hold up the watch."""
    learners: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LEARNERS))
    """For those that learn a distance which nobody waits for."""


@dataclass(slots=True)
class Round:
    """One round of one school while it runs."""

    school: School
    memory: Memory
    tools: Tools
    complete: bool = False
    """Everything at once, as `check` wants it: the whole range, the canary, all proofs."""
    proofs: bool = True
    """Without them only answers and contrast are judged by, and no distance is learnt."""
    progress: Callable[[int], None] = lambda _done: None
    cut: set[Family] = field(default_factory=set)
    """Families in which the monitor was seen to be cut off during this round."""
    asked_at: float = 0.0
    """Monotonic time at which the present pass of probes began."""
    permits: asyncio.Semaphore = field(init=False)
    limited_left: int = field(init=False)
    proven: dict[tuple[str, int], Proven] = field(default_factory=dict)
    """By address and port: what this round has proven, of silences too that later rounds must ask again."""
    pace: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a TTL-limited probe waits for its second: families are asked at the same time."""
    observations: list[tuple[str, Observation]] = field(default_factory=list)
    silences: dict[str, int] = field(default_factory=dict)
    """By address: how many connects of the present pass were not answered; negative once one was."""
    events: list[Transition] = field(default_factory=list)
    """What was noticed on the way and is no change of a verdict."""

    def __post_init__(self) -> None:
        """Take the school's own permits."""
        self.permits = asyncio.Semaphore(self.tools.settings.school_concurrency)
        self.grant()

    def grant(self) -> None:
        """Grant the TTL-limited probes that a round may wait for."""
        settings = self.tools.settings
        self.limited_left = settings.limited_complete if self.complete else settings.limited_per_round
        if not self.proofs:
            self.limited_left = 0

    async def observe(self, target: Target) -> Observation:
        """Probe a target under both permits; a probe that the monitor itself spoilt is repeated once."""
        settings, prober = self.tools.settings, self.tools.prober
        async with self.permits, self.tools.permits:
            silent = self.silences.get(target.address, 0) >= settings.silent_enough
            patience = settings.silent_patience if silent else None
            seen = await prober.observe(target, patience=patience)
            self.observations.append((target.service.name, seen))
            if seen.void or (seen.outcome is Outcome.LOCAL_ERROR and target.address in self.silences):
                # A fault of the monitor's own that others of the pass did not meet: perhaps it passes.
                seen = await prober.observe(target, patience=patience)
                self.observations.append((target.service.name, seen))
        if seen.outcome is Outcome.LOCAL_ERROR:
            pass
        elif not unanswered(seen):
            self.silences[target.address] = -len(self.school.profile.services)
        else:
            self.silences[target.address] = self.silences.get(target.address, 0) + 1
        self.progress(1)
        return seen
