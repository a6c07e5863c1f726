"""Prometheus' alerts as rules that Grafana evaluates itself, for those who have no Alertmanager.

The expressions are the same, and they ask for the same recorded series: Prometheus has to load the rules too. Grafana's
templates cannot ask Prometheus back; what the sentences ask for is left out, and the dashboard shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).resolve().parents[1] / "deploy" / "prometheus" / "portwatch.rules.yml"
QUORUM = RULES.with_name("quorum.rules.yml")
SOURCE_UID = "portwatch-prometheus"
"""The data source of provisioning/datasources."""
INTERVAL = "1m"
UID_LIMIT = 40
HEAD = """\
# The alerts of deploy/prometheus/portwatch.rules.yml, evaluated by Grafana. Written by grafana/build.py; do not edit.
# Prometheus must load that file too: the expressions ask for what it records.
"""
QUORUM_HEAD = """\
# The alerts of two monitors that must agree, evaluated by Grafana. Written by grafana/build.py; do not edit.
# Take it instead of provisioning/alerting/portwatch.yml. Prometheus must load portwatch.rules.yml and quorum.rules.yml.
"""
OWN = "portwatch-monitor"
BOARDS = {
    "portwatch-schools": ("portwatch-school", "Ports over time"),
    "portwatch-monitor": ("portwatch-monitor", "Sees the outside, over time"),
    "portwatch-quorum": ("portwatch-school", "Ports over time"),
}
"""The dashboard and the panel that show what a group's alerts are about."""
BOARDS_OF_ALERTS = {
    "PortwatchMassOutage": ("portwatch-fleet", "Schools that are not well, by diagnosis"),
    "PortwatchMonitorIsolated": BOARDS["portwatch-monitor"],
    "PortwatchDown": BOARDS["portwatch-monitor"],
}
Json = dict[str, Any]


def rules(path: Path = RULES) -> list[Json]:
    """Return the groups of Prometheus' rules."""
    groups: list[Json] = yaml.safe_load(path.read_text("utf-8"))["groups"]
    return groups


def runbooks() -> str:
    """Return where the runbooks are read, as the alerts say it."""
    urls = {str(rule["annotations"]["runbook_url"]).rsplit("/", 1)[0] for _, rule in alerts()}
    if len(urls) != 1:
        raise ValueError(f"the alerts' runbooks are in several places: {sorted(urls)}")
    return urls.pop()


def alerts() -> Iterator[tuple[str, Json]]:
    """Yield every alert with its group's name."""
    for group in rules():
        for rule in group["rules"]:
            if "alert" in rule:
                yield group["name"], rule


def agreed() -> Iterator[tuple[str, Json]]:
    """Yield what takes their place for two monitors: what each says of itself, and both say of schools."""
    for group, rule in alerts():
        if rule["alert"] != "PortwatchMassOutage" and BOARDS_OF_ALERTS.get(rule["alert"], BOARDS[group])[0] == OWN:
            yield group, rule
    for both in rules(QUORUM):
        yield from ((str(both["name"]), rule) for rule in both["rules"] if "alert" in rule)


def provisioned(panels: Mapping[tuple[str, str], int], told: Sequence[tuple[str, Json]], head: str) -> str:
    """Return the provisioning file of alerts. `panels` gives the id of a panel by its dashboard and title."""
    names = [rule["alert"] for _, rule in told]
    groups: dict[str, list[Json]] = {}
    for group, rule in told:
        title, board = rule["alert"], BOARDS_OF_ALERTS.get(rule["alert"]) or BOARDS[group]
        if names.count(title) > 1:
            title = f"{title} ({', '.join(_distinction(rule['labels']))})"
        groups.setdefault(group, []).append(_rule(rule, title, board[0], panels[board]))
    document = {
        "apiVersion": 1,
        "groups": [
            {"orgId": 1, "name": name, "folder": "portwatch", "interval": INTERVAL, "rules": made}
            for name, made in groups.items()
        ],
    }
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=118)


def _distinction(labels: Json) -> Iterator[str]:
    """Yield what tells the rules of one alert apart."""
    yield labels["severity"]
    if "scope" in labels:
        yield labels["scope"].replace("_", " ")
    if labels.get("quorum") == "alone":
        yield "seen by one"


def consequences(language: str) -> str:
    """Return the template that says what the loss of a service means, without asking Prometheus."""
    known = {
        rule["labels"]["port_name"]: rule["labels"][f"consequence{language}"]
        for group in rules()
        for rule in group["rules"]
        if rule.get("record") == "portwatch:service_words:info" and "profile" not in rule["labels"]
    }
    arms = [f'if eq $labels.port_name "{name}" }}}}{said}' for name, said in known.items()]
    return "{{ " + "{{ else ".join(arms) + "{{ end }}"


