"""The real daemon is stopped for a while, or ended and started again: that time is not known."""

import asyncio
import json
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from portwatchd.history.writer import BREAK_SECONDS
from tests.running import Running, daemon, fetched

CONFIG = """
storage: {path: FOLDER/portwatchd.db}
global: {interval: 1s, families: [ipv4], confirm: {attempts: 0}, timeout: 500ms}
profiles: {one: {services: {web: {port: PORT, protocol: tcp}}}}
schools: [{name: gym-nord, host: 127.0.0.1, profile: one}]
"""
AWAY = BREAK_SECONDS + 2.0


async def looked(running: Running) -> None:
    async with asyncio.timeout(10):
        while '"ok"' not in (await fetched(f"{running.url}/api/v1/schools"))[1]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


async def seconds_of(config: Path) -> dict[str, float]:
    command = (sys.executable, "-m", "portwatchd", "history", "gym-nord", f"--config.file={config}", "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    (port,) = json.loads(out)["availability"]
    seconds: dict[str, float] = port["seconds"]
    return seconds


@pytest.mark.lab
@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["stopped", "ended", "killed"])
async def test_time_away_is_not_known(tmp_path: Path, how: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as school:
        config = tmp_path / "portwatchd.yml"
        config.write_text(CONFIG.replace("PORT", str(school.getsockname()[1])).replace("FOLDER", str(tmp_path)))
        begun = time.monotonic()
        async with daemon(config) as running:
            await looked(running)
            await asyncio.sleep(2)
            if how == "stopped":
                running.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(AWAY)
                running.process.send_signal(signal.SIGCONT)
                await asyncio.sleep(2)
            elif how == "killed":
                running.process.kill()
        if how != "stopped":
            await asyncio.sleep(AWAY)
            async with daemon(config) as running:
                await looked(running)
                await asyncio.sleep(2)
        seconds = await seconds_of(config)
    assert seconds["unknown"] > AWAY - 0.5
    assert seconds.keys() == {"ok", "unknown"}
    assert seconds["ok"] + AWAY < time.monotonic() - begun + 1
