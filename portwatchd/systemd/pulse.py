"""Owns the daemon's life signs: they are given while the loop is on time and rounds progress, and not otherwise."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import structlog

from portwatchd.model import DiagnosisKind

if TYPE_CHECKING:
    from portwatchd.systemd.notify import Notifier
    from portwatchd.world import Clock

WORSE = tuple(kind for kind in DiagnosisKind if kind is not DiagnosisKind.OK)

log = structlog.get_logger()

SIGNS = 4
"""Life signs within the time that the manager waits for one: a single late one is forgiven."""
PERIOD = 10.0
"""Seconds between two looks at most: so old is the line that `systemctl status` shows."""
INTERVALS, GRACE = 2.0, 600.0
"""Rounds progress if one was started within so many intervals and seconds. An audit that paces its hop probes may
outlast some intervals, whose rounds are left out; none lasts ten minutes."""


class Pulse:
    """Tells the service manager how the daemon is."""

    def __init__(self, notifier: Notifier, clock: Clock, status: Callable[[], str]) -> None:
        """`status` is asked for one line for people whenever there is something to tell."""
        self._notifier = notifier
        self._clock = clock
        self._status = status
        self._moved = clock.monotonic()
        self._weak = False

    def round_started(self) -> None:
        """Rounds progress."""
        self._moved = self._clock.monotonic()

    def ready(self) -> None:
        """The first configuration is live and the web server listens."""
        self._notifier.ready(self._status())

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """The configuration is read anew inside; whatever comes of that, the daemon is ready afterwards."""
        self._notifier.reloading(int(self._clock.monotonic() * 1e6))
        try:
            yield
        finally:
            self.ready()

    async def keep(self, due: Callable[[], float | None]) -> None:
        """Give life signs until cancelled; that is the end of the service.

        `due` says how many seconds apart a school's rounds are; None while there is nothing to watch.
        """
        if not self._notifier.heard:
            await asyncio.Event().wait()
        try:
            while True:
                await self._beat(due)
        finally:
            self._notifier.stopping()

    async def _beat(self, due: Callable[[], float | None]) -> None:
        """Wait for the next look, and give a sign if all is as it should be."""
        patience = self._notifier.watchdog
        period = min(PERIOD, patience / SIGNS) if patience else PERIOD
        slept = self._clock.monotonic()
        await self._clock.sleep(period)
        now = self._clock.monotonic()
        interval = due()
        if interval is None:
            self._moved = now
        elif now - self._moved > INTERVALS * interval + GRACE:
            self._fail("no round was started for too long", now - self._moved)
            return
        if now - slept - period > period:
            self._fail("the event loop is late", now - slept - period)
            return
        self._weak = False
        if patience:
            self._notifier.alive(self._status())
        else:
            self._notifier.status(self._status())

    def _fail(self, reason: str, seconds: float) -> None:
        """Withhold the life sign; logged once, since it may last until the manager ends the daemon."""
        self._notifier.status(f"no life sign: {reason}, {seconds:.0f} s")
        if not self._weak:
            log.error("no life sign", reason=reason, seconds=round(seconds, 1))
        self._weak = True


def status_line(diagnoses: Iterable[DiagnosisKind], watched: int) -> str:
    """Return what is watched and how it stands: `watching 12 schools: 10 ok, 1 line_down, 1 not looked at yet`."""
    counts = Counter(diagnoses)
    parts = [f"{counts[kind]} {kind.value}" for kind in (DiagnosisKind.OK, *WORSE) if counts[kind]]
    if waiting := watched - counts.total():
        parts.append(f"{waiting} not looked at yet")
    return f"watching {watched} school{'s'[: watched != 1]}: {', '.join(parts)}" if parts else "watching no schools"
