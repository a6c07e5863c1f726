"""The real daemon, on the loop that it runs on, behind TLS and passwords and under abuse."""

import asyncio
import base64
import contextlib
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import bcrypt
import pytest
import trustme

from tests.running import Running, daemon, eventually

CONFIG = """
storage: {path: null}
global: {interval: 1s, families: [ipv4], confirm: {attempts: 0}, timeout: 500ms}
profiles: {one: {services: {web: {port: PORT, protocol: tcp}}}}
schools: [{name: a, host: 127.0.0.1, profile: one}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as school:
        path = tmp_path / "portwatchd.yml"
        path.write_text(CONFIG.replace("PORT", str(school.getsockname()[1])))
        yield path


def port(running: Running) -> int:
    return int(running.url.rpartition(":")[2])


async def scrape(running: Running, *, tls: ssl.SSLContext | None = None, auth: str = "") -> tuple[int, str, float]:
    url = running.url.replace("http:", "https:") if tls else running.url
    headers = {"Authorization": f"Basic {base64.b64encode(auth.encode()).decode()}"} if auth else {}
    began = time.perf_counter()
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{url}/metrics", headers=headers, ssl=tls or True) as answer,
    ):
        return answer.status, await answer.text(), time.perf_counter() - began


@pytest.mark.timeout(60)
async def test_tls_and_passwords(tmp_path: Path, config: Path) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    made.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    web = tmp_path / "web.yml"
    web.write_text(
        "tls_server_config: {cert_file: both.pem, key_file: both.pem}\n"
        f"basic_auth_users: {{alice: {bcrypt.hashpw(b'right', bcrypt.gensalt(6)).decode()}}}\n"
    )
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with daemon(config, f"--web.config.file={web}") as running:
        assert (await scrape(running, tls=trusting))[0] == 401
        assert (await scrape(running, tls=trusting, auth="alice:right"))[0] == 200
        with contextlib.ExitStack() as stack:
            for number in range(100):
                silent = stack.enter_context(socket.create_connection(("127.0.0.1", port(running))))
                silent.sendall(b"" if number % 2 else b"GET / HTTP/1.1\r\n\r\n")
            assert (await scrape(running, tls=trusting, auth="alice:right"))[0] == 200
        web.write_text("basic_auth_users: {alice: right}\n")
        await asyncio.sleep(1.1)
        assert (await scrape(running, tls=trusting))[0] == 401
        assert running.said("web configuration refused; the old one stays.*no bcrypt hash")
        assert not running.said("right")
        files = Path(f"/proc/{running.process.pid}/fd")
        await eventually(lambda: len(list(files.iterdir())) < 40, 15)
        assert await running.stop() == 0
        assert not running.said("Traceback")


def slow_ones(port: int) -> list[socket.socket]:
    """A thousand connections: headers that never end, and URLs of a MiB."""
    made = []
    for number in range(1000):
        one = socket.create_connection(("127.0.0.1", port))
        one.setblocking(False)
        with contextlib.suppress(OSError):
            one.send(b"GET /metrics HTTP/1.1\r\n" if number % 3 else b"GET /" + b"a" * 2**20)
        made.append(one)
    return made


def probes(text: str) -> float:
    lines = [line for line in text.splitlines() if line.startswith("portwatch_probes_total{")]
    return sum(float(line.split()[1]) for line in lines)


@pytest.mark.timeout(60)
async def test_a_thousand_slow_ones_leave_scrape_and_watch_undisturbed(config: Path) -> None:
    async with daemon(config) as running, contextlib.AsyncExitStack() as stack:
        for said in await asyncio.to_thread(slow_ones, port(running)):
            stack.enter_context(said)
        answers = await asyncio.gather(*(scrape(running) for _ in range(50)))
        assert {status for status, _, _ in answers} == {200}
        assert (await scrape(running))[2] < 0.5
        before = probes((await scrape(running))[1])
        await asyncio.sleep(3)
        text = (await scrape(running))[1]
        assert probes(text) - before >= 2
        assert "portwatch_scheduler_rounds_skipped_total 0.0" in text
        assert await running.stop() == 0
        assert not running.said("Traceback")


async def test_an_address_in_use_and_a_bad_file_end_it_with_a_reason(tmp_path: Path, config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for argument, reason in (
            (f"--web.listen-address={address}", f"portwatchd run: cannot listen on {address}: "),
            (f"--web.config.file={tmp_path}/none.yml", "none.yml: cannot be read"),
        ):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "portwatchd", "run", f"--config.file={config}", argument),
                stderr=asyncio.subprocess.PIPE,
            )
            _, said = await process.communicate()
            assert process.returncode == 2
            assert reason in said.decode()
            assert "Traceback" not in said.decode()
