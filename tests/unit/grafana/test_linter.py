"""The rules of grafana's dashboard-linter, as far as they apply; each test has the rule's name.

Not applied: panel-no-targets-rule's exception for text panels (there are none), and the rules for Loki.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from grafana import alerting
from grafana.promql import DISTRICTS
from grafana.words import RUNBOOKS
from portwatchd.metrics.families import CATALOGUE

from .boards import GRAFANA, Json, boards, label_values, panel_queries, panels, variable_queries

BOARDS = boards()
each = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])

WITHOUT_MONITOR = {"Alerts firing (A)": "an alert need not have the monitor's labels"}
"""Queries without job and instance, with the reason."""
NAMES = {family.name for family in CATALOGUE}
NAMES |= {
    family.name + end for family in CATALOGUE if family.kind == "histogram" for end in ("_bucket", "_sum", "_count")
}
COUNTERS = {family.name for family in CATALOGUE if family.kind == "counter"} | {
    family.name + end for family in CATALOGUE if family.kind == "histogram" for end in ("_bucket", "_sum", "_count")
}
LABELS = {label for family in CATALOGUE for label in family.labels} | {"le"}
FOREIGN = {
    "ALERTS": {"alertname", "alertstate", "severity"},
    "up": set(),
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
    "process_open_fds": set(),
    "process_max_fds": set(),
}
"""Prometheus' own series, and those of prometheus_client's collector of the process."""
RECORDED = {DISTRICTS: {"school", "district"}}
"""Series that deploy/prometheus records."""
ADDED = {"job", "instance", "monitor", "district", "days", "runbook"} | FOREIGN["ALERTS"]
"""Labels of the scrape, of the schools' own (`district`), and those that the queries make."""


def variables(board: Json) -> dict[str, Json]:
    return {one["name"]: one for one in board["templating"]["list"]}


@each
def test_template_datasource_rule(board: Json) -> None:
    source = variables(board)["datasource"]
    assert (source["type"], source["query"], source["label"]) == ("datasource", "prometheus", "Data source")


@each
@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_job_and_instance_rule(board: Json, name: str) -> None:
    one = variables(board)[name]
    assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert (one["label"], one["multi"], one["includeAll"], one["allValue"]) == (name.capitalize(), True, True, ".+")


@each
def test_template_label_promql_rule(board: Json) -> None:
    known: set[str] = set()
    for asked in variable_queries(board):
        selector, label = label_values(asked.expression)
        assert set(re.findall(r"\$(\w+)", selector)) <= known, asked
        assert label in LABELS | ADDED
        known.add(asked.place.removeprefix("variable "))


@each
def test_template_on_time_change_reload_rule(board: Json) -> None:
    assert {one["refresh"] for one in board["templating"]["list"] if one["type"] == "query"} == {2}


@each
def test_all_values(board: Json) -> None:
    """ "All" is no list of thousands of names, and a variable of one value has no "All"."""
    for name, one in variables(board).items():
        if one["type"] == "query":
            assert one["multi"] == one["includeAll"]
            assert one.get("allValue") == (".+" if one["includeAll"] else None), name


@each
def test_panel_datasource_rule(board: Json) -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(board):
        assert [panel["datasource"], *[target["datasource"] for target in panel["targets"]]] == [source] * (
            1 + len(panel["targets"])
        ), panel["title"]


@each
def test_panel_title_description_rule(board: Json) -> None:
    titles = [panel["title"] for panel in panels(board)]
    assert len(set(titles)) == len(titles)
    for panel in panels(board):
        assert len(panel["description"]) > 15, panel["title"]
        assert panel["description"].endswith("."), panel["title"]


@each
def test_panel_units_rule(board: Json) -> None:
    known = {"short", "s", "percentunit", "cps", "bytes", "dateTimeFromNow"}
    for panel in panels(board):
        assert panel["fieldConfig"]["defaults"]["unit"] in known, panel["title"]


@each
def test_panel_no_targets_rule(board: Json) -> None:
    for panel in panels(board):
        assert all(target["expr"] for target in panel["targets"]), panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


@each
def test_target_job_and_instance_rule(board: Json) -> None:
    for asked in panel_queries(board):
        if asked.place in WITHOUT_MONITOR:
            continue
        for name, matchers in selectors(asked.expression):
            assert 'job=~"$job"' in matchers, (asked, name)
            assert 'instance=~"$instance"' in matchers, (asked, name)


@each
def test_target_rate_interval_rule(board: Json) -> None:
    for asked in panel_queries(board):
        ranges = set(re.findall(r"\[([^\]]+)\]", asked.expression))
        assert ranges <= {"$__rate_interval", "$__range"}, asked
        if "$__range" in ranges:
            assert asked.instant, f"{asked}: the whole time is asked for once, not at every step"


@each
def test_target_counter_agg_rule(board: Json) -> None:
    for asked in panel_queries(board):
        for name, _ in selectors(asked.expression):
            if name in COUNTERS or name.endswith("_total"):
                assert re.search(rf"(rate|increase)\({name}\{{", asked.expression), asked


