"""The real daemon on simulated schools: broken configurations, and good ones, while it watches."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from portwatchd.demo.certificates import Authority
from portwatchd.demo.configuration import SCHOOLS, demo_configuration
from portwatchd.demo.stage import Stage
from tests.running import Running, daemon, fetched

BAD = Path(__file__).parents[2] / "config" / "bad"
BLOCK = f"127.204.{os.getpid() >> 8 & 255}"
MINE = tuple(
    replace(school, address=f"{BLOCK}.{os.getpid() * 3 % 240 + number}", comes_and_goes=None)
    for number, school in enumerate(SCHOOLS)
)
INTERVAL = 5.0
LAST_ROUND = "portwatch_school_last_round_timestamp_seconds"
RELOADED = "portwatch_config_last_reload_successful"


class Place:
    """Simulated schools, and the file that the daemon reads."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "portwatchd.yml"
        authority = Authority()
        (folder / "authority.pem").write_bytes(authority.pem)
        self.good = demo_configuration(folder / "authority.pem", folder / "portwatchd.db", MINE)
        self.stage = Stage(authority, MINE)

    def say(self, data: bytes) -> None:
        new = self.file.with_suffix(".new")
        new.write_bytes(data)
        new.rename(self.file)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    for path in BAD.iterdir():
        if path.is_file() and path.suffix != ".txt":
            shutil.copy(path, tmp_path)
    made.say(made.good.encode())
    with made.stage:
        yield made


async def samples(running: Running, name: str) -> dict[str, float]:
    _, text = await fetched(f"{running.url}/metrics")
    lines = (line.rpartition(" ") for line in text.splitlines() if line.partition("{")[0].partition(" ")[0] == name)
    return {series: float(value) for series, _, value in lines}


async def until(running: Running, name: str, value: float) -> None:
    async with asyncio.timeout(10):
        while list((await samples(running, name)).values()) != [value]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def first_rounds(running: Running) -> dict[str, float]:
    async with asyncio.timeout(20):
        while len(found := await samples(running, LAST_ROUND)) < len(MINE):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    return found


async def until_gone(running: Running, name: str) -> None:
    async with asyncio.timeout(10):
        while any(name in series for series in await samples(running, LAST_ROUND)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


async def since(running: Running) -> dict[str, dict[str, object]]:
    _, text = await fetched(f"{running.url}/api/v1/schools")
    return {
        one["school"]: {"diagnosis": one["since"]}
        | {port["service"]: (port["verdict"], port["since"]) for port in one["ports"]}
        for one in json.loads(text)
    }


async def settled(running: Running) -> dict[str, dict[str, object]]:
    """Since when everything is as it is, once every port is judged: a range takes some rounds."""
    async with asyncio.timeout(30):
        while "'unknown'" in str(found := await since(running)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)
    return found


def differing(old: dict[str, dict[str, object]], new: dict[str, dict[str, object]]) -> list[object]:
    return [
        (school, what, old[school][what], new[school].get(what))
        for school in old
        for what in old[school]
        if new[school].get(what) != old[school][what]
    ]


async def diagnoses(running: Running) -> set[str]:
    _, text = await fetched(f"{running.url}/api/v1/schools")
    return {one["diagnosis"] for one in json.loads(text)}


@pytest.mark.timeout(90)
async def test_authorities_that_were_written_anew_are_read_at_a_reload(place: Place) -> None:
    """The file keeps its name; only what it holds is another authority's."""
    file = place.file.with_name("authority.pem")
    right = file.read_bytes()
    file.write_bytes(Authority("Another").pem)
    place.say(place.good.replace("audit_interval: 30s", "audit_interval: 5s").encode())
    async with daemon(place.file, "--web.enable-lifecycle") as running:
        await first_rounds(running)
        assert await diagnoses(running) & {"ok"} == set()
        file.write_bytes(right)
        assert (await fetched(f"{running.url}/-/reload", method="POST"))[0] == 200
        async with asyncio.timeout(60):
            while "ok" not in await diagnoses(running):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.2)


