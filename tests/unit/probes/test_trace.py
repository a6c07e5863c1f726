"""Stage times, and which policies are kept."""

from __future__ import annotations

import pytest

from portwatchd.model import Policy, PolicyFact, Stage
from portwatchd.probes.trace import Trace
from tests.unit.probes.script import Ticks


def test_a_stage_within_a_stage_takes_its_time_out_of_the_outer_one() -> None:
    times = iter([0.0, 10.0, 15.0, 18.0, 20.0, 21.0])
    trace = Trace(lambda: next(times))
    with trace.stage(Stage.DIALOGUE), trace.stage(Stage.TLS):
        pass  # the dialogue from 0 to 10, TLS to 15, and the dialogue again to 18
    with trace.stage(Stage.DIALOGUE):
        pass  # from 20 to 21
    assert trace.seconds == {Stage.DIALOGUE: 14.0, Stage.TLS: 5.0}
    assert trace.stopped is None


def test_the_innermost_stage_is_where_it_stopped() -> None:
    trace = Trace(Ticks())
    with pytest.raises(KeyError), trace.stage(Stage.DIALOGUE), trace.stage(Stage.TLS):
        raise KeyError
    assert trace.stopped is Stage.TLS
    assert trace.seconds == {Stage.DIALOGUE: 2.0, Stage.TLS: 1.0}


def test_only_wanted_policies_are_kept_and_the_last_word_counts() -> None:
    trace = Trace(Ticks(), frozenset({Policy.HSTS}))
    trace.note(Policy.HSTS, holds=None)
    trace.note(Policy.HSTS, holds=True, reason="why")
    trace.note(Policy.TLS_OFFERED, holds=True)
    assert trace.facts == {Policy.HSTS: PolicyFact(Policy.HSTS, holds=True, reason="why")}