@each
def test_uneditable_dashboard_rule(board: Json) -> None:
    assert board["editable"] is False


@each
def test_targets_ask_for_few_series(board: Json) -> None:
    """Where the school or the port is kept, a bound stands: the test on 5,000 schools counts what comes."""
    for asked in panel_queries(board):
        if asked.board == "portwatch-school" or "annotation" in asked.place:
            continue
        outer = re.match(r"(\w+)", asked.expression.lstrip("("))
        assert outer
        bounded = {
            "topk",
            "bottomk",
            "label_replace",
            "count",
            "sum",
            "avg",
            "min",
            "max",
            "group",
            "histogram_quantile",
            "sort",
            "sort_desc",
            "time",
            "1",
        }
        assert outer[1] in bounded, asked


@each
def test_every_metric_and_label_is_in_the_catalogue(board: Json) -> None:
    asked_for = [*panel_queries(board), *variable_queries(board)]
    for asked in asked_for:
        expression = (
            label_values(asked.expression)[0] if asked.expression.startswith("label_values") else asked.expression
        )
        found = selectors(expression) or [(expression, "")]
        for name, matchers in found:
            assert name in NAMES | FOREIGN.keys() | RECORDED.keys(), (asked, name)
            used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            of_family = next((set(f.labels) for f in CATALOGUE if name.startswith(f.name)), FOREIGN.get(name, set()))
            allowed = of_family | {"job", "instance"} | FOREIGN.get(name, set()) | RECORDED.get(name, set())
            allowed |= {"school"} if name.startswith("portwatch_probe_duration_seconds") else set()
            assert used <= allowed, (asked, name, used - allowed)
        for names in re.findall(r"\b(?:by|on|group_left|without|ignoring)\s*\(([^)]*)\)", expression):
            used = {one.strip() for one in names.split(",") if one.strip()}
            assert used <= LABELS | ADDED, (asked, used)
    for panel in panels(board):
        for target in panel["targets"]:
            used = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", "")))
            assert used <= LABELS | ADDED, panel["title"]


def test_every_recorded_series_is_recorded_with_its_labels() -> None:
    rules = {rule["record"]: rule["expr"] for group in alerting.rules() for rule in group["rules"] if "record" in rule}
    for name, labels in RECORDED.items():
        (kept,) = re.findall(r"by \(([^)]*)\)", rules[name])
        assert labels | {"monitor", "job", "instance"} == set(kept.split(", "))


@each
def test_no_school_is_left_out_for_want_of_a_district(board: Json) -> None:
    """The label is the schools' own, so not every one has it; in the recorded series each has."""
    for asked in [*panel_queries(board), *variable_queries(board)]:
        for name, matchers in re.findall(r"([\w:]+)\{([^}]*district[^}]*)\}", asked.expression):
            assert name == DISTRICTS, (asked, matchers)


def selectors(expression: str) -> list[tuple[str, str]]:
    """Return each metric of an expression with its matchers. All metrics stand before a brace."""
    return re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}", expression)


def test_ids_are_unique_and_panels_do_not_overlap() -> None:
    for board in BOARDS:
        taken: set[tuple[int, int]] = set()
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not taken & cells, panel["title"]
            assert at["x"] + at["w"] <= 24, panel["title"]
            taken |= cells


def test_links_lead_to_dashboards_and_runbooks_that_are_there() -> None:
    uids = {board["uid"] for board in BOARDS}
    for board in BOARDS:
        for url in _urls(board):
            if url.startswith("/d/"):
                assert re.match(r"/d/([\w-]+)", url)[1] in uids, url  # type: ignore[index]
            else:
                assert re.fullmatch(
                    r"\$\{runbooks\}(/(\w+|\$\{__value\.text\}|\$\{__data\.fields\.Runbook\})\.md)?", url
                ), url


def test_links_between_dashboards_keep_the_data_source_and_encode_values() -> None:
    for url in (url for board in BOARDS for url in _urls(board) if url.startswith("/d/")):
        assert "?${datasource:queryparam}&" in url, url
        for value in re.findall(r"=(\$\{__\w+[^}]*\})", url):
            assert value.endswith(":percentencode}"), url


def test_every_runbook_is_there() -> None:
    folder = GRAFANA.parent / "deploy" / "runbooks"
    named = set(RUNBOOKS.values())
    for board in BOARDS:
        named |= {found[1] for url in _urls(board) if (found := re.search(r"/(Portwatch\w+)\.md$", url))}
    assert not {name for name in named if not (folder / f"{name}.md").is_file()}


def _urls(thing: Any) -> list[str]:  # noqa: ANN401 - JSON
    if isinstance(thing, dict):
        own = [thing["url"]] if isinstance(thing.get("url"), str) else []
        return own + [url for value in thing.values() for url in _urls(value)]
    return [url for value in thing for url in _urls(value)] if isinstance(thing, list) else []
