"""Draws the dashboards from a Prometheus' answers, without Grafana: panels as SVG and HTML, a picture by Chromium.

    python -m tests.lab.grafana.drawing URL MINUTES [DIRECTORY]

It knows what these dashboards use: their panels, units, mappings, thresholds, colours, transformations. It is no copy
of Grafana: fonts, legends and distances differ; the numbers, words and colours are those that Grafana would show.
"""

from __future__ import annotations

import html
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.unit.grafana.boards import GRAFANA, boards, digest, filled, signed

from .prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Json = dict[str, Any]
WIDTH, CELL, GAP, HEAD = 1060, 28, 8, 28
PALETTE = ("#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#E24D42", "#1F78C1", "#BA43A9", "#705DA0", "#508642", "#CCA300")
TEXT, DIM, PAPER, CARD, LINE = "#CCCCDC", "#8E8E99", "#111217", "#181B1F", "#2C3235"
STYLE = f"""
* {{ box-sizing: border-box; margin: 0 }}
body {{ background: {PAPER}; color: {TEXT}; font: 11px Inter, "DejaVu Sans", sans-serif; width: {WIDTH}px }}
h1 {{ font-size: 18px; padding: 12px 12px 2px }} .sub {{ color: {DIM}; padding: 0 12px 8px }}
.board {{ position: relative }} .panel {{ position: absolute; background: {CARD}; border: 1px solid {LINE};
border-radius: 3px; overflow: hidden }} .panel h2 {{ font-size: 12px; padding: 7px 9px;
height: {HEAD}px }}
.big {{ font-size: 30px; font-weight: 600; text-align: center; line-height: 60px; white-space: nowrap }}
table {{ border-collapse: collapse; width: 100% }} th {{ color: #6E9FFF; text-align: left; font-weight: 500 }}
th, td {{ padding: 4px 8px; border-bottom: 1px solid {LINE}; white-space: nowrap; overflow: hidden }}
.none {{ color: {DIM}; text-align: center; padding-top: 20px }}
.legend span {{ margin-right: 10px; white-space: nowrap; color: {DIM} }}
.legend {{ padding: 0 9px; font-size: 11px; line-height: 15px; height: 30px; overflow: hidden }}
.legend i {{ display: inline-block; width: 12px; height: 3px; margin-right: 4px; vertical-align: middle }}
.bar {{ display: flex; align-items: center; margin: 0 9px; gap: 8px }} .bar b {{ font-weight: 400; width: 42%;
text-align: right; overflow: hidden; white-space: nowrap }} .bar u {{ display: block; height: 70% }}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """What a panel is drawn from."""

    server: Prometheus
    begin: float
    end: float
    values: dict[str, str]
    marks: tuple[tuple[float, str], ...] = ()
    """The times of the annotations, with their colours."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A named series."""

    name: str
    labels: dict[str, str]
    points: list[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


def asked(place: Place, panel: Json, target: Json) -> list[Curve]:
    """Return what a target's query gives."""
    step = max((place.end - place.begin) / panel.get("maxDataPoints", 120), 1)
    expression = filled(target["expr"], place.values | {"__rate_interval": f"{max(int(step) + 5, 20)}s"})
    if target.get("instant"):
        found = place.server.instant(expression, place.end).series
    else:
        found = place.server.over(expression, place.begin, place.end, step).series
    curves = []
    for one in found:
        labels = {name: text for name, text in one["metric"].items() if name != "__name__"}
        name = target.get("legendFormat", "")
        for label, text in labels.items():
            name = name.replace("{{" + label + "}}", text)
        points = one.get("values") or [one["value"]]
        curves.append(Curve(name, labels, [(float(at), float(value)) for at, value in points if value != "NaN"]))
    return [curve for curve in curves if curve.points]


def shown(value: float, unit: str, decimals: int | None, now: float) -> str:
    """Return a value in its unit."""
    if unit == "dateTimeFromNow":
        return f"{_span(now - value / 1000)} ago"
    if unit == "s":
        return _span(value)
    if unit == "percentunit":
        return f"{value * 100:.{decimals if decimals is not None else 1}f}%"
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB"
    text = f"{value:.{decimals}f}" if decimals is not None else f"{value:.3g}"
    return f"{text} c/s" if unit == "cps" else text


def _span(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3_600, "h"), (60, "min"), (1, "s")):
        if abs(seconds) >= size:
            return f"{seconds / size:.{1 if abs(seconds) < 10 * size else 0}f} {name}"
    return f"{seconds * 1000:.0f} ms"