def _said(name: str, text: str) -> str:
    if "portwatch:service_words:info" in text:
        return consequences(name.removeprefix("consequence"))
    return template(text, policy=not name.startswith(("consequence", "remedy")))


def _rule(rule: Json, title: str, board: str, panel: int) -> Json:
    """Return one rule: it fires for every series that the expression returns, whatever its value, as in Prometheus."""
    made: Json = {
        "uid": _uid(title),
        "title": title,
        "condition": "threshold",
        "data": [
            _step("query", SOURCE_UID, {"expr": rule["expr"].strip(), "instant": True, "range": False}, seconds=600),
            _step(
                "prometheus_math",
                "__expr__",
                {"type": "math", "expression": "is_number($query) || is_nan($query) || is_inf($query)"},
            ),
            _step(
                "threshold",
                "__expr__",
                {
                    "type": "threshold",
                    "expression": "prometheus_math",
                    "conditions": [{"evaluator": {"type": "gt", "params": [0]}}],
                },
            ),
        ],
        "dashboardUid": board,
        "panelId": panel,
        "noDataState": "OK",
        # When Prometheus cannot be asked, that is one alert, and no other comes or goes.
        "execErrState": "Alerting" if rule["alert"] == "PortwatchDown" else "KeepLast",
        "for": rule.get("for", "0s"),
    }
    if "keep_firing_for" in rule:
        made["keepFiringFor"] = rule["keep_firing_for"]
    school = "?var-school={{ $labels.school | urlquery }}" if board == "portwatch-school" else ""
    made["annotations"] = {name: said for name, text in rule["annotations"].items() if (said := _said(name, text))} | {
        "dashboard_url": f"{{{{ externalURL }}}}d/{board}{school}"
    }
    made["labels"] = {name: _literal(template(text)) for name, text in rule["labels"].items()}
    made["labels"]["alert"] = rule["alert"]  # Grafana calls the title alertname, and a title is unique
    made["isPaused"] = False
    return made


def _step(ref: str, source: str, model: Json, seconds: int = 0) -> Json:
    whole = {"refId": ref, **model, "intervalMs": 1_000, "maxDataPoints": 43_200}
    whole["datasource"] = {"type": "prometheus" if seconds else "__expr__", "uid": source}
    return {"refId": ref, "relativeTimeRange": {"from": seconds, "to": 0}, "datasourceUid": source, "model": whole}


def _literal(text: str) -> str:
    """Return a label as the provisioning reads it: in labels (not in annotations) `$name` is of the environment."""
    return text.replace("$", "$$")


def _uid(title: str) -> str:
    """Return a name that stays the same, of the letters that Grafana allows and no longer than it allows."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", title).lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:UID_LIMIT]


def template(text: str, *, policy: bool = False) -> str:
    """Return a template without what only Prometheus can: every `query` is taken to find nothing.

    With `policy`, the policy's own name stands where its words would be asked for.
    """
    parts = re.split(r"(\{\{.*?\}\})", text, flags=re.DOTALL)
    kept, _ = _block(parts, policy=policy)
    said = kept.replace("$value", "$values.query.Value")
    return re.sub(r"  +", " ", said).strip()


def _block(parts: list[str], *, inside: bool = False, policy: bool = False) -> tuple[str, list[str]]:
    """Return the text up to the block's `else` or `end`, and the parts from there on."""
    kept: list[str] = []
    while parts:
        part, parts = parts[0], parts[1:]
        action = part.strip("{} -") if part.startswith("{{") else ""
        word = action.split(" ", 1)[0]
        if word in {"end", "else"}:
            if not inside:
                raise ValueError(f"{part} without a beginning")
            return "".join(kept), [part, *parts]
        if word in {"if", "with", "range"}:
            body, parts = _block(parts, inside=True, policy=policy)
            other = "{{ $labels.policy }}" if policy and "policy_words" in action else ""
            if parts[0].strip("{} -") == "else":
                other, parts = _block(parts[1:], inside=True, policy=policy)
                middle = "{{ else }}" + other
            else:
                middle = ""
            end, parts = parts[0], parts[1:]
            kept.append(other if re.search(r"\bquery\b", action) else f"{part}{body}{middle}{end}")
        else:
            kept.append(part)
    return "".join(kept), []
