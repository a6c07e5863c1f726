"""The real daemon, started again while nobody serves its list of schools."""

import asyncio
import contextlib
import json
import socket
import sqlite3
from pathlib import Path

import pytest
from aiohttp import web

from tests.running import Running, daemon, fetched

CONFIG = """
storage: {path: FOLDER/portwatchd.db}
global: {interval: 1s, families: [ipv4], confirm: {attempts: 0}, timeout: 500ms}
profiles: {one: {services: {web: {port: 9, protocol: tcp}}}}
schools: [{name: gym-nord, host: 127.0.0.1, profile: one}]
http_sd_configs: [{url: "URL?token=secret", refresh_interval: 1s}]
"""
TARGETS = [
    {"targets": [f"127.0.0.{number}"], "labels": {"name": f"school-{number}", "profile": "one"}} for number in (2, 3)
]


async def figures(running: Running) -> dict[str, float]:
    _, text = await fetched(f"{running.url}/metrics")
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {series.partition("{")[0]: float(value) for series, _, value in lines}


def parted(folder: Path) -> set[str]:
    """Return who is said to be watched no longer, of those who are remembered."""
    with contextlib.closing(sqlite3.connect(folder / "portwatchd.db")) as connection:
        assert connection.execute("SELECT 1 FROM memory WHERE school = 'gym-nord'").fetchall()
        return {school for (school,) in connection.execute("SELECT school FROM parted")}


async def until(running: Running, **wanted: float) -> None:
    async with asyncio.timeout(10):
        while not wanted.items() <= (await figures(running)).items():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def seen(running: Running) -> None:
    """Return when there is something to remember of the configuration's own school."""
    async with asyncio.timeout(10):
        while "gym-nord" not in (await fetched(f"{running.url}/api/v1/schools"))[1]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


@pytest.mark.timeout(60)
async def test_its_schools_are_watched_all_the_same(tmp_path: Path) -> None:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(text=json.dumps(TARGETS), content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/schools", serve)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = tmp_path / "portwatchd.yml"
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/schools"
    config.write_text(CONFIG.replace("FOLDER", str(tmp_path)).replace("URL", url))
    async with daemon(config) as running:
        await until(running, portwatch_schools=3, portwatch_discovery_ok=1)
        await seen(running)
        assert await running.stop() == 0
    await runner.cleanup()
    assert b"secret" not in (tmp_path / "portwatchd.db").read_bytes()
    async with daemon(config) as running:
        await until(running, portwatch_discovery_ok=0)
        assert (await figures(running))["portwatch_schools"] == 3
        assert (await figures(running))["portwatch_discovery_schools"] == 2
        await running.until_said("that list was stored before the start.*schools=2")
        assert await running.stop() == 0
        assert not running.said("Traceback")
    assert parted(tmp_path) == set()
    config.write_text("".join(line for line in config.read_text().splitlines(True) if not line.startswith("schools:")))
    async with daemon(config) as running:
        await until(running, portwatch_discovery_ok=0)
        assert await running.stop() == 0
    assert parted(tmp_path) == {"gym-nord"}


@pytest.mark.timeout(60)
async def test_a_source_that_was_never_read_parts_nobody(tmp_path: Path) -> None:
    text = CONFIG.replace("FOLDER", str(tmp_path))
    config = tmp_path / "portwatchd.yml"
    config.write_text("".join(line for line in text.splitlines(True) if not line.startswith("http_sd")))
    async with daemon(config) as running:
        await seen(running)
        assert await running.stop() == 0
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
    config.write_text("".join(line for line in text.splitlines(True) if "gym-nord" not in line).replace("URL", url))
    async with daemon(config) as running:
        await until(running, portwatch_discovery_ok=0)
        assert await running.stop() == 0
    assert parted(tmp_path) == set()
