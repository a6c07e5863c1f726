"""What a scrape takes while a thousand connections never end their headers, URLs have a MiB and 50 scrape at once.

`python -m tests.bench.bench_web` starts a daemon on itself; all traffic stays on the loopback interface.
"""

import asyncio
import socket
import tempfile
import time
from pathlib import Path

import aiohttp

from tests.loopback.app.test_access import CONFIG, port, slow_ones
from tests.running import Running, daemon

SCHOOLS = 500


async def scrapes(running: Running, count: int) -> list[float]:
    async def one(client: aiohttp.ClientSession) -> float:
        began = time.perf_counter()
        async with client.get(f"{running.url}/metrics") as answer:
            await answer.read()
        return time.perf_counter() - began

    async with aiohttp.ClientSession() as client:
        return sorted(await asyncio.gather(*(one(client) for _ in range(count))))


def told(what: str, times: list[float]) -> None:
    print(f"{what:44} median {times[len(times) // 2] * 1e3:6.0f} ms, slowest {times[-1] * 1e3:6.0f} ms")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0), backlog=4096) as school:
        schools = ", ".join(f"{{name: s{n}, host: 127.0.0.1, profile: one}}" for n in range(SCHOOLS))
        config = Path(folder) / "portwatchd.yml"
        text = CONFIG.replace("PORT", str(school.getsockname()[1])).replace("interval: 1s", "interval: 10s")
        config.write_text(text[: text.index("schools:")] + f"schools: [{schools}]\n")
        async with daemon(config) as running:
            await asyncio.sleep(12)
            told("one scrape", await scrapes(running, 1))
            told("50 scrapes at once", await scrapes(running, 50))
            held = await asyncio.to_thread(slow_ones, port(running))
            told("one scrape behind 1,000 that connect at once", await scrapes(running, 1))
            told("one scrape beside 1,000 slow connections", await scrapes(running, 1))
            told("50 scrapes beside 1,000 slow connections", await scrapes(running, 50))
            for one in held:
                one.close()


def test_web() -> None:
    asyncio.run(main())


if __name__ == "__main__":
    asyncio.run(main())
