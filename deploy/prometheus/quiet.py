"""Owns when an alert may begin: one cause is told of once, and whoever was told of a fault is told of its end.

Alertmanager forgets the end of an alert that ends while it is inhibited. So what a wider cause covers is held back
here, before it becomes an alert; what has become one stays until it is mended, whatever happens meanwhile.
"""  # noqa: INP001 - a script's part

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from faults import DAEMON, FAMILY, GRAVEST, SCHOOL, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerts import Alert

HUSHING = ("PortwatchMonitorIsolated", "PortwatchDown", "PortwatchMassOutage")
"""While one of these fires, no alert on a school begins. They come before the schools' alerts in the same group."""
FIRING = 'alertstate="firing"'
BLIND = "|".join(HUSHING[:2])

_LINE = ("dns_failed", "line_down")
_SERVER = (*_LINE, "server_down", "all_forwards_lost")
WIDER: Mapping[str, tuple[str, ...]] = {
    "dns_failed": (),
    "line_down": ("dns_failed",),
    "server_down": _LINE,
    "all_forwards_lost": _SERVER[:-1],
    "ipv4_lost": _SERVER,
    "ipv6_lost": _SERVER,
}
"""The diagnoses that cover another one of the same school. Every other cause is covered by all of them."""
ROUTER = 'verdict=~"forward_lost|server_down|line_down|router_answers|range_incomplete|wrong_device"'
"""A required port with one of these shows already that the router is set up otherwise than as an exposed host."""

COVERED: Mapping[str, str] = {
    "PortwatchMassOutage": f'alertname=~"{BLIND}"',
    "PortwatchBlockedHere": f'alertname=~"{BLIND}",{FIRING}',
    "PortwatchStalled": f'alertname=~"{BLIND}",{FIRING}',
    "PortwatchRoundsSkipped": f'alertname=~"{BLIND}|PortwatchStalled",{FIRING}',
    "PortwatchSchoolsDropped": f'alertname=~"{BLIND}",{FIRING}',
    "PortwatchDiscoveryFailed": f'alertname=~"PortwatchDown",{FIRING}',
}
"""The alerts that cover another one of the same daemon. A mass outage does not wait, so it yields to one that does."""

WHOLE = "portwatch:school_fault:info"
FAULT = "portwatch:port_fault:required"
AGREED = "portwatch:port_agreed:info"
WHY_AGREED = (
    "What two monitors see of a port at least: both have lost it, or one has lost it and the other the whole school. "
    "Of several levels on which two of many agree, the gravest, so that one alert says it."
)
A_PORT = "school, family, port"
ONE = "school, family, port, policy"
"""What tells one fault from another in a quorum, where it has these labels."""

MASS = "portwatch:mass_outage:ratio"
_EACH = f'ALERTS{{alertname="PortwatchMassOutage",quorum="",{FIRING}}}'
MASS_AGREED = f'max ({MASS}{{monitor!=""}}) and on () (count (count by (monitor) ({_EACH})) >= 2)'
MASS_ALONE = f"""
{MASS} and on ({DAEMON}) {_EACH}
unless on () ALERTS{{alertname="PortwatchMassOutage",quorum="agreed"}}"""


def hush_rules() -> list[Record]:
    """Return what says of a daemon that nothing new is told of its schools."""
    return [
        Record(
            "portwatch:hush:info",
            f"""
max by ({DAEMON}) (
  ALERTS{{alertname="PortwatchDown",quorum="",{FIRING}}}
  or ALERTS{{alertname=~"PortwatchMonitorIsolated|PortwatchMassOutage",quorum=""}}
)""",
            "Nothing new is told of this daemon's schools: what is wrong with it, or with many, is told instead. One "
            "scrape that fails is not enough.",
        ),
    ]


def quorum_hush_rules() -> list[Record]:
    """Return the same for a quorum."""
    return [
        Record(
            "portwatch:quorum_hush:info",
            'count(count by (monitor) (portwatch:hush:info{monitor!=""})) >= 2',
            "Two monitors are in no state to tell of single schools.",
        ),
    ]


