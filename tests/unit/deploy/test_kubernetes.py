"""What Kubernetes is given: files that hang together, and options that the daemon has."""

import argparse
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from portwatchd.config import load
from portwatchd.runcommand import add_run

DEPLOY = Path(__file__).parents[3] / "deploy"
PLACE = DEPLOY / "kubernetes"


def documents(name: str) -> Iterator[Any]:
    yield from yaml.safe_load_all((PLACE / name).read_text())


def document(name: str) -> Any:  # noqa: ANN401 - YAML
    (one,) = documents(name)
    return one


def test_every_file_that_is_named_is_there_and_the_other_way_round() -> None:
    kustomization = document("kustomization.yaml")
    files = [file for made in kustomization["configMapGenerator"] for file in made["files"]]
    named = {*kustomization["resources"], *files, "kustomization.yaml", "make-prometheusrule.sh"}
    there = {path.name for path in PLACE.iterdir()} | {"prometheusrule.yaml"}
    assert named == there


def test_the_daemon_has_the_options_and_the_shards_match() -> None:
    spec = document("statefulset.yaml")["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    values = {"SHARD": "0"} | {one["name"]: one["value"] for one in container["env"] if "value" in one}
    arguments = [re.sub(r"\$\(([A-Z_]+)\)", lambda found: values[found[1]], one) for one in container["args"]]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_run(parser)
    options = parser.parse_args(arguments[1:])
    assert arguments[0] == "run"
    assert options.total_shards == spec["replicas"]
    assert {one.name for one in (options.config_file, options.storage_path)} == {"portwatchd.yml", "portwatchd.db"}


def test_the_configuration_is_sound() -> None:
    assert load(PLACE / "portwatchd.yml").http_sd_configs


@pytest.mark.skipif(not (DEPLOY / "prometheus" / "portwatch.rules.yml").exists(), reason="the rules are not built")
def test_the_rule_holds_all_rules(tmp_path: Path) -> None:
    made = tmp_path / "rule.yaml"
    subprocess.run([PLACE / "make-prometheusrule.sh", made], check=True)
    rule = yaml.safe_load(made.read_text())
    rules = yaml.safe_load((DEPLOY / "prometheus" / "portwatch.rules.yml").read_text())
    assert rule["kind"] == "PrometheusRule"
    assert rule["spec"] == rules
