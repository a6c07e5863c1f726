"""A real Prometheus beside the daemon: what it discovers, and what it scrapes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from portwatchd.shard import bucket
from tests.running import Running, daemon, fetched, prometheus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOUND = [
    {"targets": ["127.9.0.1:443"], "labels": {"name": "gs-süd", "district": "süd"}},
    {"targets": ["127.9.0.2"], "labels": {"name": "gym nord", "profile": "one"}},
]
CONFIG = """
storage: {path: null}
global: {families: [ipv4], confirm: {attempts: 0}}
profiles: {one: {services: {web: {port: 1, protocol: tcp}}}}
file_sd_configs: [{files: [found.json]}]
"""
MANY = """
storage: {path: null}
global: {families: [ipv4], interval: 2s, confirm: {attempts: 0}}
profiles: {one: {services: {web: {port: 1, protocol: tcp}}}}
"""
SCRAPED = """
global: {scrape_interval: 1s}
scrape_configs:
- job_name: portwatchd
  static_configs: [{targets: [%s]}]
"""
RELABELLED = """
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: schools
  http_sd_configs: [{{url: "{url}/sd", refresh_interval: 1s}}]
  relabel_configs:
  - {{source_labels: [__meta_portwatch_school], target_label: school}}
  - {{source_labels: [__meta_portwatch_profile], target_label: profile}}
  - {{source_labels: [__meta_portwatch_label_district], target_label: district}}
"""


async def asked(server: Running, path: str, holds: Callable[[Any], bool], **query: str) -> Any:  # noqa: ANN401 - JSON
    """Ask Prometheus until its answer holds; return the answer's data."""
    data: Any = None
    for _ in range(200):
        status, text = await fetched(f"{server.url}{path}", params=list(query.items()))
        data = json.loads(text)["data"] if status == 200 else None
        if data is not None and holds(data):
            return data
        await asyncio.sleep(0.1)
    raise AssertionError(data)


async def test_prometheus_discovers_the_schools_that_the_daemon_discovered(tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text(json.dumps(FOUND))
    (tmp_path / "portwatchd.yml").write_text(CONFIG)
    async with daemon(tmp_path / "portwatchd.yml") as watching:
        async with prometheus(tmp_path, RELABELLED.format(url=watching.url)) as server:
            data = await asked(server, "/api/v1/targets", lambda data: len(data["activeTargets"]) == 2)
        assert await watching.stop() == 0
    labels = sorted((target["labels"] for target in data["activeTargets"]), key=lambda labels: labels["school"])
    assert labels == [
        {
            "job": "schools",
            "instance": "127.9.0.1:80",
            "school": "gs-süd",
            "profile": "iserv",
            "district": "süd",
        },
        {"job": "schools", "instance": "127.9.0.2:80", "school": "gym nord", "profile": "one"},
    ]


async def test_three_shards_and_one_prometheus_see_every_school_once(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(60)]
    schools = ", ".join(f"{{name: {name}, host: 127.9.0.1, profile: one}}" for name in names)
    (tmp_path / "portwatchd.yml").write_text(f"{MANY}schools: [{schools}]\n")
    async with contextlib.AsyncExitStack() as stack:
        shards = [
            await stack.enter_async_context(
                daemon(tmp_path / "portwatchd.yml", f"--shard={number}", "--total-shards=3")
            )
            for number in range(3)
        ]
        targets = ", ".join(shard.url.removeprefix("http://") for shard in shards)
        server = await stack.enter_async_context(prometheus(tmp_path, SCRAPED % targets))
        seen = await asked(
            server,
            "/api/v1/query",
            lambda data: len(data["result"]) == len(names),
            query="count by (school) (portwatch_school_info)",
        )
        assert sorted(one["metric"]["school"] for one in seen["result"]) == sorted(names)
        assert {one["value"][1] for one in seen["result"]} == {"1"}
        shares = await asked(
            server,
            "/api/v1/query",
            lambda data: len(data["result"]) == 3,
            query="portwatch_schools * on (instance) group_left (shard, total_shards) portwatch_shard_info",
        )
        counts = {one["metric"]["shard"]: int(one["value"][1]) for one in shares["result"]}
        assert counts == {str(n): sum(bucket(name, 3) == n for name in names) for n in range(3)}
