"""When a school's round is due: a pure function of its name and the interval, so rounds are spread and never drift."""

from __future__ import annotations

from hashlib import sha256
from math import ceil

SPREAD = 1 << 48
APART = 0.1
"""Seconds between two slots, at least: a wake-up costs as much as half a probe, so the rounds of a large fleet share
one. Ten thousand schools are 17 rounds at once."""


def slot(name: str, interval: float) -> float:
    """Return by how many seconds, from 0 up to the interval, a school's rounds lie behind each interval's start."""
    slots = max(1, int(interval / APART))
    return int.from_bytes(sha256(name.encode()).digest()[:6]) * slots // SPREAD * (interval / slots)


def first_due(name: str, interval: float, origin: float, now: float) -> float:
    """Return the first slot at or after `now`, counted from `origin`; all are monotonic seconds."""
    offset = origin + slot(name, interval)
    if offset >= now:
        return offset
    return next_due(offset, interval, now)


def next_due(due: float, interval: float, now: float) -> float:
    """Return the first slot after `due` that is not yet past; slots that were missed meanwhile are not made up for."""
    following = due + max(1, ceil((now - due) / interval)) * interval
    return following if following >= now else following + interval
