"""Two monitors that watch the same schools: the fleet counts each school once, those without a district too."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.unit.grafana.boards import boards, filled, panel_queries

from .conftest import RULES

if TYPE_CHECKING:
    from pathlib import Path

SCHOOLS = {"gym": 'district="nord"', "gs": "", "rs": 'district="west"'}
LOST = "gs"
VALUES = {"job": ".+", "instance": ".+", "school": ".+"}
QUERIES = {
    asked.place: asked.expression for board in boards() for asked in panel_queries(board) if "fleet" in asked.board
}
COUNTED = {
    ("Schools (A)", ".+"): {"": 3},
    ("Schools (A)", "none"): {"": 1},
    ("Schools (A)", "nord"): {"": 1},
    ("Schools affected (A)", ".+"): {"": 1},
    ("Schools affected (A)", "nord|west"): {"": 0},
    ("Ports lost (A)", "none"): {"": 1},
    ("By district (A)", ".+"): {'district="nord"': 1, 'district="west"': 1, 'district="none"': 1},
    ("By district (B)", ".+"): {'district="nord"': 0, 'district="west"': 0, 'district="none"': 1},
    ("By district (C)", "none"): {'district="none"': 1},
}
"""What a query of the fleet gives, by the district that is chosen."""


def _series() -> list[dict[str, str]]:
    made: list[str] = []
    for monitor in ("berlin", "kiel"):
        daemon = f'monitor="{monitor}",job="portwatchd",instance="{monitor}:10052"'
        for school, district in SCHOOLS.items():
            of_school = f'{daemon},school="{school}"'
            of_port = f'{of_school},family="ipv4",port="25",port_name="smtp"'
            diagnosis, verdict = ("forwards_lost", "forward_lost") if school == LOST else ("ok", "ok")
            made.append(f'portwatch_school_info{{{of_school},host="{school}.example.org",profile="iserv",{district}}}')
            made.append(f'portwatch_school_diagnosis{{{of_school},diagnosis="{diagnosis}"}}')
            made.append(f'portwatch_port_verdict{{{of_port},verdict="{verdict}",proof="hop"}}')
    return [{"series": one.replace(",}", "}"), "values": "1x9"} for one in made]


@pytest.mark.parametrize(("place", "district"), COUNTED)
def test_each_school_is_counted_once(place: str, district: str, tmp_path: Path) -> None:
    expected = [{"labels": f"{{{labels}}}", "value": value} for labels, value in COUNTED[place, district].items()]
    check = {
        "expr": filled(QUERIES[place], VALUES | {"district": district}),
        "eval_time": "3m",
        "exp_samples": expected,
    }
    path = tmp_path / "test.yml"
    one = {"interval": "30s", "input_series": _series(), "promql_expr_test": [check]}
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": [one]}))
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
