"""What systemd is given: options that the daemon has, and a port for every shard."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from portwatchd.options import ListenAddress
from portwatchd.runcommand import SHARD_LIMIT, add_run

UNITS = Path(__file__).parents[3] / "systemd"


def options(unit: str, instance: str = "", **environment: str) -> argparse.Namespace:
    """Return what the daemon is told by a unit's command line, as systemd makes it."""
    text = (UNITS / unit).read_text().replace("%i", instance)
    (command,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    known = dict(
        re.findall(r"(PORTWATCHD_\w+)=(\S*)", "\n".join(re.findall(r"^Environment=(.*)$", text, re.MULTILINE)))
    )
    values = known | {"STATE_DIRECTORY": "/var/lib/portwatchd"} | environment
    words = shlex.split(re.sub(r"\$\{?([A-Z_]+)\}?", lambda found: values[found[1]], command))
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_run(parser)
    assert words[:2] == ["/usr/bin/portwatchd", "run"]
    return parser.parse_args(words[2:])


def test_the_whole() -> None:
    told = options("portwatchd.service", PORTWATCHD_OPTS="--web.systemd-socket --log.level=debug")
    assert told.storage_path == Path("/var/lib/portwatchd/portwatchd.db")
    assert (told.systemd_socket, told.log_level, told.shard) == (True, "debug", None)


@pytest.mark.parametrize("number", [0, 9, 10, 101, SHARD_LIMIT - 1])
def test_every_shard_has_a_port_and_a_file_of_its_own(number: int) -> None:
    told = options("portwatchd@.service", str(number), PORTWATCHD_TOTAL_SHARDS=str(SHARD_LIMIT))
    assert (told.shard, told.total_shards) == (number, SHARD_LIMIT)
    assert told.listen_addresses == [ListenAddress("127.0.0.1", 10100 + number)]
    assert told.storage_path == Path(f"/var/lib/portwatchd/shard-{number}.db")


@pytest.mark.parametrize("unit", ["portwatchd.service", "portwatchd@.service", "portwatchd.socket"])
def test_the_documentation_is_a_file_of_the_package(unit: str) -> None:
    """No page of man: `systemd-analyze verify` calls man on it, which knows the page only where it is installed."""
    (named,) = re.findall(r"^Documentation=file:(/usr/share/doc/.*)$", (UNITS / unit).read_text(), re.MULTILINE)
    assert f'"$root{named}"' in (UNITS.parent / "deploy/deb/build.sh").read_text()
