"""A round that takes over what was judged before must tell nothing else than one that judges anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from portwatchd.diagnosis.standing import VEILS
from portwatchd.metrics.render import Labels, render, renew
from portwatchd.model import Depth, DiagnosisKind, Foreign, Outcome, Policy, PolicyFact, VerdictKind
from portwatchd.world import Resolution, Resolved
from tests.unit.rounds.outside import NOWHERE, Manner, Situation
from tests.unit.rounds.simulated import (
    HOST,
    INTERVAL,
    LISTED,
    RANGE,
    START,
    STRANGE,
    V4,
    V6,
    Prober,
    Watching,
    port,
    well,
)

if TYPE_CHECKING:
    from portwatchd.model import Observation, Report, Target
    from tests.unit.rounds.outside import Line

pytestmark = pytest.mark.looptime

WARM = 3
"""Rounds until the distance is learnt and a judgement can be taken over."""


async def calm_school(*lines: Line) -> Watching:
    watching = Watching(*lines)
    await watching.round(depth=Depth.AUDIT)
    await watching.clock.sleep(INTERVAL)
    await watching.rounds(WARM)
    assert watching.memory.calm is not None
    return watching


def told(report: Report) -> list[object]:
    """Everything but times, and what differs from probe to probe."""
    ports = [(p.service.name, p.family, p.verdict.kind, p.forwarded, p.up, p.certificate) for p in report.ports]
    return [report.diagnosis.kind, ports, [(t.service, t.before, t.after) for t in report.transitions]]


async def test_a_school_of_which_all_is_well_is_judged_once_and_told_in_each_round() -> None:
    watching = await calm_school(well(), well(V6))
    before = watching.reports[-1]
    watching.reports.clear()
    await watching.rounds(5)
    assert [report.calm for report in watching.reports] == [True] * 5
    for report in watching.reports:
        assert told(report) == told(before)
        assert [p.since for p in report.ports] == [p.since for p in before.ports]
        assert report.at > before.at
        assert len(report.observations) == len(before.observations)
    labels = Labels(watching.school)
    former = render(before, labels)
    for report in watching.reports:
        former = renew(report, labels, former)
        assert former == render(report, labels)
    times = [port(report, "smtp").observation for report in watching.reports]
    assert len({one.at for one in times if one is not None}) == len(times)


async def test_a_judgement_is_taken_over_for_a_quarter_of_an_hour_only() -> None:
    watching = await calm_school(well())
    watching.reports.clear()
    await watching.rounds(40)
    anew = [number for number, report in enumerate(watching.reports) if not report.calm]
    assert 1 < len(anew) <= 4
    assert max(b - a for a, b in pairwise(anew)) * INTERVAL <= 900 + INTERVAL


@pytest.mark.parametrize("situation", list(Situation))
@pytest.mark.parametrize("manner", list(Manner))
@pytest.mark.parametrize("number", [25, 443, 22, 63017, 0])
async def test_whatever_befalls_a_calm_school_is_told_as_if_it_had_been_judged_in_each_round(
    situation: Situation, manner: Manner, number: int
) -> None:
    """The same faults befall two schools, one of which judges each round anew; 0 stands for all ports."""
    runs = []
    for anew in (False, True):
        line = well(manner=manner)
        watching = await calm_school(line)
        watching.reports.clear()
        ports = [number] if number else [*LISTED, *RANGE]
        before = dict(line.ports)
        for now in (dict.fromkeys(ports, situation), before):
            line.ports.update(now)
            for _ in range(3):
                if anew:
                    watching.memory.calm = None
                await watching.rounds(1)
        runs.append([told(report) for report in watching.reports])
    assert runs[0] == runs[1]


class Says(Prober):
    """Shows something else on one port, from a moment on."""

    changes: dict[int, dict[str, object]]

    async def observe(self, target: Target, *, patience: float | None = None) -> Observation:
        seen = await super().observe(target, patience=patience)
        return replace(seen, **self.changes.get(target.port, {}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "change", "calm"),
    [
        (443, {"certificate": STRANGE, "outcome": Outcome.CERTIFICATE_INVALID}, False),
        (443, {"certificate": replace(STRANGE, valid=True, names_match=True, reason="")}, False),
        (22, {"banner": Foreign(b"SSH-2.0-dropbear_2022.83")}, False),
        (25, {"banner": Foreign(b"220 mail ESMTP Exim 4.96 Tue, 24 Nov 2026 12:00:00 +0000")}, True),
        (25, {"banner": Foreign(b"220 FRITZ!Box ready")}, False),
        (25, {"policies": (PolicyFact(Policy.TLS_OFFERED, holds=False),)}, False),
        (25, {"void": True, "outcome": Outcome.TIMEOUT}, False),
    ],
)
async def test_what_a_port_shows_decides_whether_the_round_is_judged(
    number: int, change: dict[str, object], calm: bool
) -> None:
    watching = await calm_school(well())
    prober = Says(watching.network)
    prober.changes = {number: change}
    watching.tools.prober = prober
    assert (await watching.round()).calm is calm


async def test_another_name_or_other_settings_are_judged_anew() -> None:
    watching = await calm_school(well())
    watching.school = replace(watching.school, server_name="other.example.org")
    assert not (await watching.round()).calm
    watching = await calm_school(well())
    watching.tools.settings = replace(watching.tools.settings, confirm_attempts=2)
    assert not (await watching.round()).calm


@pytest.mark.parametrize("status", [Resolved.NO_SUCH_NAME, Resolved.RESOLVER_FAILED])
async def test_a_name_that_comes_back_is_told_of(status: Resolved) -> None:
    watching = await calm_school(well())
    usual = watching.names.answers[HOST]
    watching.names.answers[HOST] = Resolution(status, ())
    lost = await watching.rounds(1)
    watching.names.answers[HOST] = usual
    back = await watching.rounds(1)
    assert lost.diagnosis.kind is not DiagnosisKind.OK
    assert (back.calm, back.diagnosis.kind) == (False, DiagnosisKind.OK)
    told = [t.after for report in (lost, back) for t in report.transitions]
    assert told == ([DiagnosisKind.DNS_FAILED, DiagnosisKind.OK] if status is Resolved.NO_SUCH_NAME else [])
    assert watching.memory.diagnosis is not None
    assert watching.memory.diagnosis.believed is DiagnosisKind.OK
    assert watching.memory.diagnosis.veil is None


async def test_a_round_that_is_broken_off_leaves_nothing_to_take_over() -> None:
    watching = await calm_school(well())
    round_ = asyncio.create_task(watching.round())
    await asyncio.sleep(0.001)
    round_.cancel()
    with pytest.raises(asyncio.CancelledError):
        await round_
    assert not (await watching.round()).calm


async def test_a_person_who_waits_has_all_of_it_judged() -> None:
    watching = await calm_school(well())
    assert not (await watching.round(complete=True)).calm


async def test_a_certificate_that_runs_out_ends_what_was_taken_over() -> None:
    watching = await calm_school(well())
    calm = watching.memory.calm
    assert calm is not None
    calm.until = watching.clock.wall()
    assert not (await watching.round()).calm


@pytest.mark.parametrize("fault", [0.0, 0.5, 3.0])
async def test_a_port_that_fails_and_returns_leaves_nothing_behind(fault: float) -> None:
    line = well()
    watching = await calm_school(line)
    watching.reports.clear()
    line.ports[25] = Situation.LOST

    async def mend() -> None:
        await asyncio.sleep(fault)
        line.ports[25] = Situation.OPEN

    mending = asyncio.create_task(mend())
    await watching.rounds(4)
    await mending
    assert [t for report in watching.reports for t in report.transitions] == []
    kinds = {p.verdict.kind for report in watching.reports for p in report.ports}
    assert kinds - VEILS <= {VerdictKind.OK, VerdictKind.UNUSED}
    assert watching.reports[-1].calm
    assert watching.memory.distances[NOWHERE[V4]].arriving is not None
    assert watching.clock.wall() > START
