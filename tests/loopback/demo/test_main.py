"""The demo as its user meets it, with a stand-in for the daemon."""

import os
import signal
import socket
import time
from dataclasses import replace

import pytest

from portwatchd.config import load
from portwatchd.demo.certificates import Authority
from portwatchd.demo.configuration import SCHOOLS, shifted_services
from portwatchd.demo.main import run_demo
from portwatchd.demo.stage import Stage
from portwatchd.model import Protocol
from portwatchd.options import ListenAddress, RunOptions

BLOCK = f"127.202.{os.getpid() >> 8 & 255}"
MINE = tuple(
    replace(school, address=f"{BLOCK}.{os.getpid() * 3 % 240 + number}") for number, school in enumerate(SCHOOLS)
)
ANY = ListenAddress("127.0.0.1", 0)


class Daemon:
    """Keeps what it was told, and what it saw while it ran."""

    def __init__(self, ends_by: signal.Signals | None = None) -> None:
        self.ends_by = ends_by
        self.told: list[RunOptions] = []
        self.answers: list[str] = []

    def __call__(self, options: RunOptions) -> int:
        self.told.append(options)
        config = load(options.config_file)
        assert all(school.profile.services == shifted_services() for school in config.schools)
        for school in config.schools:
            for service in school.profile.services:
                if service.protocol is not Protocol.RANGE:
                    with socket.create_connection((school.host, service.first), 2):
                        self.answers.append(f"{school.name} {service.name}")
        if self.ends_by:
            os.kill(os.getpid(), self.ends_by)
            time.sleep(5)
        return 0


def test_the_daemon_runs_on_a_sound_configuration_while_every_service_answers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon = Daemon()
    assert run_demo(daemon, ANY, MINE) == 0
    assert len(daemon.answers) == 3 * 13
    assert not daemon.told[0].config_file.parent.exists()
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("Three simulated schools")
    assert any("gs-sued" in line and "smtp" in line for line in lines)
    assert any(line.endswith("http://127.0.0.1:0/metrics") for line in lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_daemon_takes_it_ends_cleanly(number: signal.Signals) -> None:
    daemon = Daemon(ends_by=number)
    before = signal.getsignal(signal.SIGTERM)
    assert run_demo(daemon, ANY, MINE) == 0
    assert not daemon.told[0].config_file.parent.exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_web_port_in_use_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = ListenAddress(*taken.getsockname())
        assert run_demo(Daemon(), listen, MINE) == 1
    assert capsys.readouterr().err == (
        f"portwatchd demo: cannot listen on {listen}: Address already in use; is another demo running?\n"
    )


def test_a_schools_port_in_use_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((MINE[1].address, 20025)):
        assert run_demo(Daemon(), ANY, MINE) == 1
    assert f"cannot listen on {MINE[1].address}:20025: Address already in use" in capsys.readouterr().err


def test_a_forward_comes_and_goes() -> None:
    school, port = replace(MINE[1], turn_seconds=0.1), 20025
    seen: list[bool] = []
    with Stage(Authority(), (school,)):
        for _ in range(100):
            with socket.socket() as attempt:
                answers = attempt.connect_ex((school.address, port)) == 0
            if not seen or answers is not seen[-1]:
                seen.append(answers)
            time.sleep(0.01)
    assert seen[:4] == [True, False, True, False]
