import io

import pytest
from rich.console import Console

from portwatchd.progress import BARS_SHOWN, CheckProgress


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=80, _environ={"TERM": "xterm"}), out


def test_elsewhere_than_on_a_terminal_nothing_is_shown() -> None:
    plain, out = console(terminal=False)
    with CheckProgress(plain, ["a"], "ports", "schools") as progress:
        progress("a", 1, 2)
    assert out.getvalue() == ""


def test_a_bar_for_each_school_that_leaves_nothing_behind() -> None:
    shown, out = console(terminal=True)
    with CheckProgress(shown, ["gym-nord [red]", "b"], "ports", "schools") as progress:
        progress("gym-nord [red]", 3, 14)
        progress("b", 14, 14)
    text = out.getvalue()
    assert "gym-nord [red]" in text
    assert " 3/14 ports" in text
    assert text.endswith("\x1b[2K")
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")


def test_many_schools_share_a_bar_and_each_counts_once() -> None:
    shown, out = console(terminal=True)
    names = [f"school-{n}" for n in range(BARS_SHOWN + 1)]
    with CheckProgress(shown, names, "ports", "schools") as progress:
        for name in names[:5]:
            progress(name, 1, 2)
            progress(name, 2, 2)
            progress(name, 2, 2)
    assert f"5/{len(names)} schools" in out.getvalue()
    assert "school-" not in out.getvalue()


def test_an_interruption_gives_the_cursor_back() -> None:
    shown, out = console(terminal=True)
    with pytest.raises(KeyboardInterrupt), CheckProgress(shown, ["a"], "ports", "schools"):
        raise KeyboardInterrupt
    assert out.getvalue().count("\x1b[?25h") == 1
