"""The whole demo in a process of its own: the real daemon, a forward that is lost, and a signal that ends it."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

BLOCK = f"127.203.{os.getpid() >> 8 & 255}"
PROGRAM = f"""
import sys
from dataclasses import replace
from portwatchd.demo.configuration import SCHOOLS
from portwatchd.demo.main import run_demo
from portwatchd.options import ListenAddress

start = {os.getpid() * 3 % 240}
mine = tuple(
    replace(school, address=f"{BLOCK}.{{start + number}}", turn_seconds=12.0) for number, school in enumerate(SCHOOLS)
)
sys.exit(run_demo(None, ListenAddress("127.0.0.1", 0), mine))
"""
AWAITED = {
    "gym-nord is well": r"diagnosis changed.* school=gym-nord .*after=ok",
    "rs-west has a faulty service": r"verdict changed.* school=rs-west .*=imap after=service_faulty proof=answer",
    "rs-west is diagnosed": r"diagnosis changed.* school=rs-west .*after=services_down",
    "gs-sued is well": r"diagnosis changed.* school=gs-sued .*after=ok",
    "gs-sued loses a forward": r"verdict changed.* school=gs-sued .*=smtp before=ok after=forward_lost proof=hop",
}


def left_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


@pytest.mark.timeout(60)
async def test_the_real_daemon_says_of_each_school_what_befalls_it(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM),
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout
    said: list[str] = []
    waiting = dict(AWAITED)
    try:
        async with asyncio.timeout(45):
            while waiting and (line := (await process.stdout.readline()).decode()):
                said.append(line)
                waiting = {what: sign for what, sign in waiting.items() if not re.search(sign, line)}
        assert waiting == {}, "".join(said)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        rest, _ = await process.communicate()
    assert process.returncode == 0, rest.decode()
    assert said[0].startswith("Three simulated schools")
    assert not any("gym-nord" in line and "after=ok" not in line for line in said if line.startswith("ts="))
    assert left_in(tmp_path) == []
