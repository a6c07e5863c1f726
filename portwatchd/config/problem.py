"""Owns what can be wrong with a configuration: one problem, the list of them, and the error that carries them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

PROBLEM_LIMIT = 1000
"""Problems that are listed. Nobody reads more, and a damaged file of 16 MiB could make a million."""
SHOWN = 60
"""Characters of a bad value that a message repeats."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where. Line and column count from 1; 0 is the file as a whole."""

    file: str
    line: int
    key: str
    reason: str
    column: int = 0

    def __str__(self) -> str:
        """The problem as a compiler would print it: `file:line: key.path: reason`."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.reason}" if self.key else f"{place}: {self.reason}"


class ConfigError(Exception):
    """A configuration that cannot be used; every problem of every file is in `problems`, in the order of reading."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Refused(Exception):
    """A value that is not allowed; the text says what was found and what is allowed."""


class Problems:
    """The problems of all files, while they are read."""

    def __init__(self) -> None:
        self._sheets: list[Sheet] = []

    def sheet(self, file: str) -> Sheet:
        """A new sheet for one file; a name that is not UTF-8 is escaped, so that a problem can always be printed."""
        self._sheets.append(Sheet(escaped(file), self))
        return self._sheets[-1]

    def found(self) -> tuple[Problem, ...]:
        """All problems: files in the order of reading, lines in their order."""
        return tuple(p for sheet in self._sheets for p in sorted(sheet.problems, key=lambda p: p.line))

    def count(self) -> int:
        """How many problems there are."""
        return sum(len(sheet.problems) for sheet in self._sheets)

    def give_up(self, file: str) -> NoReturn:
        """End the reading, since more problems than anybody reads were found."""
        last = Problem(file, 0, "", f"more than {PROBLEM_LIMIT} problems: the rest is not listed")
        raise ConfigError((*self.found(), last))


class Sheet:
    """The problems of one file."""

    def __init__(self, file: str, problems: Problems) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._all = problems

    def add(self, line: int, key: str, reason: str, column: int = 0) -> None:
        """Keep a problem; raise ConfigError when there are too many."""
        if self._all.count() >= PROBLEM_LIMIT:
            self._all.give_up(self.file)
        self.problems.append(Problem(self.file, line, key, reason, column))


def escaped(text: str) -> str:
    """A text of which every character can be printed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(text: str) -> str:
    """A value as a message repeats it: in quotes, escaped, and cut."""
    return f"'{brief(text)}'"


def brief(text: str) -> str:
    """As `shown`, without quotes: for keys."""
    return escaped(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")
