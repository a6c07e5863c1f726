"""Debian's prometheus-blackbox-exporter, configured as its documentation shows, and asked as Prometheus asks it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import yaml

from portwatchd.model import IMPLICIT_TLS, Protocol, Service
from tests.bench.blocks import DOMAIN
from tests.bench.machine import MEASURED, pinned
from tests.running import Running, program

INSTALL = Path(__file__).parent.parent / "lab" / "install-packages.sh"
PROGRAM = "prometheus-blackbox-exporter"
TIMEOUT = "10s"
NAME = f"www.{DOMAIN}"
"""The name in SNI and certificate; a module has one for all its targets."""
PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
    "User-Agent": "Prometheus/2.42.0",
    "X-Prometheus-Scrape-Timeout-Seconds": "10",
}

Step = Mapping[str, str | bool]
STARTTLS: Step = {"starttls": True}


class Ask(NamedTuple):
    """What a user has asked for one port."""

    module: str
    target: str


def expect(pattern: str) -> Step:
    """What the server has to say."""
    return {"expect": pattern}


def send(line: str) -> Step:
    """A line for the server. The exporter ends it by LF; an example of its own adds CR where a server wants it."""
    return {"send": f"{line}\r"}


EHLO = send("EHLO prober")
DIALOGUES: Mapping[Protocol, tuple[Step, ...]] = {
    Protocol.TCP: (),
    Protocol.TLS: (),
    Protocol.LDAPS: (),
    Protocol.RANGE: (),
    Protocol.SSH: (expect("^SSH-2.0-"), send("SSH-2.0-blackbox-ssh-check")),
    Protocol.SMTPS: (expect("^220 "),),
    Protocol.POP3S: (expect("^\\+OK"),),
    Protocol.IMAPS: (expect("^\\* OK"),),
    Protocol.SMTP: (
        *(expect("^220 ([^ ]+) ESMTP (.+)$"), EHLO, expect("^250[- ]STARTTLS")),
        *(send("STARTTLS"), expect("^220"), STARTTLS),
        *(EHLO, expect("^250-AUTH"), send("QUIT")),
    ),
    Protocol.POP3: (expect("^\\+OK"), send("STLS"), expect("^\\+OK"), STARTTLS, send("CAPA"), expect("^USER")),
    Protocol.IMAP: (
        *(expect("^\\* OK"), send(". STARTTLS"), expect("OK"), STARTTLS),
        *(send(". capability"), expect("CAPABILITY IMAP4rev1")),
    ),
    Protocol.FTP: (expect("^220"), send("AUTH TLS"), expect("^234"), STARTTLS, send("PBSZ 0"), expect("^200")),
}


def modules(ca_file: Path) -> dict[str, object]:
    """Return the modules, named by their protocol. Every certificate is verified."""
    tls = {"ca_file": str(ca_file), "server_name": NAME}
    tcp = {protocol: _tcp(protocol, tls) for protocol in DIALOGUES}
    http: dict[str, Any] = {"preferred_ip_protocol": "ip4", "headers": {"Host": NAME}}
    return {
        **{protocol.value: {"prober": "tcp", "timeout": TIMEOUT, "tcp": tcp[protocol]} for protocol in tcp},
        "http": {
            "prober": "http",
            "timeout": TIMEOUT,
            "http": http | {"valid_status_codes": [301], "follow_redirects": False},
        },
        "https": {"prober": "http", "timeout": TIMEOUT, "http": http | {"tls_config": tls}},
    }


def _tcp(protocol: Protocol, tls: object) -> dict[str, object]:
    dialogue, shakes_hands = list(map(dict, DIALOGUES[protocol])), protocol in IMPLICIT_TLS
    module: dict[str, object] = {"preferred_ip_protocol": "ip4"}
    if dialogue:
        module["query_response"] = dialogue
    if shakes_hands or STARTTLS in dialogue:
        module |= {"tls": shakes_hands, "tls_config": tls}
    return module


def asks(services: Iterable[Service], address: str) -> Iterator[Ask]:
    """Yield what is asked of one school; of a range two ports, as the daemon does."""
    for row in services:
        if row.protocol in {Protocol.HTTP, Protocol.HTTPS}:
            yield Ask(row.protocol, f"{row.protocol}://{address}:{row.first}/")
        else:
            for port in sorted({row.first, row.last}):
                yield Ask(row.protocol, f"{address}:{port}")


@contextlib.asynccontextmanager
async def exporter(directory: Path, ca_file: Path) -> AsyncIterator[Running]:
    """Start the exporter on the core of the measured, installed before where it was missing."""
    async with program(INSTALL, Path(__file__).with_name("packages.txt")) as installing:
        assert await installing.process.wait() == 0, "\n".join(installing.lines)
    config = directory / "blackbox.yml"
    config.write_text(yaml.safe_dump({"modules": modules(ca_file)}))
    command = (PROGRAM, f"--config.file={config}", "--web.listen-address=127.0.0.1:0")
    async with program(*pinned(MEASURED, *command)) as running:
        line = await running.until_said("Listening on")
        running.url = f"http://{re.findall('127[0-9.]+:[0-9]+', line)[0]}"
        yield running


async def ask_all(url: str, wanted: Iterable[Ask], pace: float, count: int) -> None:
    """Ask so many times at an even pace over connections that are kept; anything but a success is an error."""
    began = time.monotonic()
    async with aiohttp.ClientSession(headers=PROMETHEUS) as client, asyncio.TaskGroup() as group:
        for number, ask in enumerate(islice(cycle(wanted), count)):
            await asyncio.sleep(began + number / pace - time.monotonic())
            group.create_task(_ask(client, url, ask))


async def _ask(client: aiohttp.ClientSession, url: str, ask: Ask) -> None:
    async with client.get(f"{url}/probe", params={"module": ask.module, "target": ask.target}) as answer:
        assert "\nprobe_success 1\n" in await answer.text(), f"{ask} failed"
