"""Owns the formats: a text, as Prometheus reads it for file_sd and http_sd, becomes target groups or is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn

from portwatchd.config.document import Items, Node, Scalar, Table, parse
from portwatchd.config.problem import ConfigError, Problems, escaped, shown

TARGET_LIMIT = 100_000
"""Targets of one list. More is no list of schools, and aliases can make a short text say any number of them."""
MERGE = "<<"


class Broken(Exception):
    """A list that cannot be used; the text says why."""


class Group(NamedTuple):
    """Targets that share labels."""

    targets: tuple[str, ...]
    labels: Mapping[str, str]


def from_json(text: str) -> list[Group]:
    """The groups of a JSON text; Broken where Prometheus would refuse it."""
    try:
        tree: object = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Broken(f"line {error.lineno}: is not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise Broken(f"is not JSON: {escaped(str(error))}") from None
    if tree is None:
        return []
    if not isinstance(tree, list):
        raise Broken("is no list of target groups")
    return _bounded(_json_group(item, f"group {number}") for number, item in enumerate(tree, 1))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value")


def _json_group(item: object, where: str) -> Group:
    if not isinstance(item, dict):
        raise Broken(f"{where}: is no mapping with targets and labels")
    # Go's JSON reader, and so Prometheus, takes keys in any case.
    parts = {str(key).lower(): value for key, value in item.items()}
    if unknown := parts.keys() - {"targets", "labels"}:
        raise Broken(f"{where}: unknown key {shown(min(unknown))}; a group has targets and labels")
    targets = [] if parts.get("targets") is None else parts["targets"]
    labels = {} if parts.get("labels") is None else parts["labels"]
    if not isinstance(targets, list):
        raise Broken(f"{where}: targets is no list")
    if not isinstance(labels, dict):
        raise Broken(f"{where}: labels is no mapping")
    return Group(
        tuple(_text(target, f"{where}: a target") for target in targets),
        {name: _text(value, f"{where}: the label {shown(name)}") for name, value in labels.items()},
    )


def _text(value: object, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Broken(f"{what} is {shown(json.dumps(value))}, but text is wanted: write it in quotes")
    return value


def from_yaml(text: str) -> list[Group]:
    """The groups of a YAML text; Broken where Prometheus would refuse it. Scalars are text, as they were written."""
    problems = Problems()
    try:
        root = parse(text, problems.sheet(""), foreign=True) if _holds_something(text) else None
    except ConfigError as error:
        raise Broken(_told(error.problems[0].line, error.problems[0].reason)) from None
    if found := problems.found():
        raise Broken(_told(found[0].line, found[0].reason))
    if root is None or (isinstance(root, Scalar) and root.null):
        return []
    if not isinstance(root, Items):
        raise Broken("is no list of target groups")
    return _bounded(_yaml_group(node) for node in root.nodes)


def _holds_something(text: str) -> bool:
    """Whether there is more than comments: to Prometheus an empty file is an empty list."""
    lines = (line.strip() for line in text.splitlines())
    return any(line and not line.startswith("#") and line not in {"---", "..."} for line in lines)


def _told(line: int, reason: str) -> str:
    return f"line {line}: {reason}" if line else reason


def _yaml_group(node: Node) -> Group:
    if not isinstance(node, Table):
        raise Broken(f"line {node.line}: is no mapping with targets and labels")
    parts = dict(_merged(node))
    if unknown := parts.keys() - {"targets", "labels"}:
        raise Broken(f"line {node.line}: unknown key {shown(min(unknown))}; a group has targets and labels")
    targets: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    match parts.get("targets"):
        case None | Scalar(null=True):
            pass
        case Items(nodes=nodes):
            targets = tuple(map(_scalar, nodes))
        case other:
            raise Broken(f"line {other.line}: targets is no list")
    match parts.get("labels"):
        case None | Scalar(null=True):
            pass
        case Table() as table:
            labels = {name: _scalar(value) for name, value in _merged(table)}
        case other:
            raise Broken(f"line {other.line}: labels is no mapping")
    return Group(targets, labels)


def _merged(table: Table) -> Iterator[tuple[str, Node]]:
    """A mapping's entries after those that a merge key brings along; its own come later and so count more."""
    if MERGE in table.entries:
        _, merged = table.entries[MERGE]
        sources = merged.nodes if isinstance(merged, Items) else [merged]
        for source in reversed(sources):
            if not isinstance(source, Table) or MERGE in source.entries:
                raise Broken(f"line {merged.line}: {MERGE} takes a mapping, or a list of them, and nothing nested")
            yield from ((name, value) for name, (_, value) in source.entries.items())
    yield from ((name, value) for name, (_, value) in table.entries.items() if name != MERGE)


def _scalar(node: Node) -> str:
    if not isinstance(node, Scalar):
        raise Broken(f"line {node.line}: text is wanted")
    return "" if node.null else node.text


def _bounded(groups: Iterator[Group]) -> list[Group]:
    kept, targets = [], 0
    for group in groups:
        targets += len(group.targets)
        if targets > TARGET_LIMIT:
            raise Broken(f"more than {TARGET_LIMIT} targets")
        kept.append(group)
    return kept
