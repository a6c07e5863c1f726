"""The command `portwatchd demo`: three simulated schools on loopback, watched by the real daemon."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from portwatchd.demo.certificates import Authority
from portwatchd.demo.configuration import OFFSET, SCHOOLS, DemoSchool, demo_configuration
from portwatchd.demo.stage import Stage
from portwatchd.options import DEFAULT_LISTEN_ADDRESS, ListenAddress, RunOptions


def run_demo(
    daemon: Callable[[RunOptions], int] | None = None,
    listen: ListenAddress = DEFAULT_LISTEN_ADDRESS,
    schools: tuple[DemoSchool, ...] = SCHOOLS,
) -> int:
    """Run the simulated schools and the daemon until a signal ends them; return the exit status.

    `daemon` stands in for `portwatchd.app.run` in tests.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="portwatchd-demo-") as directory:
            return _run_in(Path(directory), daemon or _daemon(), listen, schools)
    except KeyboardInterrupt:  # a signal before the daemon was there to take it
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def _daemon() -> Callable[[RunOptions], int]:
    from portwatchd.app import run

    return run


def _run_in(
    directory: Path,
    daemon: Callable[[RunOptions], int],
    listen: ListenAddress,
    schools: tuple[DemoSchool, ...],
) -> int:
    authority = Authority()
    with ExitStack() as stack:
        try:
            _must_be_free(listen)
            stack.enter_context(Stage(authority, schools))
        except OSError as error:
            print(f"portwatchd demo: {error.strerror or error}; is another demo running?", file=sys.stderr)
            return 1
        ca_file, config_file = directory / "authority.pem", directory / "portwatchd.yml"
        ca_file.write_bytes(authority.pem)
        config_file.write_text(demo_configuration(ca_file, directory / "portwatchd.db", schools), "utf-8")
        print(introduction(listen, config_file, schools), flush=True)
        return daemon(RunOptions(config_file=config_file, listen_addresses=(listen,)))


def introduction(listen: ListenAddress, config_file: Path, schools: tuple[DemoSchool, ...] = SCHOOLS) -> str:
    """Return the first lines that a user sees: what runs, where to look, how to end it."""
    url = f"http://{listen}"
    width = max(len(school.name) for school in schools)
    stories = [f"  {school.name:{width}}  {school.address}  {school.story}" for school in schools]
    return "\n".join(
        [
            "Three simulated schools on this machine, and the real daemon that watches them every 5 s:",
            *stories,
            f"Their ports are those of the profile iserv + {OFFSET}: 25 is {OFFSET + 25}.",
            "",
            "Where to look:",
            f"  overview       {url}/",
            f"  metrics        {url}/metrics",
            f"  API            {url}/api/v1/schools",
            f"  configuration  {config_file}",
            f"  what is wrong  curl -sg '{url}/metrics?name[]=portwatch_port_verdict' | grep -v '\"ok\"'",
            "",
            "The first forward is lost one minute from now. Ctrl-C ends the demo.",
            "",
        ],
    )


def _must_be_free(listen: ListenAddress) -> None:
    """Raise `OSError` where the daemon could not listen."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(listen)
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {listen}: {os.strerror(error.errno or 0)}") from error


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
