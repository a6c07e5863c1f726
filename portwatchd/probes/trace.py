"""The trace of one probe: what it learnt until it ended, well or not, and how long each stage took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Count the time inside as this stage's; a stage within a stage interrupts the outer one's time."""
        self._count()
        self._open.append(stage)
        try:
            yield
        except BaseException:
            self.stopped = self.stopped or stage
            raise
        finally:
            self._count()
            self._open.pop()

    def _count(self) -> None:
        now = self.monotonic()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._mark
        self._mark = now
