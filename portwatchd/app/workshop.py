"""What rounds work with, built from a configuration, and built anew in place when another one is read."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from portwatchd.net.clock import SystemClock
from portwatchd.net.lag import LoopLag
from portwatchd.net.resolver import CachingResolver
from portwatchd.net.sockets import SystemNetwork
from portwatchd.probes.runner import Prober
from portwatchd.rounds.tools import Settings, Tools
from portwatchd.rounds.vigil import Signs, Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from portwatchd.config import Config
    from portwatchd.metrics.own import OwnMetrics
    from portwatchd.rounds.memory import Memory


class Workshop:
    """The tools of all rounds, and the vigil over the monitor itself."""

    def __init__(self, config: Config, fleet: Mapping[str, Memory], own: OwnMetrics, lag: LoopLag) -> None:
        """Build everything; needs a running loop."""
        self._lag = lag
        self._authorities = _stamp(config.ca_file)
        self._network = SystemNetwork(config.ca_file)
        self._resolver = CachingResolver(SystemClock())
        self.clock = SystemClock()
        self.vigil = Watch(self._network, self._resolver, self.clock, own, fleet, _signs(config))
        self.tools = Tools(
            self._prober(config),
            self._network,
            self._resolver,
            self.clock,
            self.vigil,
            asyncio.Semaphore(config.concurrency),
            _settings(config),
        )

    def _prober(self, config: Config) -> Prober:
        return Prober(
            self._network,
            self.clock,
            connect_timeout=config.connect_timeout,
            timeout=config.timeout,
            stalled=self._lag.stalled_between,
        )

    def refit(self, config: Config) -> None:
        """Work by another configuration from now on; probes in flight end by the old one."""
        if (authorities := _stamp(config.ca_file)) != self._authorities:
            self._network.trust(config.ca_file)
            self._authorities = authorities
        self.tools.prober = self._prober(config)
        self.tools.settings = _settings(config)
        self.tools.permits = asyncio.Semaphore(config.concurrency)
        self.vigil.refit(_signs(config))

    async def close(self) -> None:
        """Close what is open."""
        await self._resolver.close()
        self._network.close()


@contextlib.asynccontextmanager
async def opened(config: Config, fleet: Mapping[str, Memory], own: OwnMetrics) -> AsyncIterator[Workshop]:
    """Open a workshop and close it in the end."""
    lag = LoopLag(SystemClock(), own.loop_lag)
    measuring = asyncio.create_task(lag.run())
    workshop = Workshop(config, fleet, own, lag)
    try:
        yield workshop
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)
        await workshop.close()


def _stamp(path: Path | None) -> tuple[Path, int, int] | None:
    """Return what changes when a file is written anew; its content is read when the network is built."""
    if path is None:
        return None
    status = path.stat()
    return path, status.st_mtime_ns, status.st_size


def _signs(config: Config) -> Signs:
    return Signs(config.families, config.canaries, config.controls, config.isolated_above)


def _settings(config: Config) -> Settings:
    return Settings(
        families=config.families,
        school_concurrency=config.school_concurrency,
        confirm_attempts=config.confirm_attempts,
        confirm_spacing=config.confirm_spacing,
        audit_interval=config.audit_interval,
    )
