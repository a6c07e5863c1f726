"""A disk without room: the daemon goes on and says so, and nothing is lost when there is room again."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.loopback.history.limited import STEP

ROOT = Path(__file__).parents[3]


def test_what_waits_is_written_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.db"
    command = [sys.executable, "-m", "tests.loopback.history.limited", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=15)
    steps = json.loads(done.stdout.decode().splitlines()[-1])
    assert steps[0] == [True, [True]]
    assert steps[1] == [False, [True, False]]
    assert steps[2] == [False, [True, False]]
    assert steps[3] == [True, [True, False, True]]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM memory").fetchall() == [(3 * STEP,)]
        assert connection.execute("SELECT count(*) FROM transition").fetchall() == [(3 * STEP,)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert list(tmp_path.glob("*.bad-*")) == []
