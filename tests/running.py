"""The daemon, or Prometheus, in a process of its own, for tests that look at them from outside."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import aiohttp

START_SECONDS = 20


class Running:
    """A process, where it listens, and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self.lines: list[str] = []
        assert process.stderr
        self._reading = asyncio.create_task(self._read(process.stderr))

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.lines.append(line.decode().rstrip("\n"))

    def said(self, pattern: str) -> list[str]:
        """Return the lines that match."""
        return [line for line in self.lines if re.search(pattern, line)]

    async def until_said(self, pattern: str, seconds: float = START_SECONDS, *, after: int = 0) -> str:
        """Wait for a line that matches, the first after so many, and return it."""
        await eventually(lambda: len(self.said(pattern)) > after or self._reading.done(), seconds)
        assert len(self.said(pattern)) > after, "\n".join(self.lines)
        return self.said(pattern)[after]

    async def stop(self) -> int:
        """End it and return its status."""
        if self.process.returncode is None:
            self.process.terminate()
        status = await asyncio.wait_for(self.process.wait(), 15)
        await self._reading
        return status


async def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something holds; TimeoutError where it does not come to hold."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what another process does sets no event
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def program(*arguments: str | Path) -> AsyncIterator[Running]:
    """Start a program, and end it whatever happens."""
    process = await asyncio.create_subprocess_exec(
        *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    running = Running(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            with contextlib.suppress(TimeoutError):
                await running.stop()
        if process.returncode is None:
            process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def daemon(config: Path, *arguments: str, under: Sequence[str] = ()) -> AsyncIterator[Running]:
    """Start the daemon on a free port, `under` another program where one is named, and wait until it listens."""
    command = (sys.executable, "-m", "portwatchd", "run", f"--config.file={config}", "--web.listen-address=127.0.0.1:0")
    async with program(*under, *command, *arguments) as running:
        line = await running.until_said('event=started|"event": ?"started"')
        found = re.search(r"127\.0\.0\.1:[0-9]+", line)
        assert found
        running.url = f"http://{found[0]}"
        yield running


@contextlib.asynccontextmanager
async def prometheus(directory: Path, config: str) -> AsyncIterator[Running]:
    """Start a real Prometheus on a free port, and wait until it answers."""
    (directory / "prometheus.yml").write_text(config)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = (
        "prometheus",
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={address}",
    )
    async with program(*command) as running:
        await running.until_said("Server is ready to receive")
        running.url = f"http://{address}"
        yield running


def descriptors() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def fetched(url: str, *, method: str = "GET", params: Sequence[tuple[str, str]] = ()) -> tuple[int, str]:
    """Return the status and the text of an answer."""
    async with aiohttp.ClientSession() as client, client.request(method, url, params=params) as answer:
        return answer.status, await answer.text()
