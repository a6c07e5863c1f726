"""The formats, each text held against Prometheus itself where its tool is at hand."""

import shutil
import subprocess
from pathlib import Path

import pytest

from portwatchd.discovery.groups import TARGET_LIMIT, Broken, Group, from_json, from_yaml

GOOD_JSON = {
    "two groups": (
        '[{"targets":["a.example.org","b.example.org:443"],"labels":{"district":"nord"}},{"targets":["c"]}]',
        [Group(("a.example.org", "b.example.org:443"), {"district": "nord"}), Group(("c",), {})],
    ),
    "nothing": ("[]", []),
    "null": ("null", []),
    "null inside": ('[{"targets":null,"labels":null}]', [Group((), {})]),
    "empty group": ("[{}]", [Group((), {})]),
    "keys in any case": ('[{"Targets":["a"],"LABELS":{"x":"y"}}]', [Group(("a",), {"x": "y"})]),
}
BAD_JSON = {
    "empty": ("", "line 1: is not JSON"),
    "half": ('[{"targets":["a"', "line 1: is not JSON"),
    "mapping": ('{"targets":["a"]}', "is no list of target groups"),
    "unknown key": ('[{"targets":["a"],"name":"x"}]', "group 1: unknown key 'name'"),
    "number": ('[{"targets":[1]}]', "group 1: a target is '1', but text is wanted"),
    "number as a label": ('[{"targets":["a"],"labels":{"x":7}}]', "group 1: the label 'x' is '7'"),
    "targets is text": ('[{"targets":"a"}]', "group 1: targets is no list"),
    "labels is a list": ('[{"targets":["a"],"labels":[]}]', "group 1: labels is no mapping"),
    "group is text": ('["a"]', "group 1: is no mapping"),
    "null group": ("[null]", "group 1: is no mapping"),
    "trailing": ("[] []", "is not JSON"),
    "no number": ('[{"targets":[NaN]}]', "NaN is no value"),
}
GOOD_YAML = {
    "two groups": (
        "- targets: [a.example.org, 'b.example.org:443']\n  labels: {district: nord}\n- targets:\n  - c\n",
        [Group(("a.example.org", "b.example.org:443"), {"district": "nord"}), Group(("c",), {})],
    ),
    "empty": ("", []),
    "comments": ("# none yet\n", []),
    "null": ("null\n", []),
    "nothing": ("[]\n", []),
    "scalars are text": (
        "- targets: [10.0.0.1]\n  labels: {district: 07, on: yes, at: 22:30, none: ~}\n",
        [Group(("10.0.0.1",), {"district": "07", "on": "yes", "at": "22:30", "none": ""})],
    ),
    "aliases": (
        "- targets: [a]\n  labels: &l {district: nord}\n- targets: [b]\n  labels: *l\n",
        [Group(("a",), {"district": "nord"}), Group(("b",), {"district": "nord"})],
    ),
    "merge": (
        "- targets: [a]\n  labels: &l {kind: gym}\n- targets: [b]\n  labels: {<<: *l, town: y}\n",
        [Group(("a",), {"kind": "gym"}), Group(("b",), {"kind": "gym", "town": "y"})],
    ),
    "tagged text": ("- targets: [!!str 7]\n", [Group(("7",), {})]),
    "json": ('[{"targets": ["a"], "labels": {"x": "y"}}]', [Group(("a",), {"x": "y"})]),
}
BAD_YAML = {
    "mapping": ("targets: [a]\n", "is no list of target groups"),
    "unknown key": ("- targets: [a]\n  name: x\n", "line 1: unknown key 'name'"),
    "key twice": ("- targets: [a]\n  targets: [b]\n", "line 2: the key stands here twice"),
    "syntax": ("- targets: [a\n", "is not YAML"),
    "targets is text": ("- targets: a\n", "line 1: targets is no list"),
    "label is a list": ("- targets: [a]\n  labels: {x: [y]}\n", "line 2: text is wanted"),
    "unknown alias": ("- targets: [*a]\n", "the alias *a is not allowed here"),
}


@pytest.mark.parametrize(("text", "groups"), GOOD_JSON.values(), ids=GOOD_JSON)
def test_json(text: str, groups: list[Group]) -> None:
    assert from_json(text) == groups


@pytest.mark.parametrize(("text", "reason"), BAD_JSON.values(), ids=BAD_JSON)
def test_json_that_is_none(text: str, reason: str) -> None:
    with pytest.raises(Broken) as caught:
        from_json(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("text", "groups"), GOOD_YAML.values(), ids=GOOD_YAML)
def test_yaml(text: str, groups: list[Group]) -> None:
    assert from_yaml(text) == groups


@pytest.mark.parametrize(("text", "reason"), BAD_YAML.values(), ids=BAD_YAML)
def test_yaml_that_is_none(text: str, reason: str) -> None:
    with pytest.raises(Broken) as caught:
        from_yaml(text)
    assert reason in str(caught.value)


def test_nesting_and_multiplying_end_before_memory_does() -> None:
    with pytest.raises(Broken, match="is not JSON"):
        from_json("[" * 200_000)
    with pytest.raises(Broken, match="nested deeper"):
        from_yaml("[" * 200_000)
    ten = ", ".join(["t"] * 1000)
    with pytest.raises(Broken, match=f"more than {TARGET_LIMIT} targets"):
        from_yaml(f"- &g {{targets: [{ten}]}}\n" + "- *g\n" * 1000)
    with pytest.raises(Broken, match="the alias"):
        from_yaml("- &g {targets: [a], labels: *g}\n")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    ("ending", "text", "good"),
    [
        *(pytest.param("json", text, True, id=f"json {name}") for name, (text, _) in GOOD_JSON.items()),
        *(pytest.param("json", text, False, id=f"json {name}") for name, (text, _) in BAD_JSON.items()),
        *(pytest.param("yml", text, True, id=f"yaml {name}") for name, (text, _) in GOOD_YAML.items()),
        *(pytest.param("yml", text, False, id=f"yaml {name}") for name, (text, _) in BAD_YAML.items()),
    ],
)
def test_prometheus_thinks_so_too(tmp_path: Path, ending: str, text: str, good: bool) -> None:
    (tmp_path / f"t.{ending}").write_text(text)
    (tmp_path / "p.yml").write_text(
        f"scrape_configs: [{{job_name: x, file_sd_configs: [{{files: [{tmp_path}/t.{ending}]}}]}}]"
    )
    done = subprocess.run(["promtool", "check", "config", tmp_path / "p.yml"], capture_output=True, check=False)
    assert (done.returncode == 0) is good, done.stderr.decode()
