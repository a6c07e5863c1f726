"""The health check of the container and the real daemon: any answer of its web server is health, silence is none."""

import asyncio
import json
import socket
import sys
from pathlib import Path

import bcrypt
import pytest

from tests.running import daemon

CONTAINERFILE = Path(__file__).parents[3] / "deploy/container/Containerfile"
CONFIG = """
storage: {path: null}
profiles: {one: {services: {web: {port: 9, protocol: tcp}}}}
schools: [{name: gym-nord, host: 127.0.0.1, profile: one}]
"""


async def status(port: int) -> int:
    """Run the command of HEALTHCHECK as a container would, with another port, and return its exit status."""
    text = CONTAINERFILE.read_text().replace("\\\n", "")
    (line,) = (line for line in text.splitlines() if line.startswith("HEALTHCHECK"))
    _, _, command = line.partition(" CMD ")
    program, *arguments = (word.replace("10052", str(port)) for word in json.loads(command))
    assert program == "python"
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


@pytest.mark.parametrize("users", [False, True])
async def test_a_daemon_that_lives_is_healthy_with_users_too(tmp_path: Path, users: bool) -> None:
    config, web = tmp_path / "portwatchd.yml", tmp_path / "web.yml"
    config.write_text(CONFIG)
    password = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    web.write_text(f"basic_auth_users: {{alice: {password}}}\n")
    async with daemon(config, *([f"--web.config.file={web}"] if users else [])) as running:
        assert await status(int(running.url.rpartition(":")[2])) == 0


async def test_who_does_not_listen_or_does_not_answer_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert await status(port) == 1
    assert await status(port) == 1
