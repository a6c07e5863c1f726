"""Owns the way from a file's bytes to a tree that knows its lines.

The tree is built from YAML events, not by a constructor: every scalar stays the text that was written, and the reader
of a key decides what it means. So `name: no`, `district: 07` and `label: 22:30` are what they look like, which YAML 1.1
would turn into False, 7 and 1350. Nothing here recurses, so no nesting can exhaust the stack.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import yaml

from portwatchd.config.problem import Sheet, brief, escaped, shown

SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes of one file; 10,000 schools fill 1.5 MB. A larger one is refused before it is read."""
DEPTH_LIMIT = 32
"""Levels of nesting; the configuration has 6."""
NODE_LIMIT = 1_000_000
"""Values of one file; 10,000 schools have about 150,000. It bounds memory and time (200 MB, some seconds)."""

LOADER: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that YAML does not allow (YAML 1.1, section 4.1.1)."""
NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Scalar(NamedTuple):
    """Text as it was written; `plain` is false where it stood in quotes."""

    text: str
    plain: bool
    line: int

    @property
    def null(self) -> bool:
        """Whether it stands for nothing."""
        return self.plain and self.text in NULLS


class Items(NamedTuple):
    """A list."""

    nodes: list[Node]
    line: int


class Table(NamedTuple):
    """A mapping: its keys with their lines and values."""

    entries: dict[str, tuple[int, Node]]
    line: int


class Void(NamedTuple):
    """A value that was already complained about."""

    line: int


Node: TypeAlias = Scalar | Items | Table | Void


def kind(node: Node) -> str:
    """What a message calls a value."""
    match node:
        case Scalar() if node.null:
            return "nothing"
        case Scalar():
            return shown(node.text)
        case Items():
            return "a list"
        case Table():
            return "a mapping"
        case Void():
            return "an alias"


def read_text(path: Path, sheet: Sheet) -> str | None:
    """The text of a regular UTF-8 file within the bound; None after a complaint."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            sheet.add(0, "", "is a directory" if stat.S_ISDIR(about.st_mode) else "is not a regular file")
            return None
        if about.st_size > SIZE_LIMIT:
            sheet.add(0, "", f"is larger than {SIZE_LIMIT // 2**20} MiB, the most that one file may have")
            return None
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)[:SIZE_LIMIT]
    except OSError as error:
        sheet.add(0, "", f"cannot be read: {os.strerror(error.errno or 0)}")
        return None
    except ValueError:
        sheet.add(0, "", "is no name of a file")
        return None
    return decode(data, sheet)


