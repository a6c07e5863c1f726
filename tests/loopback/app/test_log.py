"""The real daemon with a stderr that nobody reads."""

import asyncio
import fcntl
import os
import socket
import sys
from pathlib import Path

import pytest

from tests.running import fetched

SCHOOLS = 100
CONFIG = """
storage: {path: null}
global: {interval: 2s, families: [ipv4], confirm: {attempts: 0}, timeout: 500ms}
profiles: {one: {services: {web: {port: 1, protocol: tcp}}}}
"""


@pytest.mark.timeout(60)
async def test_a_blocked_stderr_does_not_block_the_watch(tmp_path: Path) -> None:
    schools = ", ".join(f"{{name: school-{n}, host: 127.9.0.1, profile: one}}" for n in range(SCHOOLS))
    (tmp_path / "c.yml").write_text(f"{CONFIG}schools: [{schools}]\n")
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ("run", f"--config.file={tmp_path / 'c.yml'}", f"--web.listen-address={address}")
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "portwatchd", *command, stderr=writing)
    os.close(writing)
    try:
        counts: list[float] = []
        for _ in range(150):
            await asyncio.sleep(0.2)
            try:
                status, text = await fetched(f"http://{address}/metrics")
            except OSError:
                continue
            assert status == 200
            counts.append(
                sum(float(line.split()[1]) for line in text.splitlines() if line.startswith("portwatch_probes_total{"))
            )
            if counts[-1] > 3 * SCHOOLS:
                break
        assert counts[-1] > 3 * SCHOOLS
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 12) == 0
        assert 0 < len(os.read(reading, 2**20)) <= 4096
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(reading)
