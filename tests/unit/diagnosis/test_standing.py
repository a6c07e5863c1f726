from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from portwatchd.diagnosis.standing import VEILS, advance, shown
from portwatchd.model import DiagnosisKind, Standing, VerdictKind

K = VerdictKind
VEILING = sorted(kind for kind in VerdictKind if kind in VEILS)
BELIEVED = sorted(set(VerdictKind) - set(VEILING))


@pytest.mark.parametrize(
    ("before", "kind", "after", "changed"),
    [
        (None, K.OK, Standing(K.OK, 9.0), True),
        (None, K.UNKNOWN, Standing(None, 9.0, K.UNKNOWN, 9.0), False),
        (Standing(K.OK, 1.0), K.OK, Standing(K.OK, 1.0), False),
        (Standing(K.OK, 1.0), K.FORWARD_LOST, Standing(K.FORWARD_LOST, 9.0), True),
        (Standing(K.OK, 1.0), K.UNKNOWN, Standing(K.OK, 1.0, K.UNKNOWN, 9.0), False),
        (Standing(K.OK, 1.0, K.UNKNOWN, 5.0), K.UNKNOWN, Standing(K.OK, 1.0, K.UNKNOWN, 5.0), False),
        (Standing(K.OK, 1.0, K.UNKNOWN, 5.0), K.BLOCKED_HERE, Standing(K.OK, 1.0, K.BLOCKED_HERE, 9.0), False),
        (Standing(K.OK, 1.0, K.UNKNOWN, 5.0), K.OK, Standing(K.OK, 1.0), False),
        (Standing(K.OK, 1.0, K.UNKNOWN, 5.0), K.LINE_DOWN, Standing(K.LINE_DOWN, 9.0), True),
        (Standing(None, 1.0, K.UNKNOWN, 1.0), K.OK, Standing(K.OK, 9.0), True),
    ],
)
def test_what_is_believed_next(
    before: Standing[VerdictKind] | None, kind: VerdictKind, after: Standing[VerdictKind], changed: bool
) -> None:
    assert advance(before, kind, 9.0) == (after, changed)


def test_a_diagnosis_is_believed_in_the_same_way() -> None:
    standing, _ = advance(None, DiagnosisKind.OK, 1.0)
    standing, changed = advance(standing, DiagnosisKind.UNKNOWN, 2.0)
    assert not changed
    assert (standing.believed, shown(standing, DiagnosisKind.UNKNOWN)) == (DiagnosisKind.OK, 2.0)
    assert advance(standing, DiagnosisKind.OK, 3.0) == (Standing(DiagnosisKind.OK, 1.0), False)


@given(st.lists(st.sampled_from(VerdictKind)))
@settings(max_examples=300)
def test_veils_between_two_beliefs_leave_no_trace(kinds: list[VerdictKind]) -> None:
    def transitions(told: list[VerdictKind]) -> list[VerdictKind]:
        standing: Standing[VerdictKind] | None = None
        found = []
        for at, kind in enumerate(told):
            standing, changed = advance(standing, kind, float(at))
            if changed:
                found.append(kind)
        return found

    assert transitions(kinds) == transitions([kind for kind in kinds if kind not in VEILS])


@dataclass
class Expected:
    """What a reader of the journal would believe."""

    now: float = 0.0
    believed: VerdictKind | None = None
    since: float = 0.0
    shown_since: float = 0.0
    last: VerdictKind | None = None
    transitions: list[VerdictKind] = field(default_factory=list)


class Beliefs(RuleBasedStateMachine):
    """A port's standing over any run of verdicts."""

    def __init__(self) -> None:
        super().__init__()
        self.expected = Expected()
        self.standing: Standing[VerdictKind] | None = None
        self.changes = 0

    def tell(self, kind: VerdictKind) -> bool:
        self.expected.now += 1.0
        self.standing, changed = advance(self.standing, kind, self.expected.now)
        self.changes += changed
        return changed

    @rule(kind=st.sampled_from(BELIEVED))
    def believe(self, kind: VerdictKind) -> None:
        expected, is_new = self.expected, kind is not self.expected.believed
        assert self.tell(kind) is is_new
        if is_new:
            expected.believed, expected.since = kind, expected.now
            expected.transitions.append(kind)
        expected.last, expected.shown_since = kind, expected.since

    @rule(kind=st.sampled_from(VEILING))
    def veil(self, kind: VerdictKind) -> None:
        expected = self.expected
        assert not self.tell(kind)
        if expected.last is not kind:
            expected.shown_since = expected.now
        expected.last = kind

    @precondition(lambda self: self.standing is not None and self.expected.believed is not None)
    @rule()
    def believe_the_same_again(self) -> None:
        assert self.expected.believed is not None
        assert not self.tell(self.expected.believed)
        self.expected.last, self.expected.shown_since = self.expected.believed, self.expected.since

    @invariant()
    def the_belief_and_its_time_are_kept(self) -> None:
        expected, standing = self.expected, self.standing
        if standing is None or expected.last is None:
            return
        assert standing.believed is expected.believed
        assert expected.believed is None or standing.since == expected.since
        assert shown(standing, expected.last) == expected.shown_since
        assert self.changes == len(expected.transitions)
        assert (standing.veil is None) is (expected.last not in VEILS)


TestBeliefs = Beliefs.TestCase
