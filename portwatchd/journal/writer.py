"""Writes lines in a thread of its own: a stderr that nobody reads holds up the thread, and never the watch."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

LINES = 10_000
"""Lines that wait to be written; more are dropped, counted, and their number is said."""
BATCH_BYTES = 65_536


class Writer:
    """Owns the lines that wait, and the thread."""

    def __init__(self, descriptor: int, said: Callable[[int], str], *, limit: int = LINES) -> None:
        """`said` makes the line that tells how many were dropped."""
        self._descriptor = descriptor
        self._said = said
        self._limit = limit
        self._waiting: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._untold = 0
        self._writing = False
        self._ended = False
        self.on_drop: Callable[[], None] = lambda: None
        """Called for each line that is dropped."""
        # A daemon thread: a write that never returns must not keep the process from its end.
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def write(self, line: str) -> None:
        """Have a line written; this never waits."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._changed:
            if len(self._waiting) >= self._limit:
                self._untold += 1
                dropped = True
            else:
                self._waiting.append(data)
                self._changed.notify_all()
                dropped = False
        if dropped:
            self.on_drop()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                while not self._waiting:
                    if self._ended:
                        return
                    self._changed.wait()
                batch, size = [], 0
                while self._waiting and size < BATCH_BYTES:
                    batch.append(self._waiting.popleft())
                    size += len(batch[-1])
                untold, self._untold = self._untold, 0
                self._writing = True
            if untold:
                batch.append(self._said(untold).encode() + b"\n")
            self._put(b"".join(batch))

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError:
                return

    def close(self, seconds: float) -> None:
        """Let the lines that wait be written, for so long at most."""
        end = time.monotonic() + seconds
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            while (self._waiting or self._writing) and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
