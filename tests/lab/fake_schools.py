"""Runs inside the machine: two simulated schools, and the configuration of the daemon that watches them."""

import os
import signal
from pathlib import Path

from portwatchd.demo.certificates import Authority
from portwatchd.demo.configuration import SCHOOLS, demo_configuration
from portwatchd.demo.stage import Stage
from portwatchd.systemd.notify import Notifier

WELL, FAULTY = SCHOOLS[0], SCHOOLS[2]
ETC = Path("/etc/portwatchd")


def play() -> None:
    """Play until SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    authority = Authority()
    (ETC / "authority.pem").write_bytes(authority.pem)
    config = demo_configuration(ETC / "authority.pem", Path("not-used.db"), (WELL, FAULTY))
    (ETC / "portwatchd.yml").write_text(config, "utf-8")
    with Stage(authority, (WELL, FAULTY)):
        Notifier.of(os.environ).ready("two schools")
        signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    play()
