"""Reads the dashboards, and puts values for their variables as Grafana does."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GRAFANA = Path(__file__).resolve().parents[3] / "grafana"
PATHS = sorted((GRAFANA / "dashboards").glob("*.json"))
Json = dict[str, Any]
WIDTH = 1_000
"""Points that Grafana asks for where a panel says nothing: about one a pixel."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of a dashboard, as it stands in the file."""

    board: str
    place: str
    """The panel's or variable's name, and which of its queries."""
    expression: str
    instant: bool
    points: int
    panel: int | None = None

    def __str__(self) -> str:
        return f"{self.board}: {self.place}"


def load(path: Path) -> Json:
    """Return a dashboard."""
    board: Json = json.loads(path.read_text("utf-8"))
    return board


def boards() -> list[Json]:
    """Return every dashboard."""
    return [load(path) for path in PATHS]


def panels(board: Json) -> list[Json]:
    """Return the panels that show something."""
    return [panel for panel in board["panels"] if panel["type"] not in {"row", "text"}]


def panel_queries(board: Json) -> Iterator[Asked]:
    """Yield every query of every panel and annotation."""
    uid = board["uid"]
    for panel in panels(board):
        for target in panel["targets"]:
            place = f"{panel['title']} ({target['refId']})"
            points = int(panel.get("maxDataPoints", WIDTH))
            yield Asked(uid, place, target["expr"], bool(target.get("instant")), points, panel["id"])
    for one in board["annotations"]["list"]:
        yield Asked(uid, f"annotation {one['name']}", one["target"]["expr"], instant=False, points=WIDTH)


def variable_queries(board: Json) -> Iterator[Asked]:
    """Yield the query of every variable that has one: `label_values(selector, label)`."""
    for one in board["templating"]["list"]:
        if one["type"] == "query":
            yield Asked(board["uid"], f"variable {one['name']}", one["query"]["query"], instant=True, points=1)


def filled(expression: str, values: Mapping[str, str]) -> str:
    """Return the expression with the variables' values; one that has none is an error."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]], expression)


def label_values(definition: str) -> tuple[str, str]:
    """Return the selector and the label of a variable's query."""
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", definition)
    assert found, definition
    return found[1], found[2]


END = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
"""The last chunk of every PNG."""


def digest(board: Json) -> bytes:
    """Return what a picture says of the dashboard that it shows."""
    return hashlib.sha256(json.dumps(board, sort_keys=True).encode()).hexdigest().encode()


def signed(picture: bytes, mark: bytes) -> bytes:
    """Return a PNG with a text chunk that holds the dashboard's digest."""
    chunk = b"tEXtDashboard\0" + mark
    return (
        picture.removesuffix(END)
        + struct.pack(">I", len(chunk) - 4)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + END
    )