@pytest.mark.timeout(60)
async def test_discovered_schools_stay_when_a_reload_takes_their_profile_away(place: Place) -> None:
    targets = [{"targets": ["127.0.0.1", "127.0.0.2"], "labels": {"profile": "theirs"}}]
    place.file.with_name("targets.json").write_text(json.dumps(targets))
    config = """
        storage: {path: null}
        global: {interval: 1s, families: [ipv4], confirm: {attempts: 0}, timeout: 500ms}
        profiles: {NAME: {services: {web: {port: 9, protocol: tcp}}}}
        file_sd_configs: [{files: [targets.json], refresh_interval: 3s}]
    """
    place.say(config.replace("NAME", "theirs").encode())
    async with daemon(place.file, "--web.enable-lifecycle") as running:
        await until(running, "portwatch_schools", 2)
        place.say(config.replace("NAME", "ours").replace("path: null", "retention: 30d").encode())
        assert (await fetched(f"{running.url}/-/reload", method="POST"))[0] == 200
        assert list((await samples(running, "portwatch_discovery_held_back")).values()) == [2]
        assert list((await samples(running, "portwatch_discovery_refused_targets")).values()) == [2]
        assert list((await samples(running, "portwatch_schools")).values()) == [2]
        assert len(running.said("unknown profile .*theirs")) == 2
        assert [line.rpartition("key=")[2] for line in running.said("this takes a restart")] == [
            "storage.path",
            "storage.retention",
        ]
        await until(running, "portwatch_schools", 0)
        assert running.said("watched no longer.*number=2")


@pytest.mark.timeout(150)
async def test_no_broken_file_is_missed_and_the_old_configuration_watches_on(place: Place) -> None:
    files = sorted(path for path in BAD.iterdir() if path.with_suffix(".txt").exists() and path.suffix == ".yml")
    assert len(files) >= 60
    async with daemon(place.file, "--web.enable-lifecycle") as running:
        first = await first_rounds(running)
        stood = await settled(running)
        for number, path in enumerate(files):
            place.say(path.read_bytes())
            before = len(running.said("configuration refused"))
            if number % 2:
                status, text = await fetched(f"{running.url}/-/reload", method="POST")
                assert status == 500, path.name
                assert text.startswith("failed to reload config: "), path.name
            else:
                running.process.send_signal(signal.SIGHUP)
            await until(running, RELOADED, 0)
            await running.until_said("configuration refused", after=before)
            place.say(place.good.encode())
            assert (await fetched(f"{running.url}/-/reload", method="POST"))[0] == 200
            await until(running, RELOADED, 1)
        place.file.unlink()
        assert (await fetched(f"{running.url}/-/reload", method="POST"))[0] == 500
        await asyncio.sleep(INTERVAL)
        last = await samples(running, LAST_ROUND)
        assert last.keys() == first.keys()
        assert all(last[name] - first[name] >= INTERVAL - 1.5 for name in first)
        assert differing(stood, await since(running)) == []
        assert await running.stop() == 0
        assert not running.said("Traceback|changed.*before=")


@pytest.mark.timeout(60)
async def test_who_stays_keeps_slot_standing_and_round(place: Place) -> None:
    async with daemon(place.file, "--web.enable-lifecycle") as running:
        first = await first_rounds(running)
        stood = await settled(running)
        for number in range(60):
            place.say(place.good.replace("district: nord", f"district: nord{number}").encode())
            assert (await fetched(f"{running.url}/-/reload", method="POST"))[0] == 200
            await asyncio.sleep(0.2)
        last = await samples(running, LAST_ROUND)
        # A reload that gave new slots, or ended rounds in flight, would let no round come to its end.
        assert all(last[name] - at >= INTERVAL for name, at in first.items())
        assert differing(stood, await since(running)) == []
        async with asyncio.timeout(2 * INTERVAL):
            while 'district="nord59"' not in (await fetched(f"{running.url}/metrics"))[1]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        gone, moved = MINE[2].name, MINE[1].address
        text = place.good.replace(moved, "127.0.0.1").replace(f"name: {gone}\n", "name: another\n")
        place.say(text.encode())
        running.process.send_signal(signal.SIGHUP)
        await running.until_said("configuration read")
        await until_gone(running, gone)
        assert not running.said("this takes a restart")
        assert gone in running.said("watched no longer")[0]
        assert (await since(running)).get(MINE[0].name) == stood[MINE[0].name]
        _, text = await fetched(f"{running.url}/api/v1/schools/{gone}")
        assert "there is no school of this name" in text
        assert await running.stop() == 0
        assert not running.said("Traceback")
