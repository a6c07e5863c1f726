"""SIGKILL at random moments: every start finds a sound file, nothing twice, and forgets next to nothing."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
LANES = 5
"""Files that are worked on at the same time."""


async def lane(path: Path, kills: int, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.loopback.history.lane", str(path), str(kills), str(seed)]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert not errors.decode()
    facts: dict[str, Any] = json.loads(out)
    return facts


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(40, marks=pytest.mark.timeout(60)),
        pytest.param(200, marks=[pytest.mark.lab, pytest.mark.timeout(180)]),
    ],
)
async def test_kills_at_random_moments(tmp_path: Path, kills: int) -> None:
    lanes = await asyncio.gather(*(lane(tmp_path / f"lane-{seed}.db", kills // LANES, seed) for seed in range(LANES)))
    assert [wrong for facts in lanes for wrong in facts["wrong"]] == []
    assert sum(facts["kills"] for facts in lanes) == kills
    started = sum(facts["started"] for facts in lanes)
    assert started > kills / 2
    assert sum(facts["changes"] for facts in lanes) > kills
    slowest, lost = max(facts["slowest"] for facts in lanes), max(facts["lost"] for facts in lanes)
    changes = sum(facts["changes"] for facts in lanes)
    print(f"{kills} kills, {started} after the start, slowest start {slowest:.3f} s, {changes} changes, {lost} lost")  # noqa: T201
