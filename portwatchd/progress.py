"""Owns the progress that `check` shows while it works: bars on a terminal, nothing elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from rich.cells import cell_len
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from rich.console import Console

BARS_SHOWN = 12
"""Schools that have a progress bar of their own; more would not fit on a screen, and share one."""


@dataclass(slots=True)
class CheckProgress:
    """A bar for each school while it is checked, on a terminal only; it leaves nothing behind."""

    console: Console
    schools: Sequence[str]
    ports: str
    """The word for what a school's bar counts."""
    many: str
    """The word for what a shared bar counts."""
    _bars: Progress | None = None
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        """Show the bars where the console is a terminal that can redraw lines."""
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self._bars = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}", markup=False),
                TimeElapsedColumn(),
                console=self.console,
                transient=True,
            )
            self._open = set(self.schools)
            self._bars.start()
            self._begin(self._bars)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        """Take the bars away, whatever happened."""
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, school: str, done: int, total: int) -> None:
        """Note how many ports of a school are done."""
        if self._bars is None:
            return
        if school in self._tasks:
            self._bars.update(self._tasks[school], completed=done, total=total)
        elif done >= total and school in self._open:
            self._open.discard(school)
            self._bars.advance(self._tasks[""])

    def _begin(self, bars: Progress) -> None:
        if len(self.schools) > BARS_SHOWN:
            self._tasks = {"": bars.add_task("", total=len(self.schools), unit=self.many)}
        else:
            width = max(map(cell_len, self.schools), default=0)
            self._tasks = {name: bars.add_task(name.ljust(width), total=1, unit=self.ports) for name in self.schools}