def decode(data: bytes, sheet: Sheet) -> str | None:
    """The text of UTF-8 bytes, without a byte order mark; None after a complaint."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        sheet.add(line, "", f"is not UTF-8: byte 0x{data[error.start]:02x}; save the file as UTF-8")
        return None
    if bad := FORBIDDEN.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        sheet.add(line, "", f"holds the control character U+{ord(bad.group()):04X}")
        return None
    return text


def parse(
    text: str,
    sheet: Sheet,
    loader: type[yaml.CSafeLoader | yaml.SafeLoader] = LOADER,
    *,
    foreign: bool = False,
) -> Node | None:
    """The tree of one YAML document; None after a complaint that leaves no tree.

    A `foreign` one, written for another program, may have aliases, merge keys (kept as the key `<<`) and `!!str`.
    """
    try:
        return _Builder(sheet, foreign=foreign).build(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        sheet.add(line, "", _syntax(text, line, error), column)
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: pure Python's scanner calls chr() on any \U escape.
        sheet.add(0, "", escaped(f"is not YAML: {error}"))
    return None


def _syntax(text: str, line: int, error: yaml.MarkedYAMLError) -> str:
    """A YAML syntax error in words; a tab, the most frequent one, in plain words."""
    lines = text.split("\n")
    if 0 < line <= len(lines):
        row = lines[line - 1]
        if "\t" in row[: len(row) - len(row.lstrip())]:
            return "a tab in the indentation: YAML allows only spaces there"
    where = f" on line {error.context_mark.line + 1}" if error.context_mark else ""
    parts = [f"{error.context}{where}" if error.context else "", error.problem or ""]
    hint = "; text with a colon and a space in it stands in quotes" if parts[1].startswith("mapping values") else ""
    return escaped(f"is not YAML: {', '.join(filter(None, parts))}{hint}")


class _Frame:
    """A list or mapping that is not yet closed."""

    __slots__ = ("anchor", "key", "key_line", "node")

    def __init__(self, node: Items | Table, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: str | None = None
        """The key that waits for its value; empty where the value is to be dropped."""
        self.key_line = 0


class _Builder:
    """Builds the tree of one document from its events."""

    def __init__(self, sheet: Sheet, *, foreign: bool) -> None:
        self._sheet = sheet
        self._foreign = foreign
        self._anchors: dict[str, Node] = {}
        """What aliases stand for: only values that are complete, so none holds itself."""
        self._frames: list[_Frame] = []
        self._root: Node | None = None

    def build(self, events: Iterator[yaml.Event]) -> Node | None:
        """Read all events; the tree, or None where there is none."""
        documents = 0
        for number, event in enumerate(events):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if number > NODE_LIMIT:
                self._sheet.add(line, "", f"more than {NODE_LIMIT} values in one file")
                return None
            match event:
                case yaml.ScalarEvent():
                    self._place(self._scalar(event, line), event.anchor)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._tagged(event.tag, line)
                    if len(self._frames) == DEPTH_LIMIT:
                        self._sheet.add(line, "", f"is nested deeper than {DEPTH_LIMIT} levels")
                        return None
                    opened = Table({}, line) if isinstance(event, yaml.MappingStartEvent) else Items([], line)
                    self._frames.append(_Frame(opened, event.anchor))
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    closed = self._frames.pop()
                    self._place(closed.node, closed.anchor)
                case yaml.AliasEvent() if self._foreign and event.anchor in self._anchors:
                    self._place(self._anchors[event.anchor])
                case yaml.AliasEvent():
                    reason = f"the alias *{brief(event.anchor or '')} is not allowed here: write the value out"
                    self._sheet.add(line, self._path(), reason)
                    self._place(Void(line))
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        self._sheet.add(line, "", "a second document starts here; a file holds one")
                        return None
                case _:
                    pass
        if self._root is None:
            self._sheet.add(0, "", "is empty")
        return self._root

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Node:
        if self._foreign and event.tag == "tag:yaml.org,2002:str":
            return Scalar(event.value, plain=False, line=line)
        return Void(line) if self._tagged(event.tag, line) else Scalar(event.value, not event.style, line)

    def _tagged(self, tag: str | None, line: int) -> bool:
        """Whether a value has a tag, which is a problem."""
        if tag is not None:
            self._sheet.add(line, self._path(), f"the tag {shown(tag)} is not allowed here")
        return tag is not None

    def _place(self, node: Node, anchor: str | None = None) -> None:
        """Put a complete value where it belongs: into the open list, or as key or value of the open mapping."""
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._frames:
            self._root = node
            return
        frame = self._frames[-1]
        if isinstance(frame.node, Items):
            frame.node.nodes.append(node)
        elif frame.key is None:
            frame.key, frame.key_line = self._key(node, frame.node), node.line
        else:
            if frame.key:
                frame.node.entries[frame.key] = (frame.key_line, node)
            frame.key = None

    def _key(self, node: Node, table: Table) -> str:
        """The key that a value is kept under; empty after a complaint."""
        if not isinstance(node, Scalar):
            if not isinstance(node, Void):
                self._sheet.add(node.line, self._path(), f"{kind(node)} cannot be a key")
            return ""
        if node.null:
            self._sheet.add(node.line, self._path(), "a key is empty")
            return ""
        if node.plain and node.text == "<<" and not self._foreign:
            self._sheet.add(node.line, self._path(), "the merge key << is not allowed here: write the values out")
            return ""
        if node.text in table.entries:
            first = table.entries[node.text][0]
            key = ".".join(filter(None, (self._path(), brief(node.text))))
            self._sheet.add(node.line, key, f"the key stands here twice; it was first on line {first}")
            return ""
        return node.text

    def _path(self) -> str:
        """The path of the place that is being read."""
        path = ""
        for frame in self._frames:
            if isinstance(frame.node, Items):
                path += f"[{len(frame.node.nodes)}]"
            elif frame.key:
                path += f".{brief(frame.key)}" if path else brief(frame.key)
        return path
