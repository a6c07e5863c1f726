"""The trace of one probe: what it learnt until it ended, well or not, and how long each stage took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from portwatchd.model import Certificate, Foreign, Policy, PolicyFact, Stage, TlsFacts


@dataclass(slots=True)
class Trace:
    """Facts so far. `monotonic` is a clock in seconds, `wanted` the policies that the service is asked to keep."""

    monotonic: Callable[[], float]
    wanted: frozenset[Policy] = frozenset()
    banner: Foreign = field(default_factory=Foreign)
    tls: TlsFacts | None = None
    certificate: Certificate | None = None
    facts: dict[Policy, PolicyFact] = field(default_factory=dict)
    seconds: dict[Stage, float] = field(default_factory=dict)
    stopped: Stage | None = None
    """The innermost stage that an error ended."""
    understood: bool = False
    """Whether the peer has said anything in the protocol that was expected."""
    _open: list[Stage] = field(default_factory=list)
    _mark: float = 0.0

    def note(self, policy: Policy, holds: bool | None, reason: str = "") -> None:  # noqa: FBT001 - as PolicyFact itself
        """Keep a fact if the service is asked for the policy; a later one takes the place of an earlier one."""
        if policy in self.wanted:
            self.facts[policy] = PolicyFact(policy, holds, reason)

    def stage(self, stage: Stage) -> StageTime:
        """Count the time inside as this stage's; a stage within a stage interrupts the outer one's time."""
        return StageTime(self, stage)

    def enter(self, stage: Stage) -> None:
        """Begin a stage; for `StageTime`."""
        self._count()
        self._open.append(stage)

    def leave(self, *, failed: bool) -> None:
        """End the innermost stage; for `StageTime`."""
        self._count()
        stage = self._open.pop()
        if failed:
            self.stopped = self.stopped or stage

    def _count(self) -> None:
        now = self.monotonic()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._mark
        self._mark = now


class StageTime:
    """The time of one stage; a probe has five of them, and a generator would cost twice as much."""

    __slots__ = ("_stage", "_trace")

    def __init__(self, trace: Trace, stage: Stage) -> None:
        self._trace = trace
        self._stage = stage

    def __enter__(self) -> None:
        """Begin it."""
        self._trace.enter(self._stage)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End it; an error that passes is remembered with it."""
        self._trace.leave(failed=kind is not None)
