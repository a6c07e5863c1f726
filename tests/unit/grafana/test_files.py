"""The committed files are what grafana/build.py writes, and Grafana's SDK reads them without loss."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from grafana import alerting
from grafana.build import encoded, files, read
from portwatchd.model import DiagnosisKind, VerdictKind

from .boards import GRAFANA, PATHS, digest, load, panels

if TYPE_CHECKING:
    from pathlib import Path

UIDS = {"portwatch-fleet", "portwatch-school", "portwatch-ports", "portwatch-certificates", "portwatch-monitor"}


def test_files_are_current() -> None:
    old = [path.name for path, text in files().items() if not path.exists() or path.read_text("utf-8") != text]
    assert not old, f"not what `python -m grafana.build` writes: {old}"


def test_nothing_else_is_there() -> None:
    assert {path.stem for path in PATHS} == UIDS


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_picture_shows_the_dashboard_as_it_is_now(path: Path) -> None:
    picture = GRAFANA / "pictures" / f"{path.stem}.png"
    assert b"tEXtDashboard\0" + digest(load(path)) in picture.read_bytes(), "draw it anew: grafana/README.md"
    assert f"grafana/pictures/{picture.name}" in (GRAFANA.parent / "README.md").read_text("utf-8")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_sdk_reads_and_writes_without_loss(path: Path) -> None:
    board = read(path.read_text("utf-8"))
    assert json.loads(encoded(board)) == load(path)
    assert board.uid == path.stem


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_word_has_text_and_colour(path: Path) -> None:
    """A mapping of verdicts or diagnoses names all of them."""
    words = [{str(kind) for kind in VerdictKind}, {str(kind) for kind in DiagnosisKind}]
    text = path.read_text("utf-8")
    for mapping in _mappings(json.loads(text)):
        named = set(mapping["options"])
        for all_of_them in words:
            if "line_down" in named and len(named & all_of_them) > 9:
                assert named == all_of_them
        assert all(result["text"] and result["color"] for result in mapping["options"].values())


def _mappings(thing: object) -> list[dict[str, dict[str, dict[str, str]]]]:
    if isinstance(thing, dict):
        found = [thing] if thing.get("type") == "value" and "options" in thing else []
        return found + [one for value in thing.values() for one in _mappings(value)]
    return [one for value in thing for one in _mappings(value)] if isinstance(thing, list) else []


def test_alerts_are_those_of_prometheus() -> None:
    document = yaml.safe_load((GRAFANA / "provisioning" / "alerting" / "portwatch.yml").read_text("utf-8"))
    made = [rule for group in document["groups"] for rule in group["rules"]]
    theirs = [rule for _, rule in alerting.alerts()]
    assert [rule["labels"]["alert"] for rule in made] == [rule["alert"] for rule in theirs]
    assert len({rule["uid"] for rule in made}) == len({rule["title"] for rule in made}) == len(made)
    by_uid = {path.stem: {panel["id"]: panel for panel in panels(load(path))} for path in PATHS}
    for rule, original in zip(made, theirs, strict=True):
        query, math, threshold = rule["data"]
        assert query["model"]["expr"] == original["expr"].strip()
        assert query["datasourceUid"] == query["model"]["datasource"]["uid"] == alerting.SOURCE_UID
        assert math["model"]["expression"] == "is_number($query) || is_nan($query) || is_inf($query)"
        assert rule["condition"] == threshold["refId"] == "threshold"
        assert threshold["model"]["expression"] == math["refId"]
        assert rule["for"] == original.get("for", "0s")
        assert rule.get("keepFiringFor") == original.get("keep_firing_for")
        assert rule["panelId"] in by_uid[rule["dashboardUid"]]
        assert rule["annotations"]["runbook_url"] == original["annotations"]["runbook_url"]
        assert f"d/{rule['dashboardUid']}" in rule["annotations"]["dashboard_url"]
        assert len(rule["uid"]) <= 40
        for name in ("summary", "description", "runbook_url", "dashboard_url"):
            assert rule["annotations"][name] == rule["annotations"][name].strip() != "", (rule["title"], name)
        for text in rule["annotations"].values():
            assert text.count("{{") == text.count("}}")
            assert "query (" not in text
            assert "$value " not in text


def test_every_alert_on_a_port_says_what_follows() -> None:
    document = yaml.safe_load((GRAFANA / "provisioning" / "alerting" / "portwatch.yml").read_text("utf-8"))
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        if rule["labels"]["alert"] == "PortwatchForwardLost":
            for language, said in (("", "The school receives no mail."), ("_de", "Die Schule empfängt keine E-Mails.")):
                text = rule["annotations"][f"consequence{language}"]
                assert ("IPv4" in text) if "scope" in rule["labels"] else (f'"smtp" }}}}{said}{{{{ else if' in text)


def test_a_quorum_in_grafana_says_of_schools_what_two_monitors_say() -> None:
    document = yaml.safe_load((GRAFANA / "quorum" / "portwatch.yml").read_text("utf-8"))
    made = [rule for group in document["groups"] for rule in group["rules"]]
    assert len({rule["uid"] for rule in made}) == len({rule["title"] for rule in made}) == len(made)
    told = {rule["labels"]["alert"] for rule in made}
    assert told == {rule["alert"] for _, rule in alerting.alerts()} | {"PortwatchMonitorsDisagree"}
    for rule in made:
        of_itself = rule["labels"]["cause"] in {"monitor", "watchdog", "monitors_disagree"}
        assert ("quorum" in rule["labels"]) != (of_itself and rule["labels"]["alert"] != "PortwatchMassOutage")


def test_templates_lose_only_what_they_asked_prometheus_for() -> None:
    text = (
        "{{ $labels.school }}: {{ with query (printf `up{a=%q}` $labels.a) }}{{ range . }}{{ .Value }}{{ end }}"
        '{{ else }}nothing{{ end }}, {{ if eq $labels.family "ipv6" }}six{{ else }}four{{ end }} {{ $value }}'
    )
    assert alerting.template(text) == (
        '{{ $labels.school }}: nothing, {{ if eq $labels.family "ipv6" }}six{{ else }}four{{ end }} '
        "{{ $values.query.Value }}"
    )
    with pytest.raises(ValueError, match="without a beginning"):
        alerting.template("{{ with query `a` }}{{ end }}{{ end }}{{ if . }}x{{ end }}{{ end }}")


@pytest.mark.parametrize("name", ["dashboards", "datasources"])
def test_provisioning_is_of_version_one(name: str) -> None:
    document = yaml.safe_load((GRAFANA / "provisioning" / name / "portwatch.yml").read_text("utf-8"))
    assert document["apiVersion"] == 1
    if name == "datasources":
        assert [one["uid"] for one in document["datasources"]] == [alerting.SOURCE_UID]


TIMES = ("group_wait", "group_interval", "repeat_interval")


CONTACT = "it@gym-nord.example.org"


def _routes(route: dict[str, Any], matchers: str) -> list[tuple[Any, ...]]:
    """Return what a route and those under it match, how they group, when they tell and whom."""
    own = str(route.get(matchers, "")).replace("alertname", "alert").replace(", ", "").replace("'", "").replace('"', "")
    groups = [one.replace("alertname", "alert") for one in route.get("group_by", ())]
    told = route.get("receiver", "").removeprefix("portwatch-").removeprefix("district-")
    made = [(own.strip("[]"), groups, *(route.get(time) for time in TIMES), route.get("continue"), told)]
    return made + [one for under in route.get("routes", ()) for one in _routes(under, matchers)]


def test_grafana_groups_and_routes_as_alertmanager_does() -> None:
    """One school's contact stands for all of them: Grafana's addresses know no templates."""
    here = yaml.safe_load((GRAFANA / "provisioning" / "alerting" / "notifications.yml").read_text("utf-8"))
    there = yaml.safe_load((GRAFANA.parent / "deploy" / "alertmanager" / "alertmanager.yml").read_text("utf-8"))
    (policy,) = here["policies"]
    theirs = [
        (own.replace("contact=~.+@.+", f"contact={CONTACT}"), *how) for own, *how in _routes(there["route"], "matchers")
    ]
    assert _routes(policy, "object_matchers") == theirs
    points = {one["name"]: one["receivers"] for one in here["contactPoints"]}
    assert {f"portwatch-{how[-1]}" for _, *how in theirs} == points.keys()
    assert [one["settings"]["addresses"] for one in points["portwatch-contact"]] == [CONTACT]


def _matchers(route: dict[str, Any]) -> list[list[str]]:
    own: list[list[str]] = route.get("object_matchers", [])
    return own + [one for under in route.get("routes", ()) for one in _matchers(under)]


def test_policies_have_the_format_that_grafana_reads() -> None:
    here = yaml.safe_load((GRAFANA / "provisioning" / "alerting" / "notifications.yml").read_text("utf-8"))
    assert set(here) == {"apiVersion", "contactPoints", "policies"}
    uids = [receiver["uid"] for point in here["contactPoints"] for receiver in point["receivers"]]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= alerting.UID_LIMIT for uid in uids)
    for matcher in _matchers(here["policies"][0]):
        name, operator, value = matcher
        assert isinstance(value, str), matcher
        assert operator in {"=", "!=", "=~", "!~"}
        assert name in {"alert", "cause", "school", "district", "contact"}, "a label that the alerts have"
