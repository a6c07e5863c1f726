"""Dialogues with POP3 servers, good ones and others."""

from __future__ import annotations

import pytest

from portwatchd.model import Outcome, Policy, Protocol
from portwatchd.probes.conversation import Failed
from portwatchd.probes.pop3 import ask_plain_login, probe
from portwatchd.probes.trace import Trace
from portwatchd.wire.lines import Malformed
from portwatchd.wire.replies import Unwelcome
from tests.unit.probes.script import Ticks, a_target, converse, fact

POLICIES = (Policy.TLS_OFFERED, Policy.PLAINTEXT_REFUSED)
POP3 = a_target(Protocol.POP3, *POLICIES)
AUDIT = a_target(Protocol.POP3, *POLICIES, audit=True)

DOVECOT = """
    S: +OK Dovecot ready.
    C: CAPA
    S: +OK
    S: CAPA
    S: TOP
    S: STLS
    S: SASL
    S: .
"""


def test_a_watch_is_content_with_the_offer() -> None:
    trace = converse(probe, POP3, DOVECOT + "C: QUIT")
    assert trace.banner.shown() == "Dovecot ready."
    assert fact(trace, Policy.TLS_OFFERED) == (True, "CAPA lists STLS")


def test_an_audit_goes_into_tls_and_asks_anew() -> None:
    trace = converse(
        probe,
        AUDIT,
        f"""{DOVECOT}
        C: STLS
        S: +OK Begin TLS negotiation now.
        TLS
        C: CAPA
        S: +OK
        S: SASL PLAIN
        S: .
        C: QUIT
        """,
    )
    assert fact(trace, Policy.TLS_OFFERED) == (True, "handshake done, TLSv1.3")


def test_pop3s_greets_and_that_is_all() -> None:
    converse(probe, a_target(Protocol.POP3S, audit=True), "S: +OK ready\nC: QUIT")


def test_no_offer() -> None:
    trace = Trace(Ticks(), frozenset(POLICIES))
    with pytest.raises(Failed) as failed:
        converse(probe, POP3, "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: .\nC: QUIT", trace)
    assert failed.value.outcome is Outcome.STARTTLS_MISSING
    assert fact(trace, Policy.TLS_OFFERED) == (False, "CAPA does not list STLS")


def test_a_server_without_capa_is_asked_for_tls_itself() -> None:
    converse(
        probe,
        POP3,
        """
        S: +OK
        C: CAPA
        S: -ERR unknown command
        C: STLS
        S: +OK go
        TLS
        C: CAPA
        S: -ERR unknown command
        C: QUIT
        """,
    )
    with pytest.raises(Failed) as failed:
        converse(probe, POP3, "S: +OK\nC: CAPA\nS: -ERR what\nC: STLS\nS: -ERR what\nC: QUIT")
    assert failed.value.outcome is Outcome.STARTTLS_MISSING


def test_tls_offered_and_then_refused() -> None:
    with pytest.raises(Failed) as failed:
        converse(probe, AUDIT, f"{DOVECOT}\nC: STLS\nS: -ERR not now\nC: QUIT")
    assert (failed.value.outcome, failed.value.detail) == (
        Outcome.TLS_FAILED,
        'STLS is offered and then refused: "not now"',
    )


def test_refusals_and_strangers() -> None:
    with pytest.raises(Unwelcome, match='answers -ERR "busy"'):
        converse(probe, POP3, "S: -ERR busy")
    with pytest.raises(Malformed, match="IMAP"):
        converse(probe, POP3, "S: * OK IMAP ready")


@pytest.mark.parametrize(
    ("answer", "holds"),
    [("-ERR [AUTH] Plaintext authentication disallowed", True), ("+OK", False), ("+OK password please", False)],
)
def test_plain_logins(answer: str, holds: bool) -> None:
    trace = converse(ask_plain_login, AUDIT, f"S: +OK\nC: USER portwatchd\nS: {answer}\nC: QUIT")
    assert fact(trace, Policy.PLAINTEXT_REFUSED)[0] is holds
    assert fact(trace, Policy.PLAINTEXT_REFUSED)[1].startswith(
        f"USER before TLS is answered {answer.partition(' ')[0]}"
    )
