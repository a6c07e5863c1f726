"""Owns the deadlines of all probes under way: one timer for all of them, which is set for the next one only.

`asyncio.timeout` has a timer of its own for each, which with two deadlines a probe was a tenth of the CPU.
"""

from __future__ import annotations

import asyncio
from typing import Self


class Limit:
    """A deadline on what is inside: who is late is cancelled, and gets TimeoutError instead (as asyncio.Timeout)."""

    __slots__ = ("_before", "_late", "_limits", "_task", "when")

    def __init__(self, limits: Limits, when: float) -> None:
        self.when = when
        """On the loop's clock."""
        self._limits = limits
        self._late = False

    def __enter__(self) -> Self:
        """Begin; only in a task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a limit is set on a task")
        self._task = task
        self._before = task.cancelling()
        self._limits.watch(self)
        return self

    def move(self, when: float) -> None:
        """Set another deadline."""
        self.when = when
        self._limits.watch(self)

    def cancel(self) -> None:
        """Cancel the task; for `Limits`."""
        self._late = True
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """End; TimeoutError where the deadline has cancelled it, and nobody else."""
        self._limits.forget(self)
        if self._late and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error


class Limits:
    """Every limit that is set now, and the timer for the next of them. It belongs to one loop."""

    __slots__ = ("_at", "_timer", "_watched")

    def __init__(self) -> None:
        self._watched: set[Limit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0

    def until(self, when: float) -> Limit:
        """Return a limit that ends at a time on the loop's clock."""
        return Limit(self, when)

    def watch(self, limit: Limit) -> None:
        """Be there when its deadline comes."""
        self._watched.add(limit)
        if self._timer is None or limit.when < self._at:
            self._set(limit.when)

    def forget(self, limit: Limit) -> None:
        """Watch it no longer; the timer stays, for it is cheaper to come in vain than to be set anew."""
        self._watched.discard(limit)

    def _set(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at = when
        self._timer = asyncio.get_running_loop().call_at(when, self._due)

    def _due(self) -> None:
        self._timer = None
        late = [limit for limit in self._watched if limit.when <= self._at]
        for limit in late:
            self._watched.discard(limit)
            limit.cancel()
        if self._watched:
            self._set(min(limit.when for limit in self._watched))
