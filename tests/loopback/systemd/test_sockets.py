"""Sockets that are handed over by number, as systemd does."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from portwatchd.systemd.sockets import listen_fds
from tests.running import program


def handed(*sockets: socket.socket) -> tuple[dict[str, str], int]:
    """Lay the sockets in a row of descriptors; the environment that tells of them, and the first."""
    first = max(one.fileno() for one in sockets) + 20
    for number, one in enumerate(sockets):
        os.dup2(one.fileno(), first + number)
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": "x"}, first


def test_sockets_are_taken_and_the_variables_with_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        environment, first = handed(one, two)
        taken = listen_fds(environment, first=first)
        assert [sock.getsockname() for sock in taken] == [one.getsockname(), two.getsockname()]
        assert not any(os.get_inheritable(sock.fileno()) for sock in taken)
        assert environment == {}
        for sock in taken:
            sock.close()


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "LISTEN_FDS is not set"),
        ({"LISTEN_FDS": "1", "LISTEN_PID": "1"}, "another process"),
        ({"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())}, "no number of sockets"),
        ({"LISTEN_FDS": "x", "LISTEN_PID": str(os.getpid())}, "no number of sockets"),
        ({"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}, "descriptor 999 is no socket"),
    ],
)
def test_why_there_are_none(environment: dict[str, str], reason: str) -> None:
    with pytest.raises(OSError, match=reason):
        listen_fds(environment, first=999)


def test_a_socket_that_does_not_listen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        environment, first = handed(one)
        with pytest.raises(OSError, match="no listening stream socket"):
            listen_fds(environment, first=first)
        os.close(first)


def test_without_sockets_the_daemon_says_so(tmp_path: Path) -> None:
    config = tmp_path / "c.yml"
    config.write_text("storage: {path: null}\nschools: [{name: a, host: 127.9.0.1}]\n")
    command = [sys.executable, "-m", "portwatchd", "run", f"--config.file={config}", "--web.systemd-socket"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=15)
    assert done.returncode == 2
    assert "portwatchd run: systemd handed over no sockets" in done.stderr


@pytest.mark.lab
async def test_systemds_own_tool_hands_over(tmp_path: Path) -> None:
    tool = shutil.which("systemd-socket-activate")
    assert tool
    config = tmp_path / "c.yml"
    config.write_text("storage: {path: null}\nschools: [{name: a, host: 127.9.0.1}]\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = (sys.executable, "-m", "portwatchd", "run", f"--config.file={config}", "--web.systemd-socket")
    async with program(tool, "--listen", address, *command) as running:
        await running.until_said("Listening on")
        async with aiohttp.ClientSession() as client, client.get(f"http://{address}/-/healthy") as answer:
            assert answer.status == 200
        await running.until_said(f"event=started.*listening={address}")
        assert await running.stop() == 0
