"""The servers of the bench: one process for thousands of simulated schools, told by standard input what to break.

    python -m tests.bench.servers --ca-file=ca.pem [--port-offset=12000] [--switched=500]

It prints `ready` when all listens. Then each line of input is `NUMBER FAULT` (or `NUMBER ok`) for the switched school
of that number; it is answered by `NUMBER FAULT SECONDS`, the monotonic time (of this machine, so of every process) from
which it holds. The line `arrivals` is answered by the monotonic time of the first round since the last such line, and
by how many rounds came in each second from then on. The end of the input ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvloop

from portwatchd.demo.certificates import Authority
from portwatchd.demo.connection import Fault, Part
from portwatchd.demo.dialogues import HTTP, Dialogue, Scene, Step, http
from portwatchd.demo.servers import SimulatedServer
from tests.bench.blocks import BASE, BLOCKS, DOMAIN, SWITCHED_SERVICE, Kind, address, services, switched

EVERYWHERE = "0.0.0.0"
"""A listener here answers on every address of 127.0.0.0/8."""


@dataclass(slots=True)
class Arrivals:
    """When rounds came: each asks the web server for its first page once."""

    first: float = 0.0
    by_second: list[int] = field(default_factory=list)

    def note(self) -> None:
        """Count a round that comes now."""
        now = time.monotonic()
        self.first = self.first or now
        second = int(now - self.first)
        self.by_second += [0] * (second + 1 - len(self.by_second))
        self.by_second[second] += 1

    def told(self) -> str:
        """Return what was counted, and begin anew."""
        text = " ".join(map(str, (self.first, *self.by_second)))
        self.first, self.by_second = 0.0, []
        return text


class BenchServer(SimulatedServer):
    """Many schools at one address: its web server leads to whichever of them was asked for."""

    arrivals = Arrivals()

    async def _listen(self, part: Part, port: int) -> asyncio.Server:
        named = part.dialogue is HTTP and not part.implicit_tls
        return await super()._listen(replace(part, dialogue=BY_NAME) if named else part, port)


def by_name(head: bytes, scene: Scene) -> Step:
    """As the demo's `http`, for the school that the Host header names."""
    if head.startswith(b"GET / "):
        BenchServer.arrivals.note()
    host = head.partition(b"\r\nHost: ")[2].partition(b"\r\n")[0].partition(b":")[0].decode("latin-1")
    return http(head, replace(scene, server_name=host or scene.server_name))


BY_NAME = Dialogue(by_name, HTTP.frame, refusal=HTTP.refusal)


async def serve(authority: Authority, base: int, number_switched: int, commands: asyncio.StreamReader) -> None:
    """Serve every kind of school until the commands end."""
    context = authority.server_context(f"*.{DOMAIN}")
    async with AsyncExitStack() as stack:
        for kind, block in BLOCKS.items():
            rows = services(kind, base)
            if kind is Kind.SWITCHED:  # its other services are those of the healthy schools
                continue
            faults = {row.name: block.fault for row in rows if block.fault}
            server = BenchServer(EVERYWHERE, rows, context, f"www.{DOMAIN}", faults)
            await stack.enter_async_context(server)
        by_number = [
            await stack.enter_async_context(
                BenchServer(address(Kind.SWITCHED, number), [switched(base)], context, f"www.{DOMAIN}"),
            )
            for number in range(number_switched)
        ]
        print("ready", flush=True)
        while line := (await commands.readline()).decode():
            if line.strip() == "arrivals":
                print(BenchServer.arrivals.told(), flush=True)
                continue
            number, fault = line.split()
            await by_number[int(number)].suffer(SWITCHED_SERVICE, None if fault == "ok" else Fault(fault))
            print(number, fault, time.monotonic(), flush=True)


async def _main(options: argparse.Namespace) -> None:
    authority = Authority()
    options.ca_file.write_bytes(authority.pem)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    await serve(authority, options.port_offset, options.switched, commands)


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port-offset", type=int, default=BASE)
    parser.add_argument("--ca-file", type=Path, required=True, help="where the authority's certificate is written")
    parser.add_argument("--switched", type=int, default=0, help="schools whose smtp can be given a fault at run time")
    options = parser.parse_args(arguments)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(options))


if __name__ == "__main__":
    main()
