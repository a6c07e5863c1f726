"""The grammar that both text formats share: label values and numbers, escaped and cut."""

from __future__ import annotations

import math

from portwatchd.model import SHOWN_LIMIT

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def escape(value: str) -> str:
    """Return a label's value as it stands between quotes: valid UTF-8, SHOWN_LIMIT characters before escaping."""
    if not value.isascii():
        value = value.encode("utf-8", "backslashreplace").decode()
    if len(value) > SHOWN_LIMIT:
        value = value[: SHOWN_LIMIT - 1] + "…"
    return value.translate(_ESCAPES)


def label(name: str, value: str) -> str:
    """Return `name="value"`."""
    return f'{name}="{escape(value)}"'


def number(value: float) -> str:
    """Return a number to the microsecond, the shortest way; times and durations need no more."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    whole = int(value)
    return str(whole) if whole == value else repr(round(value, 6))
