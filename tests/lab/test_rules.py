"""What `deploy/` ships is current, complete, and accepted by the real promtool and amtool."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from portwatchd.metrics.families import CATALOGUE
from portwatchd.metrics.family import Kind

from .alerting import DEPLOY, hastened

RULES, TESTS, AM = DEPLOY / "prometheus", DEPLOY / "prometheus" / "tests", DEPLOY / "alertmanager"
PROMISED = [
    "PortwatchForwardLost",
    "PortwatchAllForwardsLost",
    "PortwatchRouterAnswers",
    "PortwatchWrongDevice",
    "PortwatchServiceDown",
    "PortwatchServerDown",
    "PortwatchLineDown",
    "PortwatchIPv4Lost",
    "PortwatchIPv6Lost",
    "PortwatchDNSFailed",
    "PortwatchRangeIncomplete",
    "PortwatchExposedHostLost",
    "PortwatchPolicyViolated",
    "PortwatchCertificateInvalid",
    "PortwatchCertificateExpiring",
    "PortwatchCertificateRenewalOverdue",
    "PortwatchMonitorIsolated",
    "PortwatchMassOutage",
    "PortwatchBlockedHere",
    "PortwatchDown",
    "PortwatchStalled",
    "PortwatchRoundsSkipped",
    "PortwatchReloadFailed",
    "PortwatchStorageFailed",
    "PortwatchSchoolsDropped",
    "PortwatchDiscoveryFailed",
    "Watchdog",
]
# What Prometheus itself adds to every target, and process metrics that every client library has.
FOREIGN = {"up", "process_start_time_seconds", "ALERTS"}
GIVEN = {"monitor", "job", "instance", "district", "contact", "host", "profile"}


def _run(*argv: str | Path, timeout: float = 120) -> str:
    done = subprocess.run(
        [str(word) for word in argv], capture_output=True, text=True, check=False, timeout=timeout, cwd=DEPLOY
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _rules(name: str = "portwatch.rules.yml") -> list[dict[str, Any]]:
    content = yaml.safe_load((RULES / name).read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def _alerts(name: str = "portwatch.rules.yml") -> list[dict[str, Any]]:
    return [rule for rule in _rules(name) if "alert" in rule]


def test_the_committed_rules_are_current() -> None:
    _run(sys.executable, RULES / "build.py", "--check")


def test_every_promised_alert_is_there_and_no_other() -> None:
    assert {alert["alert"] for alert in _alerts()} == set(PROMISED)


@pytest.mark.parametrize("name", ["portwatch.rules.yml", "quorum.rules.yml"])
def test_every_alert_says_what_follows_and_what_to_do(name: str) -> None:
    uids = {json.loads(path.read_text())["uid"] for path in (DEPLOY.parent / "grafana" / "dashboards").iterdir()}
    for alert in _alerts(name):
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        for key in ("title", "summary", "description", "consequence", "remedy"):
            assert alert["annotations"][key], alert["alert"]
            assert alert["annotations"][f"{key}_de"], alert["alert"]
        board, _, variable = alert["annotations"]["dashboard_url"].partition("?")
        assert board.removeprefix("http://localhost:3000/d/") in uids
        assert (variable == "var-school={{ $labels.school | urlquery }}") == board.endswith("/portwatch-school")
        assert board.endswith("/portwatch-school") == ("$labels.school" in alert["annotations"]["summary"])
        page = alert["annotations"]["runbook_url"].rpartition("/")[2]
        assert page == f"{alert['alert']}.md"
        assert (DEPLOY / "runbooks" / page).read_text().startswith(f"# {alert['alert']}\n")


def test_every_alert_has_tests_of_its_own() -> None:
    for name in PROMISED:
        assert f'alertname="{name}"' in (TESTS / f"{name}.yml").read_text()


def test_every_runbook_belongs_to_an_alert() -> None:
    alerts = {alert["alert"] for name in ("portwatch.rules.yml", "quorum.rules.yml") for alert in _alerts(name)}
    assert {page.stem for page in (DEPLOY / "runbooks").glob("*.md")} == alerts


def test_whoever_misses_schools_is_led_to_where_discovered_ones_are_shown() -> None:
    (dropped,) = (alert for alert in _alerts() if alert["alert"] == "PortwatchSchoolsDropped")
    page = (DEPLOY / "runbooks" / "PortwatchSchoolsDropped.md").read_text()
    for said in (dropped["annotations"]["remedy"], dropped["annotations"]["remedy_de"], page):
        assert "/sd" in said
        assert "config show" in said


def test_every_metric_and_label_is_in_the_catalogue() -> None:
    rules = [*_rules(), *_rules("quorum.rules.yml")]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    known: set[str] = set()
    labels: set[str] = {"severity", "alertname", "alertstate", "cause", "quorum", "scope", *GIVEN}
    for family in CATALOGUE:
        ends = ("_bucket", "_sum", "_count") if family.kind is Kind.HISTOGRAM else ("",)
        known |= {family.name + end for end in ends}
        labels |= set(family.labels)
    for rule in rules:
        annotations = " ".join(rule.get("annotations", {}).values())
        said = f"{rule['expr']} {' '.join(re.findall(r'query .*? [$]labels', annotations))}"
        metrics = set(re.findall(r"\b(portwatch[:_][\w:]+|process_\w+|up)\b", re.sub(r'"[^"]*"', '""', rule["expr"])))
        metrics |= set(re.findall(r"\b(portwatch[:_][\w:]+)", " ".join(re.findall(r"printf (\"[^$]*)", annotations))))
        assert metrics <= known | recorded | FOREIGN, metrics - known - recorded
        selected = re.findall(r"[{,]\s*(\w+)(?:=~|!~|!=|=)", said)
        grouped = re.findall(r"\b(?:on|by|without|group_left) \(([^)]*)\)", rule["expr"])
        used = {*selected, *(name for names in grouped for name in re.split(r",\s*", names) if name)}
        assert used <= labels, used - labels
        assert set(re.findall(r"\$labels\.(\w+)", annotations)) <= labels


def test_own_profiles_bring_their_own_consequences(tmp_path: Path) -> None:
    config = tmp_path / "portwatchd.yml"
    config.write_text(
        "profiles: {ours: {extends: iserv, without: [smtp], services: {"
        "vpn: {port: 51443, protocol: tcp, consequence: Nobody dials in.}, "
        "smtp: {port: 25, protocol: smtp, consequence: The relay is deaf.}}}}\n"
        "schools: [{name: gym, host: gym.example.org}]\n"
    )
    _run(sys.executable, RULES / "build.py", "--config", config, "--labels", "region", "--critical", "vpn,https",
         "--runbooks", "https://wiki.example.org/", "--grafana", "https://grafana.example.org/",
         "--output", tmp_path)  # fmt: skip
    rules = yaml.safe_load((tmp_path / "portwatch.rules.yml").read_text())
    flat = [rule for group in rules["groups"] for rule in group["rules"]]
    words = [rule["labels"] for rule in flat if rule.get("record") == "portwatch:service_words:info"]
    assert {"port_name": "vpn", "consequence": "Nobody dials in.", "consequence_de": "Nobody dials in."} in words
    assert [one["consequence"] for one in words if one.get("profile") == "ours" and one["port_name"] == "smtp"] == [
        "The relay is deaf."
    ]
    text = (tmp_path / "portwatch.rules.yml").read_text()
    assert "group_left (host, profile, region) portwatch_school_info" in text
    assert "https://wiki.example.org/PortwatchForwardLost.md" in text
    assert "https://grafana.example.org/d/portwatch-school?var-school=" in text
    assert 'port_name=~"vpn|https"' in text
    _run("promtool", "check", "rules", tmp_path / "portwatch.rules.yml", tmp_path / "quorum.rules.yml")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--labels", "district,phone-number"), "--labels: 'phone-number' is no label's name"),
        (("--labels", "school,host,severity"), "--labels: 'severity' has a meaning of its own in the rules"),
        (("--labels", "region,region"), "--labels: 'region' is given twice"),
        (("--output", "/nowhere/at/all"), "--output: /nowhere/at/all is no folder"),
    ],
)
def test_options_that_cannot_be_are_refused(given: tuple[str, str], said: str, tmp_path: Path) -> None:
    argv = [sys.executable, str(RULES / "build.py"), "--output", str(tmp_path), *given]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def _installed(readme: Path) -> dict[str, set[Path]]:
    """Return what the steps of a README copy, by the folder that it is copied to."""
    copied: dict[str, set[Path]] = {}
    for files, folder in re.findall(r"^install -m 644 (.+?) +(/\S+/)(?: +#.*)?$", readme.read_text(), re.MULTILINE):
        for pattern in files.split():
            found = set(DEPLOY.parent.glob(pattern))
            assert found, f"{readme}: {pattern} is not there"
            copied.setdefault(folder, set()).update(found)
    return copied


def test_what_the_steps_copy_is_whole_and_accepted_where_it_is_put(tmp_path: Path) -> None:
    copied = _installed(RULES / "README.md")
    assert set(copied) == {"/etc/prometheus/"}
    for path in copied["/etc/prometheus/"]:
        (tmp_path / path.name).write_text(path.read_text())
    assert "1 rule files found" in _run("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert "SUCCESS" in _run("amtool", "check-config", tmp_path / "alertmanager.yml")
    assert {path.name for path in copied["/etc/prometheus/"]} >= {path.name for path in AM.iterdir()}


def test_the_steps_copy_every_file_that_grafana_takes() -> None:
    grafana = DEPLOY.parent / "grafana"
    copied = {path for paths in _installed(grafana / "README.md").values() for path in paths}
    assert copied == {*grafana.glob("dashboards/*.json"), *grafana.glob("provisioning/*/*.yml")}


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus.quorum.yml"])
def test_promtool_accepts_the_examples_and_the_rules(name: str) -> None:
    assert "SUCCESS" in _run("promtool", "check", "config", "--lint-fatal", RULES / name)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("path", sorted(TESTS.glob("*.yml")), ids=lambda path: path.stem)
def test_promtool_finds_the_alerts_as_they_should_be(path: Path) -> None:
    assert "SUCCESS" in _run("promtool", "test", "rules", path, timeout=80)


def _texts(name: str, tmp_path: Path, *more: dict[str, str]) -> dict[str, str]:
    """Ask promtool for no alert at a moment when one fires: it then shows the one that it found, with its texts."""
    content = yaml.safe_load((TESTS / f"{name}.yml").read_text())
    first = next(
        test
        for test in content["tests"]
        if any(name in str(check.get("exp_samples")) for check in test["promql_expr_test"])
    )
    at = next(c["eval_time"] for c in first["promql_expr_test"] if name in str(c.get("exp_samples")))
    del first["promql_expr_test"]
    first["input_series"] += more
    first["alert_rule_test"] = [{"alertname": name, "eval_time": at, "exp_alerts": []}]
    content |= {"rule_files": [str(RULES / "portwatch.rules.yml")], "tests": [first]}
    path = tmp_path / "texts.yml"
    path.write_text(yaml.safe_dump(content))
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False, timeout=80)
    shown = done.stdout + done.stderr
    assert "got:[" in shown.replace(" ", "").replace("\n", ""), shown
    assert "<error" not in shown
    assert "<no value>" not in shown
    return dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', shown.partition("Annotations:")[2]))


@pytest.mark.timeout(90)
@pytest.mark.parametrize("name", PROMISED)
def test_every_text_can_be_rendered(name: str, tmp_path: Path) -> None:
    texts = _texts(name, tmp_path)
    for key in ("title", "summary", "description", "consequence", "remedy"):
        for said in (texts[key], texts[f"{key}_de"]):
            assert said == said.strip() != "", (key, texts)
    assert texts["dashboard_url"].endswith("?var-school=gym") == texts["summary"].startswith("gym: ")


def test_a_lost_school_is_described_with_its_ports_where_they_are_known(tmp_path: Path) -> None:
    ports = (
        'portwatch_port_up{job="portwatchd",instance="mon:10052",school="gym",family="ipv4",port="25",port_name="smtp"}'
    )
    texts = _texts("PortwatchDNSFailed", tmp_path, {"series": ports, "values": "0x99"})
    assert texts["description"].startswith("Not reachable: 25 (smtp). Host gym.example.org, profile iserv.")
    texts = _texts("PortwatchDNSFailed", tmp_path)
    assert texts["description"].startswith("Host gym.example.org, profile iserv.")
    assert texts["description_de"].startswith("Host gym.example.org, Profil iserv.")


def test_since_is_when_the_daemon_saw_it_first(tmp_path: Path) -> None:
    labels = 'job="portwatchd",instance="mon:10052",school="gym"'
    port = f'portwatch_port_verdict_since_timestamp_seconds{{{labels},family="ipv4",port="25",port_name="smtp"}}'
    texts = _texts("PortwatchForwardLost", tmp_path, {"series": port, "values": "-86400x199"})
    assert re.fullmatch(r"1969-12-3\d \d\d:00 \S+", texts["since"])
    school = f"portwatch_school_diagnosis_since_timestamp_seconds{{{labels}}}"
    texts = _texts("PortwatchLineDown", tmp_path, {"series": school, "values": "-86400x199"})
    assert re.fullmatch(r"1969-12-3\d \d\d:00 \S+", texts["since"])
    assert _texts("PortwatchForwardLost", tmp_path)["since"] == ""


ROUTES = {
    "Watchdog": ("deadman", {"alertname": "Watchdog", "severity": "info", "cause": "watchdog"}),
    "the monitor": ("mail", {"alertname": "PortwatchDown", "cause": "monitor", "severity": "critical"}),
    "a school": ("mail", {"school": "gym", "cause": "line_down", "severity": "critical"}),
    "a district": ("district-nord,mail", {"school": "gym", "cause": "line_down", "district": "nord"}),
    "a contact in a district": (
        "district-nord,contact,mail",
        {"school": "gym", "cause": "line_down", "district": "nord", "contact": "it@gym.example.org"},
    ),
    "a contact": ("contact,mail", {"school": "gym", "cause": "line_down", "contact": "it@gym.example.org"}),
    "no address": ("mail", {"school": "gym", "cause": "line_down", "contact": "Frau Meier"}),
    "what can wait": ("mail", {"school": "gym", "cause": "policy_violated"}),
    "what can wait, to everybody whom a school's alert reaches": (
        "district-nord,contact,mail",
        {"school": "gym", "cause": "policy_violated", "district": "nord", "contact": "it@gym.example.org"},
    ),
}


def test_amtool_accepts_the_configuration_and_its_templates() -> None:
    assert "SUCCESS" in _run("amtool", "check-config", AM / "alertmanager.yml")


@pytest.mark.parametrize("who", ROUTES)
def test_notifications_take_their_route(who: str) -> None:
    receivers, labels = ROUTES[who]
    given = [f"{name}={value}" for name, value in labels.items()]
    argv = ["amtool", "config", "routes", "test", f"--config.file={AM / 'alertmanager.yml'}"]
    _run(*argv, f"--verify.receivers={receivers}", *given)


def test_inhibitions_rest_on_labels_that_are_always_there_and_stay_within_one_notification() -> None:
    content = yaml.safe_load((AM / "alertmanager.yml").read_text())
    causes = {
        alert["alert"]: alert["labels"]["cause"]
        for name in ("portwatch.rules.yml", "quorum.rules.yml")
        for alert in _alerts(name)
    }
    grouped = set(content["route"]["group_by"]) - {"cause"}
    for rule in content["inhibit_rules"]:
        assert rule["equal"] == ["monitor", "job", "instance", "school", "family", "port"]
        assert grouped <= set(rule["equal"])
        named = {
            name
            for matchers in (rule["source_matchers"], rule["target_matchers"])
            for names in re.findall(r'alertname=~?"([^"]*)"', str(matchers))
            for name in names.split("|")
        }
        assert {causes[name] for name in named} == {"certificate"}, "a notification is of one cause"
    for named in re.findall(r'cause!?=~?"([^"]*)"', (AM / "alertmanager.yml").read_text()):
        assert set(named.split("|")) <= set(causes.values())


GROUP: dict[str, Any] = {
    "receiver": "mail",
    "status": "firing",
    "groupLabels": {"school": "gym-nord", "cause": "forwards_lost"},
    "commonLabels": {"school": "gym-nord", "cause": "forwards_lost", "host": "gym-nord.example.org"},
    "commonAnnotations": {},
    "externalURL": "http://127.0.0.1:9093",
    "alerts": [
        {
            "status": status,
            "labels": {"alertname": "PortwatchForwardLost", "severity": severity},
            "annotations": {
                "title": f"{port} not forwarded",
                "title_de": f"{port} nicht weitergeleitet",
                "summary": f"The router no longer forwards {port} <b>.",
                "summary_de": f"Der Router leitet {port} nicht mehr weiter.",
                "consequence": "The school receives no mail.",
                "consequence_de": "Die Schule empfängt keine E-Mails.",
                "remedy": "Forward it again.",
                "remedy_de": "Leiten Sie es wieder weiter.",
                "dashboard_url": "https://grafana.example.org/d/portwatch-school?var-school=gym-nord",
                "runbook_url": "https://example.org/PortwatchForwardLost.md",
            },
            "startsAt": "2026-01-01T10:00:00Z",
            "endsAt": "2026-01-01T11:00:00Z",
        }
        for status, severity, port in (
            ("firing", "warning", 143),
            ("firing", "critical", 25),
            ("resolved", "warning", 993),
        )
    ],
}
SAID = {
    "en": (
        "[CRITICAL] gym-nord: 143 not forwarded, 25 not forwarded",
        "What to do: Forward it again.",
        "This is over:",
    ),
    "de": (
        "[KRITISCH] gym-nord: 143 nicht weitergeleitet, 25 nicht weitergeleitet",
        "Was zu tun ist: Leiten Sie es wieder weiter.",
        "Das ist vorbei:",
    ),
}


def test_shards_that_are_cut_off_together_are_one_notification_that_says_it_once(tmp_path: Path) -> None:
    routes = yaml.safe_load((AM / "alertmanager.yml").read_text())["route"]["routes"]
    line = ['alertname=~"PortwatchMonitorIsolated|PortwatchMassOutage"']
    assert [one["group_by"] for one in routes if one["matchers"] == line] == [["monitor", "alertname"]]
    alert = {
        "status": "firing",
        "labels": {"severity": "critical"},
        "annotations": {"title": "monitor isolated", "title_de": "Überwachung abgeschnitten"},
    }
    data = tmp_path / "group.json"
    data.write_text(json.dumps(GROUP | {"groupLabels": {}, "commonLabels": {}, "alerts": [alert] * 6}))
    for lang, subject in (
        ("en", "[CRITICAL] portwatchd: monitor isolated"),
        ("de", "[KRITISCH] portwatchd: Überwachung abgeschnitten"),
    ):
        assert _run(
            "amtool", "template", "render", f"--template.glob={AM / 'portwatch.*.tmpl'}",
            f"--template.data={data}", f'--template.text={{{{ template "portwatch.{lang}.subject" . }}}}',
        ).strip() == subject  # fmt: skip


PARTS = {"subject": "text", "text": "text", "html": "html"}


def _rendered(lang: str, part: str, kind: str, data: Path) -> str:
    return _run(
        "amtool", "template", "render", f"--template.glob={AM / 'portwatch.*.tmpl'}", f"--template.type={kind}",
        f"--template.data={data}", f'--template.text={{{{ template "portwatch.{lang}.{part}" . }}}}',
    )  # fmt: skip


@pytest.mark.parametrize("lang", SAID)
def test_a_group_is_told_in_plain_text_and_in_html(lang: str, tmp_path: Path) -> None:
    data = tmp_path / "group.json"
    data.write_text(json.dumps(GROUP))

    subject, remedy, well = SAID[lang]
    assert _rendered(lang, "subject", "text", data).strip() == subject
    text = _rendered(lang, "text", "text", data)
    assert text.count(remedy) == 1, "the remedy of several ports is told once"
    assert text.count("PortwatchForwardLost.md") == 1
    assert text.count("Dashboard: https://grafana.example.org/d/portwatch-school?var-school=gym-nord\n") == 1
    assert well in text
    html = _rendered(lang, "html", "html", data)
    assert "<b>." not in html, "what comes from outside is escaped"
    assert "ZgotmplZ" not in html
    assert '<a href="https://grafana.example.org/d/portwatch-school?var-school=gym-nord">Dashboard</a>' in html
    assert remedy.partition(": ")[2] in html


OVER = {
    "en": (
        "[RESOLVED] gym-nord: 143 not forwarded, ",
        "Only this is over. Whatever else is wrong at the school",
        "well",
    ),
    "de": ("[BEENDET] gym-nord: 143 nicht weitergeleitet, ", "Nur dies ist vorbei. Was der Schule sonst", "Ordnung"),
}


@pytest.mark.parametrize("lang", OVER)
def test_the_end_of_one_cause_does_not_say_that_all_is_well(lang: str, tmp_path: Path) -> None:
    ended = [alert | {"status": "resolved"} for alert in GROUP["alerts"]]
    data = tmp_path / "group.json"
    data.write_text(json.dumps(GROUP | {"status": "resolved", "alerts": ended}))
    subject, over, never = OVER[lang]
    said = {part: _rendered(lang, part, kind, data) for part, kind in PARTS.items()}
    assert said["subject"].strip().startswith(subject)
    for part in ("text", "html"):
        assert over in said[part]
        assert "https://grafana.example.org/d/portwatch-school?var-school=gym-nord" in said[part]
        assert never not in said[part]


@pytest.mark.parametrize(("lang", "word"), [("en", "since"), ("de", "seit")])
def test_a_fault_is_told_since_when_it_is_there_not_since_when_the_alert_is(
    lang: str, word: str, tmp_path: Path
) -> None:
    first, *others = GROUP["alerts"]
    first = first | {"annotations": first["annotations"] | {"since": "2025-12-24 18:00 CET"}}
    data = tmp_path / "group.json"
    data.write_text(json.dumps(GROUP | {"alerts": [first, *others]}))
    for part, kind in (("text", "text"), ("html", "html")):
        assert len(re.findall(rf"{word} 2025-12-24 18:00 CET", _rendered(lang, part, kind, data))) == 1
        assert len(re.findall(rf"{word} 2026-01-01 \d\d:00 ", _rendered(lang, part, kind, data))) == 2


def test_the_labs_haste_changes_waiting_times_and_nothing_else() -> None:
    rules = yaml.safe_load((RULES / "portwatch.rules.yml").read_text())
    quick = yaml.safe_load(hastened((RULES / "portwatch.rules.yml").read_text()))
    for group in (*rules["groups"], *quick["groups"]):
        group.pop("interval", None)
        for rule in group["rules"]:
            rule.pop("for", None)
            rule.pop("keep_firing_for", None)
    assert quick == rules
