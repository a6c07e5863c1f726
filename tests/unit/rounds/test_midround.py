"""What begins or ends while a round runs: no moment of it leads to a cause that never was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from portwatchd.model import DiagnosisKind, VerdictKind
from tests.unit.rounds.outside import Manner, Situation
from tests.unit.rounds.simulated import RANGE, V4, V6, Watching, changes, well

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.rounds.outside import Line

pytestmark = pytest.mark.looptime

MOMENTS = [0.01, 0.05, 0.5, *range(1, 60, 3)]
WELL = {VerdictKind.OK, VerdictKind.UNUSED}


def line_dead(line: Line, happens: bool) -> None:
    line.up = not happens


def server_off(line: Line, happens: bool) -> None:
    line.server_on = not happens


def smtp_lost(line: Line, happens: bool) -> None:
    line.ports[25] = Situation.LOST if happens else Situation.OPEN


def all_lost(line: Line, happens: bool) -> None:
    for number in line.ports:
        there = Situation.CLOSED if number in RANGE else Situation.OPEN
        line.ports[number] = Situation.LOST if happens else there


FAULTS: list[tuple[Callable[[Line, bool], None], set[VerdictKind], set[DiagnosisKind]]] = [
    (line_dead, {VerdictKind.LINE_DOWN}, {DiagnosisKind.LINE_DOWN}),
    (server_off, {VerdictKind.SERVER_DOWN}, {DiagnosisKind.SERVER_DOWN}),
    (smtp_lost, {VerdictKind.FORWARD_LOST}, {DiagnosisKind.FORWARDS_LOST}),
    (all_lost, {VerdictKind.FORWARD_LOST}, {DiagnosisKind.ALL_FORWARDS_LOST, DiagnosisKind.FORWARDS_LOST}),
]


async def settled(*lines: Line) -> Watching:
    watching = Watching(*lines)
    watching.beside(12)
    await watching.rounds(4)
    assert watching.reports[-1].diagnosis.kind is DiagnosisKind.OK
    watching.reports.clear()
    return watching


def only(watching: Watching, verdicts: set[VerdictKind], diagnoses: set[DiagnosisKind]) -> None:
    """Nothing was ever said but that all is well, or what truly happened."""
    allowed = {str(kind) for kind in verdicts | WELL | diagnoses | {DiagnosisKind.OK}}
    said = {after for _, _, after in changes(watching)}
    assert said <= allowed, changes(watching)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("manner", [Manner.DROP, Manner.RESET])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[0].__name__)
async def test_a_fault_that_ends_in_a_round_leads_to_no_other_cause(
    fault: tuple[Callable[[Line, bool], None], set[VerdictKind], set[DiagnosisKind]],
    manner: Manner,
    moment: float,
) -> None:
    happen, verdicts, diagnoses = fault
    line = well(manner=manner)
    watching = await settled(line)
    happen(line, True)
    await watching.rounds(3)
    asyncio.get_running_loop().call_later(moment, happen, line, False)
    await watching.rounds(4)
    only(watching, verdicts, diagnoses)
    assert watching.reports[-1].diagnosis.kind is DiagnosisKind.OK


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("lasting", [20.0, 33.0, 47.0, 600.0])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[0].__name__)
async def test_a_fault_that_begins_in_a_round_and_ends_in_one_leads_to_no_other_cause(
    fault: tuple[Callable[[Line, bool], None], set[VerdictKind], set[DiagnosisKind]],
    lasting: float,
    moment: float,
) -> None:
    happen, verdicts, diagnoses = fault
    line = well(manner=Manner.DROP)
    watching = await settled(line)
    loop = asyncio.get_running_loop()
    loop.call_later(moment, happen, line, True)
    loop.call_later(moment + lasting, happen, line, False)
    await watching.rounds(6)
    only(watching, verdicts, diagnoses)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_line_of_both_families_that_comes_back_in_a_round(moment: float) -> None:
    lines = [well(V4), well(V6)]
    watching = await settled(*lines)
    for line in lines:
        line_dead(line, True)
    await watching.rounds(3)
    for line in lines:
        asyncio.get_running_loop().call_later(moment, line_dead, line, False)
    await watching.rounds(4)
    only(watching, {VerdictKind.LINE_DOWN}, {DiagnosisKind.LINE_DOWN})
    assert watching.reports[-1].diagnosis.kind is DiagnosisKind.OK
