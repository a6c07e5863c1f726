"""The real daemon, and a school that a reload takes away and another one brings back."""

import asyncio
import socket
from pathlib import Path

import pytest

from tests.running import Running, daemon, fetched

CONFIG = """
storage: {path: FOLDER/portwatchd.db}
global: {interval: 1s, families: [ipv4], confirm: {attempts: 0}, timeout: 500ms}
profiles: {one: {services: {web: {port: PORT, protocol: tcp}}}}
schools:
  - {name: gs-sued, host: 127.0.0.2, profile: one}
"""
GONE = "  - {name: gym-nord, host: HOST, profile: one}\n"
SINCE = "portwatch_port_verdict_since_timestamp_seconds"


async def since(running: Running) -> float | None:
    _, text = await fetched(f"{running.url}/metrics", params=[("name[]", SINCE)])
    found = [float(line.rpartition(" ")[2]) for line in text.splitlines() if 'school="gym-nord"' in line]
    return found[0] if found else None


async def seen(running: Running) -> float:
    async with asyncio.timeout(10):
        while (at := await since(running)) is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return at


@pytest.mark.timeout(60)
async def test_what_was_known_comes_back_with_it(tmp_path: Path) -> None:
    file = tmp_path / "portwatchd.yml"

    async def read(running: Running, schools: str) -> None:
        file.write_text(config + schools)
        assert (await fetched(f"{running.url}/-/reload", method="POST"))[0] == 200

    with socket.create_server(("127.0.0.1", 0), backlog=1000) as school:
        config = CONFIG.replace("FOLDER", str(tmp_path)).replace("PORT", str(school.getsockname()[1]))
        here, moved = GONE.replace("HOST", "127.0.0.1"), GONE.replace("HOST", "127.0.0.3")
        file.write_text(config + here)
        async with daemon(file, "--web.enable-lifecycle") as running:
            first = await seen(running)
            await read(running, "")
            assert await since(running) is None
            await asyncio.sleep(0.1)
            await read(running, here)
            assert await seen(running) == first
            await read(running, "")
            assert await running.stop() == 0
        file.write_text(config + here)
        async with daemon(file, "--web.enable-lifecycle") as running:
            assert await seen(running) == first
            await read(running, moved)
            assert await seen(running) > first
            assert not running.said("Traceback")
