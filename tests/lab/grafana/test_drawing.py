"""The pages of which the README's pictures are taken can be drawn, and every panel has something to show."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pytest

from tests.unit.grafana.boards import boards, panels

from .drawing import Place, page

if TYPE_CHECKING:
    from .conftest import Data

BOARDS = boards()
NOTHING = {"Renewal overdue (100)": "no certificate is that old", "Not reachable for renewal (100)": "port 80 answers"}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_pages(data: dict[str, Data], board: dict[str, object]) -> None:
    live = data["daemon"]
    values = {"job": ".+", "instance": ".+", "district": ".+", "port_name": "smtp", "stage": "total"}
    values |= {
        "__range": f"{int(live.end - live.begin)}s",
        "school": live.school if "school" in str(board["uid"]) else ".+",
    }
    text, _ = page(board, Place(live.server, live.begin, live.end, values))
    for panel in panels(board):
        title = html.escape(panel["title"].replace("$stage", "total"))
        assert f"<h2>{title}</h2>" in text
        body = text.split(f"<h2>{title}</h2>")[1].split("<div class=panel")[0]
        assert ("No data" in body) == (panel["title"] in NOTHING), panel["title"]
