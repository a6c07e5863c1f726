"""The whole daemon in a process of its own, and what a service manager hears of it on a real datagram socket."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from portwatchd.systemd.pulse import SIGNS

PATIENCE = 2.0
"""Seconds that the manager waits for a life sign."""
PROGRAM = """
import asyncio, sys, time
from pathlib import Path
from portwatchd.app.daemon import Daemon
from portwatchd.config import load
from portwatchd.options import ListenAddress, RunOptions

def spin(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass

async def load_the_loop(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        spin(0.05)
        await asyncio.sleep(0)

async def main(path, work):
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(10, lambda: spin(5) if work == "hang" else tasks.append(loop.create_task(load_the_loop(5))))
    tasks = []
    await Daemon(load(path), RunOptions(config_file=path, listen_addresses=(ListenAddress("127.0.0.1", 0),))).run()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""
CONFIG = """
global: {interval: 5s, families: [ipv4]}
storage: {path: null}
profiles: {one: {services: {web: {port: 9, protocol: tcp}}}}
schools: [{name: gym-nord, host: 127.204.1.1, profile: one}]
"""


@dataclass
class Watched:
    """A daemon and the socket on which it is heard."""

    process: subprocess.Popen[bytes]
    manager: socket.socket
    config: Path
    said: list[dict[str, str]] = field(default_factory=list)

    def await_message(self, key: str) -> dict[str, str]:
        """Return the first message from now on that has this key."""
        while True:
            message = dict(line.split("=", 1) for line in self.manager.recv(4096).decode().split("\n"))
            self.said.append(message)
            if key in message:
                return message

    def signs_within(self, seconds: float) -> list[float]:
        """Return the moments at which life signs came."""
        until, moments = time.monotonic() + seconds, []
        try:
            while (left := until - time.monotonic()) > 0:
                self.manager.settimeout(left)
                if b"WATCHDOG=1" in self.manager.recv(4096):
                    moments.append(time.monotonic())
        except TimeoutError:
            pass
        self.manager.settimeout(10)
        return moments


@contextmanager
def running(directory: Path, work: str) -> Iterator[Watched]:
    config = directory / "portwatchd.yml"
    config.write_text(CONFIG)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(directory / "notify"))
        manager.settimeout(10)
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, config, work],
            env={
                **os.environ,
                "NOTIFY_SOCKET": str(directory / "notify"),
                "WATCHDOG_USEC": str(int(PATIENCE * 1e6)),
            },
        )
        watched = Watched(process, manager, config)
        try:
            watched.await_message("READY")
            yield watched
        finally:
            process.kill()
            process.wait()


def test_readiness_status_reload_and_end(tmp_path: Path) -> None:
    with running(tmp_path, "none") as daemon:
        assert daemon.said == [{"READY": "1", "STATUS": "watching 1 school: 1 not looked at yet"}]
        daemon.await_message("WATCHDOG")
        before = time.monotonic_ns() // 1000
        daemon.process.send_signal(signal.SIGHUP)
        assert before <= int(daemon.await_message("RELOADING")["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        daemon.await_message("READY")
        daemon.config.write_text("schools: [nonsense]")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.await_message("RELOADING")
        assert daemon.await_message("READY")["STATUS"].startswith("watching 1 school")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.await_message("STOPPING")
        assert daemon.process.wait(10) == 0


def test_a_stopped_daemon_gives_no_sign_until_it_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, "none") as daemon:
        daemon.await_message("WATCHDOG")
        daemon.process.send_signal(signal.SIGSTOP)
        daemon.signs_within(0.2)
        assert daemon.signs_within(PATIENCE + 0.5) == []
        daemon.process.send_signal(signal.SIGCONT)
        daemon.await_message("WATCHDOG")


def test_a_daemon_whose_loop_hangs_gives_no_sign(tmp_path: Path) -> None:
    with running(tmp_path, "hang") as daemon:
        daemon.await_message("WATCHDOG")
        daemon.process.send_signal(signal.SIGUSR1)
        daemon.signs_within(0.2)
        assert daemon.signs_within(PATIENCE + 0.5) == []
        daemon.await_message("WATCHDOG")


@pytest.mark.timeout(30)
def test_a_loaded_daemon_gives_signs_in_time(tmp_path: Path) -> None:
    with running(tmp_path, "load") as daemon:
        daemon.await_message("WATCHDOG")
        daemon.process.send_signal(signal.SIGUSR1)
        begun = time.monotonic()
        moments = [begun, *daemon.signs_within(5), begun + 5]
        assert len(moments) > SIGNS
        assert max(b - a for a, b in pairwise(moments)) < PATIENCE


def test_a_manager_that_went_away_does_not_end_the_daemon(tmp_path: Path) -> None:
    with running(tmp_path, "none") as daemon:
        (tmp_path / "notify").unlink()
        daemon.manager.close()
        time.sleep(PATIENCE)
        assert daemon.process.poll() is None
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(10) == 0
