"""Whole rounds of one school before a simulated outside: each situation, and what must be said of it."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

import pytest

from portwatchd.model import DiagnosisKind as Is
from portwatchd.model import Proof, VerdictKind
from tests.unit.rounds.outside import Line, Manner, Situation
from tests.unit.rounds.simulated import LISTED, RANGE, V6, Watching, alter, changes, kinds, says, well

pytestmark = pytest.mark.looptime

Befall = Callable[[Line], None]
OPEN, CLOSED, DROPPED, REFUSED = Situation.OPEN, Situation.CLOSED, Situation.DROPPED, Situation.REFUSED
FILTERED, NAS, NAS_CLOSED, NOBODY = Situation.FILTERED, Situation.NAS, Situation.NAS_CLOSED, Situation.NOBODY
ROUTER, LOST = Situation.ROUTER, Situation.LOST
HOP, ICMP, CONTRAST, IDENTITY, ANY = Proof.HOP, Proof.ICMP, Proof.CONTRAST, Proof.IDENTITY, None


class Case(NamedTuple):
    """What befalls a school, and what must be said of it: of the whole, and of one service with its proof."""

    says: str
    befall: Befall
    diagnosis: Is
    service: str
    kind: VerdictKind
    proof: Proof | None
    """None: any proof; how much shows of one cause depends on what was known before."""


def on(number: int, what: Situation) -> Befall:
    return lambda line: line.ports.update({number: what})


def everywhere(what: Situation) -> Befall:
    return lambda line: line.ports.update(dict.fromkeys([*LISTED, *RANGE], what))


def all_lost(line: Line) -> None:
    line.ports.clear()


def reset_to_factory(line: Line) -> None:
    """Nothing is forwarded, and the router shows its own pages."""
    line.ports = {443: ROUTER, 80: ROUTER}


def server_off(line: Line) -> None:
    line.server_on = False


def line_dead(line: Line) -> None:
    line.up = False


def line_dead_and_told(line: Line) -> None:
    line.up, line.provider_says_so = False, True


def nas_at_the_servers_address(line: Line) -> None:
    line.ports = dict.fromkeys([*LISTED, *RANGE], NAS_CLOSED) | {22: NAS, 80: NAS, 443: NAS}


K = VerdictKind
IPV4 = [
    Case("one lost", on(25, LOST), Is.FORWARDS_LOST, "smtp", K.FORWARD_LOST, HOP),
    Case("one closed", on(25, CLOSED), Is.SERVICES_DOWN, "smtp", K.SERVICE_DOWN, HOP),
    Case("one dropped", on(25, DROPPED), Is.SERVICES_DOWN, "smtp", K.SERVER_FILTERED, HOP),
    Case("one rejected", on(25, REFUSED), Is.SERVICES_DOWN, "smtp", K.SERVER_FILTERED, HOP),
    Case("one filtered by the router", on(25, FILTERED), Is.SERVICES_DOWN, "smtp", K.SERVER_FILTERED, HOP),
    Case("one to nobody", on(25, NOBODY), Is.WRONG_DEVICE, "smtp", K.WRONG_DEVICE, HOP),
    Case("one answered by the router", on(443, ROUTER), Is.FORWARDS_LOST, "https", K.ROUTER_ANSWERS, HOP),
    Case("one to a NAS", on(443, NAS), Is.WRONG_DEVICE, "https", K.WRONG_DEVICE, IDENTITY),
    Case("server off", server_off, Is.SERVER_DOWN, "imaps", K.SERVER_DOWN, ANY),
    Case("line dead", line_dead, Is.LINE_DOWN, "ssh", K.LINE_DOWN, ANY),
    Case("line dead, and the provider says so", line_dead_and_told, Is.LINE_DOWN, "ssh", K.LINE_DOWN, ICMP),
    Case("all lost", all_lost, Is.ALL_FORWARDS_LOST, "ssh", K.FORWARD_LOST, ANY),
    Case("all closed", everywhere(CLOSED), Is.SERVICES_DOWN, "imaps", K.SERVICE_DOWN, HOP),
    Case("all dropped", everywhere(DROPPED), Is.SERVER_DOWN, "imaps", K.SERVER_DOWN, ANY),
]
KNOWN = [
    Case("reset to factory", reset_to_factory, Is.ALL_FORWARDS_LOST, "https", K.ROUTER_ANSWERS, HOP),
    Case("a NAS instead", nas_at_the_servers_address, Is.WRONG_DEVICE, "https", K.WRONG_DEVICE, IDENTITY),
]
SILENT_ROUTER = [
    Case("one lost", on(25, LOST), Is.FORWARDS_LOST, "smtp", K.FORWARD_LOST, ANY),
    Case("one closed", on(25, CLOSED), Is.SERVICES_DOWN, "smtp", K.SERVICE_DOWN, HOP),
    Case(
        "one dropped, which nothing tells from lost",
        on(25, DROPPED),
        Is.FORWARDS_LOST,
        "smtp",
        K.FORWARD_LOST,
        CONTRAST,
    ),
    Case("one rejected", on(25, REFUSED), Is.SERVICES_DOWN, "smtp", K.SERVER_FILTERED, HOP),
    Case("one filtered by the router", on(25, FILTERED), Is.SERVICES_DOWN, "smtp", K.SERVER_FILTERED, HOP),
    Case("one to nobody", on(25, NOBODY), Is.WRONG_DEVICE, "smtp", K.WRONG_DEVICE, ICMP),
    Case("one answered by the router", on(443, ROUTER), Is.FORWARDS_LOST, "https", K.ROUTER_ANSWERS, HOP),
    Case("one to a NAS", on(443, NAS), Is.WRONG_DEVICE, "https", K.WRONG_DEVICE, IDENTITY),
    Case("server off", server_off, Is.SERVER_DOWN, "imaps", K.SERVER_DOWN, ANY),
    Case("line dead", line_dead, Is.LINE_DOWN, "ssh", K.LINE_DOWN, CONTRAST),
    Case("all lost", all_lost, Is.ALL_FORWARDS_LOST, "ssh", K.FORWARD_LOST, ANY),
    Case(
        "all dropped, which nothing tells from lost",
        everywhere(DROPPED),
        Is.ALL_FORWARDS_LOST,
        "ssh",
        K.FORWARD_LOST,
        ANY,
    ),
]
IPV6 = [
    Case("one closed", on(25, CLOSED), Is.SERVICES_DOWN, "smtp", K.SERVICE_DOWN, HOP),
    Case("one rejected by the server", on(25, REFUSED), Is.SERVICES_DOWN, "smtp", K.SERVER_FILTERED, ICMP),
    Case("one lost", on(25, LOST), Is.FORWARDS_LOST, "smtp", K.FORWARD_LOST, ANY),
    Case("one of a NAS", on(443, NAS), Is.WRONG_DEVICE, "https", K.WRONG_DEVICE, IDENTITY),
    Case("line dead", line_dead, Is.LINE_DOWN, "ssh", K.LINE_DOWN, CONTRAST),
    Case("all lost", all_lost, Is.ALL_FORWARDS_LOST, "ssh", K.FORWARD_LOST, ANY),
]
IPV6_KNOWN = [
    Case("server off", server_off, Is.SERVER_DOWN, "ssh", K.SERVER_DOWN, ANY),
    Case("all closed", everywhere(CLOSED), Is.SERVICES_DOWN, "imaps", K.SERVICE_DOWN, HOP),
]


async def fresh_and_complete(watching: Watching, line: Line, case: Case) -> None:
    case.befall(line)
    await watching.round(complete=True)


async def complete_after_health(watching: Watching, line: Line, case: Case) -> None:
    await watching.rounds(2)
    case.befall(line)
    await watching.round(complete=True)


async def watched_after_health(watching: Watching, line: Line, case: Case) -> None:
    await watching.rounds(2)
    case.befall(line)
    await watching.round()


Run = Callable[[Watching, Line, Case], Awaitable[None]]
EXCEEDS: dict[str, object] = {}
SILENT: dict[str, object] = {"time_exceeded": False}
DOUBLE: dict[str, object] = {"double_nat": True, "hops": 4}
SIX: dict[str, object] = {"hops": 5}
TABLES: list[tuple[str, Mapping[str, object], Run, list[Case]]] = [
    ("fresh", EXCEEDS, fresh_and_complete, IPV4),
    ("complete", EXCEEDS, complete_after_health, IPV4 + KNOWN),
    ("watch", EXCEEDS, watched_after_health, IPV4 + KNOWN),
    ("fresh silent router", SILENT, fresh_and_complete, SILENT_ROUTER),
    ("complete silent router", SILENT, complete_after_health, SILENT_ROUTER + KNOWN),
    ("watch silent router", SILENT, watched_after_health, SILENT_ROUTER + KNOWN),
    # Nothing tells a closed server behind one router from an inner router that resets, unless it was known before.
    ("fresh double NAT", DOUBLE, fresh_and_complete, [case for case in IPV4 if case.befall is not all_lost]),
    ("complete double NAT", DOUBLE, complete_after_health, IPV4 + KNOWN),
    ("watch double NAT", DOUBLE, watched_after_health, IPV4 + KNOWN),
    ("fresh IPv6", SIX, fresh_and_complete, IPV6),
    ("complete IPv6", SIX, complete_after_health, IPV6 + IPV6_KNOWN),
    ("watch IPv6", SIX, watched_after_health, IPV6 + IPV6_KNOWN),
]
ROWS = [
    pytest.param(made, manner, run, case, id=f"{name}, {manner}: {case.says}")
    for name, made, run, cases in TABLES
    for manner in Manner
    for case in cases
]


def school(manner: Manner, made: Mapping[str, object]) -> Line:
    line = well(V6) if made is SIX else well()
    line.manner = manner
    return alter(line, **made)


@pytest.mark.parametrize(("made", "manner", "run", "case"), ROWS)
async def test_each_situation_is_named_at_once(
    made: Mapping[str, object], manner: Manner, run: Run, case: Case
) -> None:
    line = school(manner, made)
    watching = Watching(line)
    await run(watching, line, case)
    report = watching.reports[-1]
    assert report.diagnosis.kind is case.diagnosis, kinds(report, line.family)
    kind, proof = says(report, case.service, line.family)
    assert (kind, proof if case.proof else None) == (case.kind, case.proof)


@pytest.mark.parametrize(("made", "manner", "run", "case"), [row for row in ROWS if "watch" in str(row.id)])
async def test_each_situation_lasts_without_a_change_and_ends_at_once(
    made: Mapping[str, object], manner: Manner, run: Run, case: Case
) -> None:
    line = school(manner, made)
    watching = Watching(line)
    before = dict(line.ports)
    await run(watching, line, case)
    named = len(changes(watching))
    await watching.rounds(8)
    assert changes(watching)[named:] == []
    line.ports, line.server_on, line.up = before, True, True
    report = await watching.round()
    assert report.diagnosis.kind is Is.OK, kinds(report, line.family)
    assert {after for service, _, after in changes(watching)[named:]} <= {"ok", "unused"}
    for sooner, later in pairwise(watching.network.limited_times()):
        assert later - sooner >= 1.0
    assert watching.network.most_in_flight <= watching.tools.settings.school_concurrency
