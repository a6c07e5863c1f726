"""Checked readings of the values in a text that may be damaged, or a newer daemon's. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from portwatchd.model import Family, Policy, PolicyFact
from portwatchd.rounds.memory import Key

SHARED = 4096
"""Different keys, and facts of policies, that are shared between the memories of all schools."""

Kind = TypeVar("Kind", bound=StrEnum)
Value = TypeVar("Value")

FAMILIES: Mapping[str, Family] = {kind.value: kind for kind in Family}
_POLICIES: Mapping[str, Policy] = {kind.value: kind for kind in Policy}
_SIGNS: Mapping[bool | None, str] = {True: "+", False: "-", None: "?"}
_HOLDS: Mapping[str, bool | None] = {sign: holds for holds, sign in _SIGNS.items()}


class Unknown(Exception):
    """A word that this version does not know: a newer one wrote it, so this one entry is left out."""


def entries(raw: Mapping[str, Any], name: Callable[[str], Any], value: Callable[[Any], Value]) -> dict[Any, Value]:
    """Return names and values read; those with a word of a newer version are left out."""
    known: dict[Any, Value] = {}
    for key, one in raw.items():
        try:
            known[name(key)] = value(one)
        except Unknown:
            continue
    return known


def word(words: Mapping[str, Kind], raw: str) -> Kind:
    """Return the word of a closed vocabulary, or raise Unknown."""
    kind = words.get(raw)
    if kind is None:
        raise Unknown(raw)
    return kind


def family(raw: str) -> Family:
    """Return an address family, or raise Unknown."""
    return word(FAMILIES, raw)


def key_text(key: Key) -> str:
    """Return a key as text: `ipv4/smtp`."""
    return key[0] + "/" + key[1]


@lru_cache(SHARED)
def key(raw: str) -> Key:
    """Return the key that a text names."""
    name, _, service = raw.partition("/")
    return word(FAMILIES, name), service


def fact_text(fact: PolicyFact) -> str:
    """Return whether a policy holds as text: `+hsts`, `-certificate_fresh 3 days left`, `?acme_reachable`."""
    text = _SIGNS[fact.holds] + fact.policy
    return f"{text} {fact.reason}" if fact.reason else text


def facts(raw: Iterable[str]) -> tuple[PolicyFact, ...]:
    """Return the facts that texts tell; a policy of a newer version is left out."""
    return tuple(fact for fact in map(_fact, raw) if fact is not None)


@lru_cache(SHARED)
def _fact(raw: str) -> PolicyFact | None:
    name, _, reason = raw[1:].partition(" ")
    policy = _POLICIES.get(name)
    return PolicyFact(policy, _HOLDS[raw[0]], reason) if policy else None


def runs(state: Mapping[int, bool]) -> list[int]:
    """Write ports of a range as runs of the same state: first, last, 0 or 1, first, last, ..."""
    written: list[int] = []
    for port in sorted(state):
        if written and written[-2] == port - 1 and written[-1] == state[port]:
            written[-2] = port
        else:
            written += (port, port, int(state[port]))
    return written


def ports(raw: list[Any]) -> dict[int, bool]:
    """Return the ports that runs tell of; raises ValueError for what are no ports."""
    return _ports(tuple(raw)).copy()


@lru_cache(SHARED)
def _ports(raw: tuple[Any, ...]) -> dict[int, bool]:
    """As `ports`; most schools have the same, and a copy takes a tenth of the time and shares the numbers."""
    state: dict[int, bool] = {}
    for first, last, forwarded in zip(raw[::3], raw[1::3], raw[2::3], strict=True):
        if not 0 <= first <= last <= 0xFFFF:
            raise ValueError(f"ports {first}-{last}")
        state.update(dict.fromkeys(range(first, last + 1), bool(forwarded)))
    return state


def maybe(raw: object, value: Callable[[Any], Value]) -> Value | None:
    """Return a value read, or None."""
    return None if raw is None else value(raw)


def text(raw: object) -> str:
    """Return a text, or raise TypeError."""
    if not isinstance(raw, str):
        raise TypeError(f"{raw!r:.40} is no text")
    return raw


def number(raw: object) -> float:
    """Return a number, or raise TypeError."""
    if type(raw) is float:
        return raw
    return float(whole_number(raw))


def whole_number(raw: object) -> int:
    """Return a whole number, or raise TypeError."""
    if type(raw) is not int:
        raise TypeError(f"{raw!r:.40} is no whole number")
    return raw


def truth(raw: object) -> bool:
    """Return true or false, or raise TypeError."""
    if not isinstance(raw, bool):
        raise TypeError(f"{raw!r:.40} is neither true nor false")
    return raw
