"""The signals of `portwatchd run` from its first moment on: its imports alone take 0.3 s, and a SIGHUP would end it.

Imported before all else, so it needs nothing that is not there at the start of the interpreter.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType


class HangUps:
    """Remembers a SIGHUP until somebody listens."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._due = False
        self._heard: Callable[[], object] | None = None

    def hear(self, _number: int = signal.SIGHUP, _frame: FrameType | None = None) -> None:
        """Take a signal: tell whoever listens, or keep it for them. Several that are kept count as one."""
        if self._heard is None:
            self._due = True
        else:
            self._heard()

    def listen(self, heard: Callable[[], object]) -> None:
        """Have this called at each SIGHUP from now on, and at once for one that came before. In the main thread."""
        self._heard = heard
        signal.signal(signal.SIGHUP, self.hear)
        if self._due:
            self._due = False
            heard()


hang_ups = HangUps()
"""Those of this process."""


def take_early() -> None:
    """Keep a SIGHUP for later; end at once, and as at any other stop, on SIGINT and SIGTERM: nothing is open yet."""
    signal.signal(signal.SIGHUP, hang_ups.hear)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)


def be_late() -> None:
    """Let no SIGHUP reach the interpreter's own end, which takes every handler away."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)  # an exception would be told as a traceback by whatever import it meets
