"""Owns the reading of schools: lists of them, files of lists, and tables (CSV), each name once in all of them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from glob import glob, has_magic
from pathlib import Path

from portwatchd.config import values
from portwatchd.config.document import Items, Node, Scalar, Table, parse, read_text
from portwatchd.config.problem import Problems, Refused, Sheet, brief, escaped, shown
from portwatchd.config.section import Section, closest
from portwatchd.model import Profile, School

DEFAULT_PROFILE = "iserv"
LABEL_LIMIT = 32
"""Labels of one school; each is on a series of its own, and joins grow with them."""
COLUMNS = ("name", "host", "server_name", "profile")
"""Columns of a table that are no labels."""


class Register:
    """The schools that were read so far."""

    def __init__(self, profiles: Mapping[str, Profile], known: frozenset[str]) -> None:
        self._profiles = profiles
        self._known = known
        """The profiles that exist, sound or not."""
        self._places: dict[str, str] = {}
        self.schools: list[School] = []

    def enter(self, node: Node, key: str, sheet: Sheet) -> None:
        """Read one school; a problem leaves it out."""
        before = len(sheet.problems)
        with Section(node, key, sheet) as section:
            name = section.need("name", values.name, "")
            host = section.need("host", values.host, "")
            default = "" if values.is_address(host) else host.rstrip(".")
            server_name = section.get("server_name", values.host_name, default)
            profile = section.get("profile", self._profile, DEFAULT_PROFILE)
            labels = self._labels(section)
            if name in self._places:
                section.complain("name", f"the school {shown(name)} is already in {self._places[name]}")
        if name:
            self._places.setdefault(name, f"{sheet.file}:{section.line}")
        if len(sheet.problems) == before and profile in self._profiles:
            self.schools.append(School(name, host, server_name, self._profiles[profile], labels))

    def _profile(self, text: str) -> str:
        """The name of a profile that exists."""
        if text not in self._known:
            hint = closest(text, sorted(self._known)) or f"; there are {' '.join(sorted(self._known))}"
            raise Refused(f"unknown profile {shown(text)}{hint}")
        return text

    @staticmethod
    def _labels(section: Section) -> tuple[tuple[str, str], ...]:
        """A school's own labels by name; an empty one is left out, as Prometheus does."""
        labels = {}
        with section.section("labels") as inner:
            for name, key, _, node in inner.entries(values.label_name):
                if value := inner.value(node, key, values.label_value, ""):
                    labels[name] = value
        if len(labels) > LABEL_LIMIT:
            section.complain("labels", f"there are {len(labels)} labels; a school has at most {LABEL_LIMIT}")
        return tuple(sorted(labels.items()))


def found_files(section: Section, main: Path) -> Iterator[Path]:
    """The school files that a configuration names, each once; a pattern that matches nothing is no problem."""
    seen = {_identity(main)}
    for key, node in section.nodes("school_files"):
        pattern = section.value(node, key, _school_file, "")
        if not pattern:
            continue
        full = str(main.parent / pattern)
        # Path.glob takes no absolute patterns.
        for name in sorted(glob(full)) if has_magic(pattern) else [full]:  # noqa: PTH207
            file = Path(name)
            try:
                identity = _identity(file)
            except OSError as error:
                section.sheet.add(node.line, key, f"{escaped(name)} cannot be read: {os.strerror(error.errno or 0)}")
                continue
            if identity not in seen:
                seen.add(identity)
                yield file


def _identity(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_dev, about.st_ino


def _school_file(text: str) -> str:
    """A school file's name or pattern, whose end tells what it is."""
    if not values.file_name(text).lower().endswith((".yml", ".yaml", ".csv")):
        raise Refused(f"{shown(text)} must end in .yml, .yaml or .csv")
    return text


def read_school_file(path: Path, problems: Problems, register: Register) -> None:
    """Enter every school of one file."""
    sheet = problems.sheet(str(path))
    if (text := read_text(path, sheet)) is None:
        return
    if path.suffix.lower() == ".csv":
        for row in table_rows(text, sheet):
            register.enter(row, "", sheet)
    elif (root := parse(text, sheet)) is not None:
        # A bare list of schools, or a mapping as in the configuration.
        bare = isinstance(root, Items)
        page: Node = Table({"schools": (root.line, root)}, root.line) if bare else root
        with Section(page, "", sheet) as section:
            for key, node in section.nodes("schools"):
                register.enter(node, key.removeprefix("schools") if bare else key, sheet)
            if not section.has("schools") and not sheet.problems:
                sheet.add(root.line, "", "holds no schools: a list of them is wanted, or schools: with a list")


def table_rows(text: str, sheet: Sheet) -> Iterator[Table]:
    """Each row of a table as the mapping that it stands for; comma, semicolon or tab as its header has it."""
    start = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=start.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    header: list[str] | None = None
    line = 0
    try:
        for cells in rows:
            first, line = line + 1, rows.line_num
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            if header is None:
                header = row
                if not _sound_header(header, first, sheet):
                    return
            elif len(row) != len(header):
                sheet.add(first, "", f"the row has {len(row)} fields, the header {len(header)}")
            else:
                yield _as_school(header, row, first)
    except csv.Error as error:
        sheet.add(line + 1, "", f"is not CSV: {error}")
    if header is None and not sheet.problems:
        sheet.add(0, "", "is empty")


def _as_school(header: list[str], row: list[str], line: int) -> Table:
    """A row as the mapping that it stands for; an empty field is one left out."""
    cells = {name: (line, Scalar(cell, plain=False, line=line)) for name, cell in zip(header, row, strict=True) if cell}
    own: dict[str, tuple[int, Node]] = {name: cell for name, cell in cells.items() if name in COLUMNS}
    labels: dict[str, tuple[int, Node]] = {name: cell for name, cell in cells.items() if name not in COLUMNS}
    return Table(own | {"labels": (line, Table(labels, line))}, line)


def _sound_header(header: list[str], line: int, sheet: Sheet) -> bool:
    """Whether the header names every column once, and the two that are needed."""
    before = len(sheet.problems)
    if lacking := [wanted for wanted in ("name", "host") if wanted not in header]:
        reason = f"the header lacks {' and '.join(lacking)}; its columns are name, host, profile and one for each label"
        sheet.add(line, "", reason)
        return False
    for number, name in enumerate(header):
        if not name:
            sheet.add(line, "", f"column {number + 1} has no name")
        elif name in header[:number]:
            sheet.add(line, brief(name), "the column stands here twice")
        elif name not in COLUMNS:
            try:
                values.label_name(name)
            except Refused as refused:
                sheet.add(line, brief(name), str(refused))
    return len(sheet.problems) == before