def dressed(value: float | str, settings: Json, now: float) -> tuple[str, str]:
    """Return a value's text and colour, by mapping or by thresholds."""
    key = f"{value:.0f}" if isinstance(value, float) and value == round(value) else str(value)
    for mapping in settings.get("mappings") or []:
        if key in mapping["options"]:
            result = mapping["options"][key]
            return result["text"], result["color"]
    if isinstance(value, str):
        return value, TEXT
    colour = TEXT
    for step in (settings.get("thresholds") or {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return shown(value, settings.get("unit", "short"), settings.get("decimals"), now), colour


def colours(panel: Json, curves: Sequence[Curve]) -> list[str]:
    """Return a colour for each series: its own, or the next of the palette."""
    own = {
        one["matcher"]["options"]: p["value"]["fixedColor"]
        for one in panel["fieldConfig"]["overrides"]
        for p in one["properties"]
        if p["id"] == "color" and "fixedColor" in p["value"]
    }
    return [own.get(curve.name, PALETTE[index % len(PALETTE)]) for index, curve in enumerate(curves)]


def _stat(place: Place, panel: Json, _size: tuple[int, int]) -> str:
    found = asked(place, panel, panel["targets"][0])
    settings = panel["fieldConfig"]["defaults"]
    if not found:
        return f"<div class=none>{html.escape(settings.get('noValue') or 'No data')}</div>"
    text, colour = dressed(found[0].last, settings, place.end)
    return f"<div class=big style='color:{colour}'>{html.escape(text)}</div>"


def _bars(place: Place, panel: Json, size: tuple[int, int]) -> str:
    found = [curve for target in panel["targets"] for curve in asked(place, panel, target)]
    for curve, target in zip(found, panel["targets"], strict=False):
        if len(panel["targets"]) > 1:
            assert curve.name == target["legendFormat"]
    settings = panel["fieldConfig"]["defaults"]
    top = settings.get("max") or max((curve.last for curve in found), default=1) or 1
    own = colours(panel, found) if panel["fieldConfig"]["overrides"] else None
    height = min(30, (size[1] - HEAD - 6) // max(len(found), 1))
    lines = []
    for index, curve in enumerate(found):
        text, colour = dressed(curve.last, settings, place.end)
        colour = own[index] if own else colour
        width = max(curve.last / top * (size[0] * 0.38), 1)
        lines.append(
            f"<div class=bar style='height:{height}px'><b>{html.escape(curve.name)}</b>"
            f"<u style='width:{width:.0f}px;background:{colour}'></u><span style='color:{colour}'>{text}</span></div>"
        )
    return "".join(lines) or "<div class=none>No data</div>"


def _axis(place: Place, left: int, width: int, height: int) -> str:
    lines = []
    for n in range(6):
        at = place.begin + (place.end - place.begin) * n / 5
        x = left + (width - left - 8) * n / 5
        label = time.strftime("%H:%M", time.gmtime(at))
        anchor = "end" if n == 5 else "middle" if n else "start"
        lines.append(f"<text x={x:.0f} y={height - 3} fill='{DIM}' font-size=10 text-anchor={anchor}>{label}</text>")
    for at, colour in place.marks:
        x = left + (at - place.begin) / (place.end - place.begin) * (width - left - 8)
        line = f"x1={x:.1f} x2={x:.1f} y1=2 y2={height - 14}"
        lines.append(f"<line {line} stroke='{colour}' stroke-dasharray='3 3' stroke-opacity=.6 />")
    return "".join(lines)


def marks(board: Json, place: Place) -> tuple[tuple[float, str], ...]:
    """Return when the dashboard's annotations stand: at their values, or from the first moment of each series."""
    found: set[tuple[float, str]] = set()
    for one in board["annotations"]["list"]:
        for curve in asked(place, {}, one["target"]):
            times = {value / 1000 for _, value in curve.points} if one.get("useValueForTime") else {curve.points[0][0]}
            found |= {(at, one["iconColor"]) for at in times if place.begin <= at <= place.end}
    return tuple(sorted(found))


def _curves(place: Place, panel: Json, size: tuple[int, int]) -> str:
    found = [curve for target in panel["targets"] for curve in asked(place, panel, target)]
    settings = panel["fieldConfig"]["defaults"]
    if not found:
        return f"<div class=none>{html.escape(settings.get('noValue') or 'No data')}</div>"
    stacked = settings["custom"]["stacking"]["mode"] == "normal"
    own = colours(panel, found)
    width, height, left = size[0], size[1] - HEAD - 32, 52
    times = sorted({at for curve in found for at, _ in curve.points})
    below = dict.fromkeys(times, 0.0)
    drawn: list[tuple[str, list[tuple[float, float, float]]]] = []
    for curve, colour in zip(found, own, strict=True):
        known = dict(curve.points)
        rows = [(at, below[at], known[at] + below[at]) for at in times if at in known]
        rows = rows if stacked else [(at, 0.0, value) for at, value in curve.points]
        if stacked:
            below |= {at: top for at, _, top in rows}
        drawn.append((colour, rows))
    top = max((high for _, rows in drawn for _, _, high in rows), default=1) * 1.08 or 1

    def x(at: float) -> float:
        return left + (at - place.begin) / (place.end - place.begin) * (width - left - 8)

    def y(value: float) -> float:
        return 6 + (1 - value / top) * (height - 24)

    parts = []
    for n in range(4):
        level = top / 1.08 * n / 3
        text = shown(level, settings["unit"], settings.get("decimals"), place.end)
        parts.append(f"<line x1={left} x2={width - 8} y1={y(level):.1f} y2={y(level):.1f} stroke='{LINE}'/>")
        parts.append(f"<text x={left - 5} y={y(level) + 3:.1f} fill='{DIM}' font-size=10 text-anchor=end>{text}</text>")
    for colour, rows in drawn:
        line = " ".join(f"{x(at):.1f},{y(high):.1f}" for at, _, high in rows)
        if stacked:
            back = " ".join(f"{x(at):.1f},{y(low):.1f}" for at, low, _ in reversed(rows))
            parts.append(f"<polygon points='{line} {back}' fill='{colour}' fill-opacity=.6 />")
        parts.append(f"<polyline points='{line}' fill=none stroke='{colour}' />")
    legend = "".join(
        f"<span><i style='background:{colour}'></i>{html.escape(curve.name)}</span>"
        for curve, colour in zip(found, own, strict=True)
    )
    svg = f"<svg width={width} height={height}>{''.join(parts)}{_axis(place, left, width, height)}</svg>"
    return f"{svg}<div class=legend>{legend}</div>"


def _timeline(place: Place, panel: Json, size: tuple[int, int]) -> str:
    found = [curve for target in panel["targets"] for curve in asked(place, panel, target)]
    settings = panel["fieldConfig"]["defaults"]
    if not found:
        return f"<div class=none>{html.escape(settings.get('noValue') or 'No data')}</div>"
    width, height, left = size[0], size[1] - HEAD - 18, 190 if size[0] > 700 else 150
    row = min((height - 18) / len(found), 34)
    step = found[0].points[1][0] - found[0].points[0][0] if len(found[0].points) > 1 else 60
    scale = (width - left - 8) / (place.end - place.begin)
    parts: list[str] = []
    seen: dict[str, str] = {}
    for index, curve in enumerate(found):
        y = index * row
        parts.append(
            f"<text x={left - 6} y={y + row / 2 + 4:.1f} fill='{TEXT}' font-size=11 text-anchor=end>"
            f"{html.escape(curve.name)}</text>"
        )
        spans: list[list[float]] = []
        for at, value in curve.points:
            if spans and spans[-1][2] == value and at - spans[-1][1] < step * 1.5:
                spans[-1][1] = at + step
            else:
                spans.append([at, at + step, value])
        for begin, end, value in spans:
            text, colour = dressed(value, settings, place.end)
            seen[text] = colour
            x, long = left + (begin - place.begin) * scale, (min(end, place.end) - begin) * scale
            parts.append(
                f"<rect x={x:.1f} y={y + row * 0.08:.1f} width={max(long, 1):.1f} height={row * 0.84:.1f} "
                f"fill='{colour}' fill-opacity=.85 />"
            )
            if long > len(text) * 7 + 8 and row > 13:
                parts.append(f"<text x={x + 5:.1f} y={y + row / 2 + 4:.1f} fill=white font-size=11>{text}</text>")
    legend = "".join(f"<span><i style='background:{c}'></i>{html.escape(text)}</span>" for text, c in seen.items())
    svg = f"<svg width={width} height={height}>{''.join(parts)}{_axis(place, left, width, height)}</svg>"
    return f"{svg}<div class=legend>{legend}</div>"


def _heat(place: Place, panel: Json, size: tuple[int, int]) -> str:
    found = sorted(asked(place, panel, panel["targets"][0]), key=lambda curve: float(curve.labels["le"]))
    width, height, left = size[0], size[1] - HEAD - 4, 60
    row = (height - 20) / max(len(found), 1)
    below: dict[float, float] = {}
    cells: list[tuple[int, float, float]] = []
    for index, curve in enumerate(found):
        cells += [(index, at, value - below.get(at, 0.0)) for at, value in curve.points]
        below |= dict(curve.points)
    top = max((value for _, _, value in cells), default=1) or 1
    long = (width - left - 8) / panel.get("maxDataPoints", 100)
    parts = []
    for index, at, value in cells:
        if value <= 1e-9:
            continue
        x = left + (at - place.begin) / (place.end - place.begin) * (width - left - 8)
        y = height - 18 - (index + 1) * row
        parts.append(
            f"<rect x={x:.1f} y={y:.1f} width={long:.1f} height={row - 1:.1f} fill=#FF9830 "
            f"fill-opacity={0.1 + 0.9 * (value / top) ** 0.5:.2f} />"
        )
    for index, curve in enumerate(found):
        y = height - 18 - (index + 0.5) * row + 3
        parts.append(
            f"<text x={left - 6} y={y:.1f} fill='{DIM}' font-size=10 text-anchor=end>{curve.labels['le']} s</text>"
        )
    return f"<svg width={width} height={height}>{''.join(parts)}{_axis(place, left, width, height)}</svg>"


def _rows(place: Place, panel: Json, size: tuple[int, int]) -> str:
    merged: dict[tuple[tuple[str, str], ...], dict[str, float | str]] = {}
    targets = panel["targets"]
    found = [(target, asked(place, panel, target)) for target in targets]
    named = [{label for curve in curves for label in curve.labels} for _, curves in found if curves]
    common = set.intersection(*named) if named else set()
    for target, curves in found:
        name = "Value" if len(targets) == 1 else f"Value #{target['refId']}"
        for curve in curves:
            key = tuple(sorted((label, text) for label, text in curve.labels.items() if label in common))
            key = key if len(targets) > 1 else tuple(sorted(curve.labels.items()))
            merged.setdefault(key, {}).update({**curve.labels, name: curve.last})
    rows = list(merged.values())
    options = {change["id"]: change["options"] for change in panel["transformations"]}
    settings = panel["fieldConfig"]["defaults"]
    if matrix := options.get("groupingToMatrix"):
        columns = sorted({str(row[matrix["columnField"]]) for row in rows})
        by_row: dict[str, dict[str, float | str]] = {}
        for row in rows:
            first = by_row.setdefault(str(row[matrix["rowField"]]), {matrix["rowField"]: row[matrix["rowField"]]})
            first[str(row[matrix["columnField"]])] = row["Value"]
        rows, names = list(by_row.values()), {name: name for name in (matrix["rowField"], *columns)}
        of_column: dict[str, Json] = {name: settings | {"filled": False} for name in columns}
    else:
        order = options["organize"]["indexByName"]
        names = dict(sorted(options["organize"]["renameByName"].items(), key=lambda item: order[item[0]]))
        of_column = {}
        for one in panel["fieldConfig"]["overrides"]:
            said = {p["id"]: p["value"] for p in one["properties"]}
            of_column[one["matcher"]["options"]] = {"unit": settings["unit"], **said}
    for sort in panel["options"].get("sortBy") or []:
        field = next(field for field, name in names.items() if name == sort["displayName"])
        rows.sort(key=lambda row: (isinstance(row.get(field), str), row.get(field, 0)), reverse=sort["desc"])
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names.values())
    lines = []
    for row in rows[: (size[1] - HEAD) // 24 - 1]:
        cells = []
        for field, name in names.items():
            column = of_column.get(name, {})
            if field not in row:
                cells.append(f"<td style='color:{DIM}'>{html.escape(column.get('noValue') or '')}</td>")
                continue
            text, colour = dressed(row[field], column, place.end)
            fill = f"background:{colour};color:white" if "custom.cellOptions" in column else f"color:{colour}"
            if not column.get("thresholds") and not column.get("mappings"):
                fill = f"color:{'#6E9FFF' if column.get('links') else TEXT}"
            cells.append(f"<td style='{fill}'>{html.escape(text)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    if not rows:
        return "<div class=none>No data</div>"
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


DRAW: dict[str, Callable[[Place, Json, tuple[int, int]], str]] = {
    "stat": _stat,
    "bargauge": _bars,
    "timeseries": _curves,
    "state-timeline": _timeline,
    "heatmap": _heat,
    "table": _rows,
}


def page(board: Json, place: Place) -> tuple[str, int]:
    """Return a dashboard as a page, and the page's height."""
    bottom, parts = 0, []
    place = replace(place, marks=marks(board, place))
    for panel in board["panels"]:
        at = panel["gridPos"]
        x, y = at["x"] * WIDTH // 24 + GAP // 2, at["y"] * CELL
        width, height = at["w"] * WIDTH // 24 - GAP, at["h"] * CELL - GAP
        bottom = max(bottom, y + height)
        body = DRAW[panel["type"]](place, panel, (width, height))
        title = html.escape(filled(panel["title"], place.values))
        parts.append(
            f"<div class=panel style='left:{x}px;top:{y}px;width:{width}px;height:{height}px'>"
            f"<h2>{title}</h2>{body}</div>"
        )
    sub = f"{board['description']}. Drawn from Prometheus' answers by tests/lab/grafana/drawing.py, not by Grafana."
    school = f" / {place.values['school']}" if board["uid"] == "portwatch-school" else ""
    text = (
        f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><h1>{html.escape(board['title'] + school)}</h1>"
        f"<div class=sub>{html.escape(sub)}</div><div class=board style='height:{bottom + 8}px'>{''.join(parts)}</div>"
    )
    return text, bottom + 70


def draw(server: Prometheus, begin: float, end: float, directory: Path, school: str = "bbs-hafen") -> Iterator[Path]:
    """Draw every dashboard; yield the pictures' paths."""
    values = {"job": ".+", "instance": ".+", "district": ".+", "port_name": "smtp", "stage": "total"}
    values |= {"__range": f"{int(end - begin)}s"}
    for board in boards():
        chosen = school if board["uid"] == "portwatch-school" else ".+"
        text, height = page(board, Place(server, begin, end, {**values, "school": chosen}))
        path = directory / f"{board['uid']}.png"
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "page.html"
            source.write_text(text, "utf-8")
            command = [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--disable-lcd-text",
            ]
            command += [f"--user-data-dir={scratch}/profile", f"--window-size={WIDTH},{height}"]
            command += [f"--screenshot={path}", source.as_uri()]
            subprocess.run(command, check=True, capture_output=True, timeout=90)
        path.write_bytes(signed(path.read_bytes(), digest(board)))
        yield path


def main(arguments: list[str]) -> None:
    """Draw from a running Prometheus."""
    url, minutes, *rest = arguments
    directory = Path(rest[0]) if rest else GRAFANA / "pictures"
    now = time.time()
    for path in draw(Prometheus(url), now - 60 * float(minutes), now, directory):
        sys.stdout.write(f"{path} {path.stat().st_size // 1024} KiB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
