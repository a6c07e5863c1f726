"""What goes out on a real datagram socket, and that nothing that becomes of the socket is ever raised."""

import os
import socket
from pathlib import Path

import pytest

from portwatchd.systemd.notify import Notifier


def bound(address: str) -> socket.socket:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.settimeout(5)
    receiver.bind(address)
    return receiver


def test_one_message_is_one_datagram(tmp_path: Path) -> None:
    with bound(str(tmp_path / "notify")) as manager:
        Notifier(str(tmp_path / "notify")).ready("watching 2 schools: 2 ok")
        assert manager.recv(4096) == b"READY=1\nSTATUS=watching 2 schools: 2 ok"


def test_an_abstract_socket(tmp_path: Path) -> None:
    name = f"portwatchd-test-{os.getpid()}@"
    with bound(f"\0{name}") as manager:
        Notifier(f"@{name}").alive("well")
        assert manager.recv(4096) == b"WATCHDOG=1\nSTATUS=well"


def test_a_status_stays_one_line(tmp_path: Path) -> None:
    with bound(str(tmp_path / "notify")) as manager:
        Notifier(str(tmp_path / "notify")).status("a\nWATCHDOG=trigger")
        assert manager.recv(4096) == b"STATUS=a WATCHDOG=trigger"


def test_what_finds_no_room_goes_along_with_the_next_one_and_a_life_sign_does_not(tmp_path: Path) -> None:
    with bound(str(tmp_path / "notify")) as manager:
        notifier = Notifier(str(tmp_path / "notify"))
        room = 0
        while not notifier._unsent:
            notifier.reloading(7)
            room += 1
        notifier.alive("well")
        notifier.ready("well")
        for _ in range(room - 1):
            assert manager.recv(4096) == b"RELOADING=1\nMONOTONIC_USEC=7"
        notifier.status("very well")
        assert manager.recv(4096) == b"RELOADING=1\nMONOTONIC_USEC=7\nREADY=1\nSTATUS=very well"
        assert not notifier._unsent


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "vsock:2:1234", "relative", "/" + "x" * 200, "@", "/tmp"])
def test_a_socket_that_is_not_there_is_nobodys_trouble(address: str) -> None:
    notifier = Notifier(address, 60)
    notifier.ready("")
    notifier.reloading(1)
    notifier.alive("well")
    notifier.stopping()
    assert not notifier._unsent


def test_a_socket_that_goes_away(tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "notify"))
    with bound(str(tmp_path / "notify")):
        notifier.ready("well")
    notifier.status("nobody listens")
    (tmp_path / "notify").unlink()
    notifier.status("no file")
    with bound(str(tmp_path / "notify")) as manager:
        notifier.status("here again")
        assert manager.recv(4096) == b"STATUS=here again"


@pytest.mark.parametrize(
    ("environment", "watchdog"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_the_watchdog_is_asked_for_by_the_environment(environment: dict[str, str], watchdog: float | None) -> None:
    assert Notifier.of(environment).watchdog == watchdog
    assert not Notifier.of(environment).heard


def test_the_socket_is_named_by_the_environment() -> None:
    assert Notifier.of({"NOTIFY_SOCKET": "/run/systemd/notify"}).heard
    assert Notifier.of({"NOTIFY_SOCKET": "@abstract"}).heard
