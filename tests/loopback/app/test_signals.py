"""The real daemon and signals that come before it has well begun."""

import asyncio
import contextlib
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.running import Running, program

CONFIG = """
storage: {path: null}
global: {interval: 1s, families: [ipv4], confirm: {attempts: 0}, timeout: 500ms}
profiles: {one: {services: {web: {port: 9, protocol: tcp}}}}
schools: [{name: gym-nord, host: 127.0.0.1, profile: one}]
"""
INTERPRETER_MOST = 5.0
"""Seconds until a Python begins with its program, on a machine that is busy."""


@contextlib.asynccontextmanager
async def beginning(folder: Path) -> AsyncIterator[Running]:
    """Start the daemon, and wait for nothing but that it takes a SIGHUP."""
    config = folder / "portwatchd.yml"
    config.write_text(CONFIG)
    arguments = ("run", f"--config.file={config}", "--web.listen-address=127.0.0.1:0")
    async with program(sys.executable, "-m", "portwatchd", *arguments) as running:
        async with asyncio.timeout(INTERPRETER_MOST):
            while not takes_hang_ups(running):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.001)
        yield running


def takes_hang_ups(running: Running) -> bool:
    about = Path(f"/proc/{running.process.pid}/status").read_text()
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", about)
    assert caught, f"it has ended: {about}"
    return bool(int(caught[1], 16) >> signal.SIGHUP - 1 & 1)


def has_imported(running: Running) -> bool:
    return "libssl" in Path(f"/proc/{running.process.pid}/maps").read_text()


@pytest.mark.timeout(30)
async def test_a_hang_up_during_the_start_is_a_reload_after_it(tmp_path: Path) -> None:
    async with beginning(tmp_path) as running:
        assert not has_imported(running), "the imports come before the signals"
        running.process.send_signal(signal.SIGHUP)
        await running.until_said("event=started")
        await running.until_said("configuration read")
        assert len(running.said("configuration read")) == 1
        running.process.send_signal(signal.SIGHUP)
        await running.until_said("configuration read", after=1)
        assert await running.stop() == 0


@pytest.mark.timeout(30)
async def test_hang_ups_without_end_from_start_to_end(tmp_path: Path) -> None:
    async with beginning(tmp_path) as running:
        for _ in range(50):
            running.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.02)
        await running.until_said("configuration read")
        running.process.terminate()
        while running.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.process.pid, signal.SIGHUP)  # Popen's own would take the status away from asyncio
            await asyncio.sleep(0.002)
        assert running.process.returncode == 0
        assert not running.said("Traceback|Error")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_during_the_start_is_a_stop(tmp_path: Path, number: signal.Signals) -> None:
    chance = random.Random(number)

    async def one() -> None:
        async with beginning(tmp_path) as running:
            await asyncio.sleep(chance.uniform(0, 0.8))
            running.process.send_signal(number)
            assert await asyncio.wait_for(running.process.wait(), 15) == 0
            assert not running.said("Traceback|Error|Exception")

    for _ in range(4):
        await asyncio.gather(one(), one(), one())
