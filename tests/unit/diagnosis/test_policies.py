import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.diagnosis.policies import certificate_policies
from portwatchd.model import Policy
from tests.unit.diagnosis.facts import certificate

DAY = 86400.0


@pytest.mark.parametrize(
    ("age", "fresh", "reason"),
    [
        (0, True, ""),
        (60, True, ""),
        (68.9, True, ""),
        (69.1, False, "not renewed in time, 21 days left"),
        (90, False, "not renewed in time, 0 days left"),
        (95, False, "not renewed in time, ran out 5 days ago"),
    ],
)
def test_a_certificate_of_90_days_is_overdue_nine_days_after_its_renewal(age: float, fresh: bool, reason: str) -> None:
    made = certificate(not_before=1000 * DAY, not_after=1090 * DAY)
    valid, found = certificate_policies(made, (1000 + age) * DAY)
    assert (valid.policy, valid.holds, valid.reason) == (Policy.CERTIFICATE_VALID, True, "")
    assert (found.policy, found.holds, found.reason) == (Policy.CERTIFICATE_FRESH, fresh, reason)


def test_the_reason_of_an_invalid_certificate_is_told() -> None:
    valid, _ = certificate_policies(certificate(valid=False), 0.0)
    assert (valid.holds, valid.reason) == (False, "self-signed")


@given(st.floats(0, 2e9), st.floats(0, 1e9), st.floats(0, 4e9))
def test_every_certificate_and_time_has_both_policies(not_before: float, life: float, now: float) -> None:
    made = certificate(not_before=not_before, not_after=not_before + life)
    assert [fact.policy for fact in certificate_policies(made, now)] == [
        Policy.CERTIFICATE_VALID,
        Policy.CERTIFICATE_FRESH,
    ]
