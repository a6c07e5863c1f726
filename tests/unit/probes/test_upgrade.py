"""What is known of an upgrade before the handshake."""

from __future__ import annotations

import pytest

from portwatchd.model import Outcome, Policy, Protocol
from portwatchd.probes.conversation import Conversation, Failed
from portwatchd.probes.trace import Trace
from portwatchd.probes.upgrade import Offer
from tests.unit.probes.script import Script, Ticks, a_target


def a_talk() -> Conversation:
    return Conversation(Script([]), Trace(Ticks(), frozenset({Policy.TLS_OFFERED})))


@pytest.mark.parametrize(
    ("listed", "audit", "wanted", "holds"),
    [(True, False, False, True), (True, True, True, None), (None, False, True, None), (None, True, True, None)],
)
def test_a_listed_offer_is_enough_for_a_watch(
    listed: bool | None, audit: bool, wanted: bool, holds: bool | None
) -> None:
    talk = a_talk()
    offer = Offer("STLS", "CAPA", listed=listed)
    assert offer.wants_handshake(talk, a_target(Protocol.POP3, audit=audit)) is wanted
    assert talk.trace.facts[Policy.TLS_OFFERED].holds is holds


@pytest.mark.parametrize(("listed", "outcome"), [(True, Outcome.TLS_FAILED), (None, Outcome.STARTTLS_MISSING)])
def test_a_refusal_is_worse_where_it_was_offered(listed: bool | None, outcome: Outcome) -> None:
    talk = a_talk()
    offer = Offer("STLS", "CAPA", listed=listed)
    offer.require_accepted(talk, "+OK", accepted=True)
    with pytest.raises(Failed) as failed:
        offer.require_accepted(talk, '"no"', accepted=False)
    assert failed.value.outcome is outcome
    assert talk.trace.facts[Policy.TLS_OFFERED].holds is False