def agreed_rules(alerts: Iterable[Alert]) -> list[Record]:
    """Return what two monitors see of a port at least: the gravest of the alerts' levels on which two agree."""
    levels = sorted({one.least for one in alerts if one.least}, key=GRAVEST.index)
    whole, family = f'{WHOLE}{{family=""}}', f'{WHOLE}{{family!=""}}'
    rules: list[Record] = []
    for number, level in enumerate(levels):
        seen = f'{FAULT}{{verdict=~"{"|".join(GRAVEST[: GRAVEST.index(level) + 1])}"}}'
        own = f"{seen} unless on ({SCHOOL}) {whole} unless on ({FAMILY}) {family}"
        graver = f'\nunless on ({A_PORT}) {AGREED}{{verdict=~"{"|".join(levels[:number])}"}}' if number else ""
        rules.append(
            Record(
                AGREED,
                f"""
(
  {_two(A_PORT, seen)}
  or on ({A_PORT}) count by ({A_PORT}) (({own}) and on (school) {whole})
  or on ({A_PORT}) count by ({A_PORT}) (({own}) and on (school, family) {family})
){graver}""",
                "" if number else WHY_AGREED,
                {"verdict": level},
            )
        )
    return rules


def as_it_is(fault: str, _one: Alert) -> str:
    """Return a fault that is told whenever it is there."""
    return fault


def of_school(fault: str, one: Alert) -> str:
    """Return a fault of a school, told unless something wider covers it."""
    told = f'on ({SCHOOL}) ALERTS{{cause="{one.cause}",{FIRING}}}'
    return _begun(fault, [f"on ({DAEMON}) portwatch:hush:info", *_wider(one.cause)], told)


def agreed(fault: str, one: Alert) -> str:
    """Return a fault on which two monitors agree, told unless something wider covers it on which they agree too."""
    told = f'on (school) ALERTS{{cause="{one.cause}",quorum="agreed",{FIRING}}}'
    return _begun(_by_two(fault, one), ["on () portwatch:quorum_hush:info", *_wider(one.cause, by_two=True)], told)


def disputed(fault: str, one: Alert) -> str:
    """Return what monitors say differently of a school, told unless one of them is in no state to tell."""
    told = f'on (school) ALERTS{{cause="{one.cause}",{FIRING}}}'
    return _begun(fault, ["on () portwatch:hush:info"], told)


def of_monitor(fault: str, one: Alert) -> str:
    """Return a fault of the daemon, told unless another one covers it."""
    if one.name not in COVERED:
        return fault
    told = f'on ({DAEMON}) ALERTS{{alertname="{one.name}",{FIRING}}}'
    return _begun(fault, [f"on ({DAEMON}) ALERTS{{{COVERED[one.name]}}}"], told)


def _begun(fault: str, under: Iterable[str], told: str) -> str:
    inner = _indented(f"(\n{_indented(fault)}\n)" if re.search(r"\bor\b", fault) else fault)
    covers = "\n".join(f"  unless {one}" for one in under)
    return f"(\n{inner}\n{covers}\n)\nor (\n{inner}\n  and {told}\n)"


def _by_two(fault: str, one: Alert) -> str:
    """One monitor must see it, and another one it or something graver: both see at least the milder of two verdicts.

    They may know the school by other labels (host, contact), which decide nothing.
    """
    if one.least:
        agreeing = f'and on ({A_PORT}) {AGREED}{{verdict="{one.least}"}}'
    else:
        keys, seen = ("school", one.seen) if one.seen else (ONE, _indented(fault))
        agreeing = f"and on ({keys}) (\n{_indented(_two(keys, seen))}\n)"
    return f"max without ({DAEMON}) (\n{_indented(fault)}\n)\n{agreeing}"


def _two(keys: str, seen: str) -> str:
    """Return what two monitors see."""
    seen = f"\n{seen}\n" if "\n" in seen else seen
    return f"count by ({keys}) (count by ({keys}, monitor) ({seen})) >= 2"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())


def _wider(cause: str, *, by_two: bool = False) -> list[str]:
    """Return what covers a cause at the school, or at its address family."""
    school, family = ("school", "school, family") if by_two else (SCHOOL, FAMILY)
    if cause in WIDER:
        chosen = (
            [(school, f'portwatch:school_fault:info{{diagnosis=~"{"|".join(WIDER[cause])}"}}')] if WIDER[cause] else []
        )
    else:
        chosen = [
            (school, 'portwatch:school_fault:info{family=""}'),
            (family, 'portwatch:school_fault:info{family!=""}'),
        ]
    if cause == "exposed_host":
        chosen.append((family, f"portwatch:port_fault:required{{{ROUTER}}} == 1"))
    return [
        f"on ({keys}) (count by ({keys}) (count by ({keys}, monitor) ({fault})) >= 2)"
        if by_two
        else f"on ({keys}) {fault}"
        for keys, fault in chosen
    ]
