"""Grafana's own types accept the dashboards: tsc of npm's typescript, on npm's @grafana/schema."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.grafana.boards import boards, panels

TYPES = Path(__file__).parent / "types"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the compiler, the types, and no dashboards."""
    assert shutil.which("npm"), "npm is not there: it brings Grafana's types (Debian: apt-get install npm)"
    where = tmp_path_factory.mktemp("types")
    for file in TYPES.iterdir():
        shutil.copy(file, where)
    done = _run(where, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    assert done.returncode == 0, done.stdout + done.stderr
    return where


def _run(where: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=100, check=False)


def _checked(where: Path, statements: list[str]) -> str:
    """Return what the compiler says; nothing where all is well."""
    text = "import type { Board, Custom, Options } from './schema';\n" + "\n".join(statements) + "\n"
    (where / "boards.ts").write_text(text, "utf-8")
    return _run(where, str(where / "node_modules" / ".bin" / "tsc"), "--project", ".").stdout


@pytest.mark.timeout(150, func_only=True)
def test_the_types_accept_every_dashboard_and_every_panel(place: Path) -> None:
    statements: list[str] = []
    for board in boards():
        name = board["uid"].replace("-", "_")
        statements.append(f"export const {name}: Board = {json.dumps(board)};")
        for panel in panels(board):
            at, kind = f"{name}_{panel['id']}", panel["type"]
            custom = panel["fieldConfig"]["defaults"].get("custom", {})
            statements.append(f"export const {at}_options: Options['{kind}'] = {json.dumps(panel['options'])};")
            statements.append(f"export const {at}_custom: Custom['{kind}'] = {json.dumps(custom)};")
    said = _checked(place, statements)
    assert not said, said
    print(f"{len(statements)} objects accepted by @grafana/schema")  # noqa: T201 - a measurement


@pytest.mark.timeout(150, func_only=True)
def test_the_types_refuse_what_is_wrong(place: Path) -> None:
    """A type that takes everything would prove nothing."""
    board = boards()[0]
    wrong = {
        "an unknown key": {**board, "colour": "red"},
        "a wrong enum": {**board, "graphTooltip": 7},
        "a wrong word": {**board, "links": [{**board["links"][0], "type": "lnik"}]},
    }
    statements = [f"export const wrong_{n}: Board = {json.dumps(one)};" for n, one in enumerate(wrong.values())]
    statements.append('export const options: Options[\'state-timeline\'] = {"rowHeight": "tall"};')
    said = _checked(place, statements)
    for line in range(2, 2 + len(statements)):
        assert f"boards.ts({line}," in said, (line, said)
