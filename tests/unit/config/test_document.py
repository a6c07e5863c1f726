"""The tree of a file: text as written, lines, and both of PyYAML's parsers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from portwatchd.config.document import Items, Node, Scalar, Table, parse
from portwatchd.config.problem import Problems

CONFIGS = Path(__file__).parents[2] / "config"


def tree(text: str) -> Node | None:
    sheet = Problems().sheet("x.yml")
    found = parse(text, sheet)
    assert sheet.problems == []
    return found


@pytest.mark.parametrize(
    "written", ["no", "on", "Yes", "22:30", "1:20:30", "0o22", "022", "0x1F", "1_000", ".inf", "1e3", "2024-01-01", "="]
)
def test_plain_text_stays_what_was_written(written: str) -> None:
    assert tree(f"a: {written}") == Table({"a": (1, Scalar(written, plain=True, line=1))}, 1)


@pytest.mark.parametrize("written", ["", "~", "null", "Null", "NULL"])
def test_null_is_nothing_unless_quoted(written: str) -> None:
    found = tree(f"- {written}\n- '{written}'\n")
    assert isinstance(found, Items)
    assert [isinstance(node, Scalar) and node.null for node in found.nodes] == [True, False]


def test_every_value_knows_its_line() -> None:
    found = tree("a:\n  - b\n  -\n    c: d\n")
    inner = Table({"c": (4, Scalar("d", plain=True, line=4))}, 4)
    assert found == Table({"a": (1, Items([Scalar("b", plain=True, line=2), inner], 2))}, 1)


def test_quotes_and_blocks_are_not_plain() -> None:
    found = tree("- 'a'\n- \"b\"\n- |\n  c\n- >-\n  d\n")
    assert isinstance(found, Items)
    assert found.nodes == [
        Scalar("a", plain=False, line=1),
        Scalar("b", plain=False, line=2),
        Scalar("c\n", plain=False, line=3),
        Scalar("d", plain=False, line=5),
    ]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*/**/*.yml")), ids=lambda path: path.stem)
def test_both_parsers_make_the_same_of_every_file(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", "ignore").replace("\0", "")
    fast, slow = Problems().sheet("x.yml"), Problems().sheet("x.yml")
    assert parse(text, fast, yaml.CSafeLoader) == parse(text, slow, yaml.SafeLoader)
    assert [problem.line for problem in fast.problems] == [problem.line for problem in slow.problems]
