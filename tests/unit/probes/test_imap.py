"""Dialogues with IMAP servers, good ones and others."""

from __future__ import annotations

import pytest

from portwatchd.model import Outcome, Policy, Protocol
from portwatchd.probes.conversation import Failed
from portwatchd.probes.imap import probe
from portwatchd.probes.trace import Trace
from portwatchd.wire.lines import Malformed
from portwatchd.wire.replies import Unwelcome
from tests.unit.probes.script import Ticks, a_target, converse, fact

POLICIES = (Policy.TLS_OFFERED, Policy.PLAINTEXT_REFUSED)
IMAP = a_target(Protocol.IMAP, *POLICIES)
AUDIT = a_target(Protocol.IMAP, *POLICIES, audit=True)

DOVECOT = "S: * OK [CAPABILITY IMAP4rev1 ID STARTTLS LOGINDISABLED] Dovecot ready."


def test_capabilities_in_the_greeting_need_no_question() -> None:
    trace = converse(probe, IMAP, f"{DOVECOT}\nC: z LOGOUT")
    assert trace.banner.shown() == "[CAPABILITY IMAP4rev1 ID STARTTLS LOGINDISABLED] Dovecot ready."
    assert fact(trace, Policy.TLS_OFFERED) == (True, "CAPABILITY lists STARTTLS")
    assert fact(trace, Policy.PLAINTEXT_REFUSED) == (True, "LOGINDISABLED before TLS")


def test_capabilities_by_command() -> None:
    trace = converse(
        probe,
        IMAP,
        """
        S: * OK Courier-IMAP ready
        C: a CAPABILITY
        S: * CAPABILITY IMAP4rev1 STARTTLS
        S: a OK done
        C: z LOGOUT
        """,
    )
    assert fact(trace, Policy.PLAINTEXT_REFUSED) == (False, "no LOGINDISABLED before TLS")


def test_an_audit_goes_into_tls_and_asks_anew() -> None:
    trace = converse(
        probe,
        AUDIT,
        f"""
        {DOVECOT}
        C: b STARTTLS
        S: b OK Begin TLS negotiation now.
        TLS
        C: c CAPABILITY
        S: * CAPABILITY IMAP4rev1 AUTH=PLAIN
        S: c OK done
        C: z LOGOUT
        """,
    )
    assert fact(trace, Policy.TLS_OFFERED) == (True, "handshake done, TLSv1.3")
    assert fact(trace, Policy.PLAINTEXT_REFUSED) == (True, "LOGINDISABLED before TLS")


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        ("OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED AUTH=PLAIN AUTH=LOGIN]", "AUTH=LOGIN, AUTH=PLAIN before TLS"),
        ("OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN]", "no LOGINDISABLED before TLS"),
        ("PREAUTH [CAPABILITY IMAP4rev1 STARTTLS]", "the connection is logged in from the start"),
    ],
)
def test_plain_logins(greeting: str, reason: str) -> None:
    trace = converse(probe, IMAP, f"S: * {greeting}\nC: z LOGOUT")
    assert fact(trace, Policy.PLAINTEXT_REFUSED) == (False, reason)


def test_imaps_greets_and_that_is_all() -> None:
    converse(probe, a_target(Protocol.IMAPS, audit=True), "S: * OK ready\nC: z LOGOUT")


def test_plain_imap_is_asked_only_for_what_the_profile_wants() -> None:
    converse(probe, a_target(Protocol.IMAP), "S: * OK ready\nC: z LOGOUT")
    trace = converse(probe, a_target(Protocol.IMAP, Policy.PLAINTEXT_REFUSED), f"{DOVECOT}\nC: z LOGOUT")
    assert set(trace.facts) == {Policy.PLAINTEXT_REFUSED}


def test_no_offer() -> None:
    trace = Trace(Ticks(), frozenset(POLICIES))
    with pytest.raises(Failed) as failed:
        converse(probe, IMAP, "S: * OK [CAPABILITY IMAP4rev1] x\nC: z LOGOUT", trace)
    assert failed.value.outcome is Outcome.STARTTLS_MISSING
    assert fact(trace, Policy.TLS_OFFERED) == (False, "CAPABILITY does not list STARTTLS")


def test_tls_offered_and_then_refused() -> None:
    with pytest.raises(Failed) as failed:
        converse(probe, AUDIT, f"{DOVECOT}\nC: b STARTTLS\nS: b NO no certificate\nC: z LOGOUT")
    assert (failed.value.outcome, failed.value.detail) == (
        Outcome.TLS_FAILED,
        'STARTTLS is offered and then refused: NO "no certificate"',
    )


@pytest.mark.parametrize(
    "script",
    ["S: * BYE too many connections", "S: * OK x\nC: a CAPABILITY\nS: * BYE shutting down\nC: z LOGOUT"],
)
def test_a_refusal_is_the_service_s_own(script: str) -> None:
    with pytest.raises(Unwelcome, match="answers BYE"):
        converse(probe, IMAP, script)


def test_strangers() -> None:
    with pytest.raises(Malformed, match="POP3"):
        converse(probe, IMAP, "S: +OK POP3 ready")
