"""Owns the lab as a place to try things by hand: `python -m tests.lab` builds it and waits until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
import time

from . import addresses as at
from .lab import Lab, built_lab
from .monitor import CHECKOUT
from .netns import LabError


def describe(lab: Lab) -> str:
    """Return what stands where, and how to run a program in the monitor."""
    lines = ["The lab stands, and all is well.", ""]
    for school in lab.schools:
        plan = school.plan
        lines.append(f"  {plan.host}: {plan.public_v4}, {plan.server_v6} ({plan.hops} hops to the last router)")
        machines = (school.router_space.name, school.server_space.name, school.nas_space.name)
        lines.append(f"    router {machines[0]}, server {machines[1]}, NAS {machines[2]}")
    config = lab.monitor.config()
    check = [sys.executable, "-m", "portwatchd", "check", f"--config.file={config}"]
    environment = ["env", f"HOME={lab.monitor.home}", f"PYTHONPATH={CHECKOUT}"]
    lines += [
        f"  {at.EXTERNAL_HOST}: {at.EXTERNAL_V4}, {at.EXTERNAL_V6} (canary on 443, control on 25, name server)",
        "",
        f"Configuration:   {config}",
        f"Authority:       {lab.monitor.ca_file}",
        f"Working folder:  {lab.monitor.home}",
        "In the monitor, without privileges, as the tests run it:",
        f"  cd {lab.monitor.home} && {shlex.join(environment + lab.monitor.command(check))}",
        "In a machine of the lab, as root:",
        f"  ip netns exec {lab.school.router_space.name} nft list ruleset",
        "",
        "Ctrl-C removes it.",
    ]
    return "\n".join(lines)


def main() -> int:
    """Build the lab, say what stands where, and wait for Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="Build the lab and wait until Ctrl-C.")
    parser.add_argument("--school", type=int, default=1, metavar="N", help="so many schools (default: 1)")
    parser.add_argument("--box", action="store_true", help="and one more behind a provider's box")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt), built_lab(arguments.school) as lab:
            if arguments.box:
                lab.boxed()
            print(describe(lab), flush=True)  # noqa: T201 - a person reads it
            while True:
                time.sleep(3600)
    except LabError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
