"""Owns the reading of a mapping key by key: each value in its place, each problem with its line, no key unread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from types import TracebackType
from typing import Self, TypeVar

from portwatchd.config.document import Items, Node, Scalar, Table, Void, kind
from portwatchd.config.problem import Refused, Sheet, brief, shown

T = TypeVar("T")


def closest(word: str, known: Iterator[str] | list[str]) -> str:
    """A hint for a misspelt word, or nothing."""
    near = get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


class Section:
    """A mapping that is read inside a `with`; at its end, keys that nobody asked for are problems.

    A bad value is reported and replaced by its default, so that reading goes on and finds the other problems too.
    """

    def __init__(self, node: Node, key: str, sheet: Sheet, line: int = 0) -> None:
        self.sheet = sheet
        self.key = key
        self.line = line or node.line
        self._asked: list[str] = []
        self._entries: dict[str, tuple[int, Node]] = {}
        self.broken = not (isinstance(node, Table) or (isinstance(node, Scalar) and node.null))
        """Whether it is no mapping at all; then nothing more is said about its keys."""
        if isinstance(node, Table):
            self._entries = node.entries
        elif self.broken and not isinstance(node, Void):
            sheet.add(node.line, key, f"is {kind(node)}, but a mapping is wanted")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, raised: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if raised is None:
            for name, (line, _) in self._entries.items():
                if name not in self._asked:
                    hint = closest(name, self._asked) or f"; allowed are {' '.join(self._asked)}"
                    self.sheet.add(line, self.path(name), f"unknown key{hint}")

    def path(self, name: str) -> str:
        """The whole path of a key."""
        plain = brief(name)
        return f"{self.key}.{plain}" if self.key else plain

    def complain(self, name: str, reason: str) -> None:
        """Report a problem with a key, at its line where it is written and else at the section's."""
        line = self._entries[name][0] if name in self._entries else self.line
        self.sheet.add(line, self.path(name), reason)

    def node(self, name: str) -> Node | None:
        """The value of a key; None where it is left out or null."""
        if name not in self._asked:
            self._asked.append(name)
        entry = self._entries.get(name)
        if entry is None or (isinstance(entry[1], Scalar) and entry[1].null):
            return None
        return entry[1]

    def has(self, name: str) -> bool:
        """Whether a key has a value."""
        return self.node(name) is not None

    def is_null(self, name: str) -> bool:
        """Whether a key is written, and its value is null."""
        return name in self._entries and not self.has(name)

    def get(self, name: str, read: Callable[[str], T], default: T, *, plain: bool = False) -> T:
        """The value of a key as `read` understands it; `plain`: it is no text, so quotes are refused."""
        node = self.node(name)
        return default if node is None else self.value(node, self.path(name), read, default, plain=plain)

    def need(self, name: str, read: Callable[[str], T], fallback: T, *, plain: bool = False) -> T:
        """As `get`, and a key that is left out is a problem."""
        if not self.has(name) and not self.broken:
            self.complain(name, "is missing")
        return self.get(name, read, fallback, plain=plain)

    def value(self, node: Node, key: str, read: Callable[[str], T], default: T, *, plain: bool = False) -> T:
        """A scalar as `read` understands it; the default after a complaint."""
        found = self.found(node, key, read, plain=plain)
        return default if found is None else found

    def found(self, node: Node, key: str, read: Callable[[str], T], *, plain: bool = False) -> T | None:
        """A scalar as `read` understands it; None after a complaint."""
        match node:
            case Void():
                return None
            case Items() | Table():
                self.sheet.add(node.line, key, f"is {kind(node)}, but a single value is wanted")
                return None
            case Scalar() if node.null:
                self.sheet.add(node.line, key, "has no value")
                return None
            case Scalar():
                if plain and not node.plain:
                    self.sheet.add(node.line, key, f"{shown(node.text)} is text: write it without quotes")
                    return None
        try:
            return read(node.text)
        except Refused as refused:
            self.sheet.add(node.line, key, str(refused))
            return None

    def nodes(self, name: str) -> Iterator[tuple[str, Node]]:
        """Each value of a list with its path; nothing where the list is left out."""
        match self.node(name):
            case None | Void():
                pass
            case Items(nodes=nodes):
                for number, item in enumerate(nodes):
                    yield f"{self.path(name)}[{number}]", item
            case Scalar() | Table() as other:
                self.sheet.add(other.line, self.path(name), f"is {kind(other)}, but a list is wanted")

    def each(self, name: str, read: Callable[[str], T], default: tuple[T, ...] = ()) -> tuple[T, ...]:
        """A list of scalars, each as `read` understands it; bad ones are left out after a complaint."""
        if not self.has(name):
            return default
        values = [self.found(node, key, read) for key, node in self.nodes(name)]
        return tuple(value for value in values if value is not None)

    def section(self, name: str) -> Section:
        """The mapping under a key; an empty one where it is left out."""
        line = self._entries[name][0] if name in self._entries else self.line
        return Section(self.node(name) or Table({}, line), self.path(name), self.sheet, line)

    def entries(self, read: Callable[[str], T]) -> Iterator[tuple[T, str, int, Node]]:
        """For a mapping whose keys are the user's own: every sound key with its path, line and value."""
        for name, (line, node) in self._entries.items():
            self._asked.append(name)
            path = self.path(name)
            if (key := self.found(Scalar(name, plain=False, line=line), path, read)) is not None:
                yield key, path, line, node
