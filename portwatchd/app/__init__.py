"""The composition: builds the rooms from a configuration and runs them, as a daemon or once."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, TypeVar

from portwatchd import journal
from portwatchd.app.daemon import Daemon
from portwatchd.app.once import check_all
from portwatchd.config import load

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from portwatchd.config import Config
    from portwatchd.model import Report, School
    from portwatchd.options import RunOptions

T = TypeVar("T")


def run(options: RunOptions) -> int:
    """Run the daemon until SIGINT or SIGTERM and return 0. Raises ConfigError, and CannotListen."""
    config = load(options.config_file)
    journal.configure(options.log_level, options.log_format)
    try:
        return _loop(lambda: Daemon(config, options).run())
    finally:
        journal.close()


def check(
    schools: Sequence[School],
    *,
    config: Config,
    watch_only: bool,
    progress: Callable[[str, int, int], None],
) -> list[Report]:
    """Look at schools once, all at the same time as far as the permits allow, and return a report each, in order.

    Without `watch_only` it is the whole diagnosis: audit, hop proofs, every port of the ranges, canary.
    """
    journal.configure("warn", "logfmt")
    try:
        return _loop(lambda: check_all(schools, config, watch_only=watch_only, progress=progress))
    finally:
        journal.close()


def _loop(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on the fastest loop there is."""
    factory = None
    if sys.platform == "linux":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())
