"""Dialogues with SMTP servers, good ones and others."""

from __future__ import annotations

import pytest

from portwatchd.model import Outcome, Policy, Protocol
from portwatchd.probes.conversation import Failed
from portwatchd.probes.smtp import probe
from portwatchd.probes.trace import Trace
from portwatchd.wire.lines import Malformed
from portwatchd.wire.replies import Unwelcome
from tests.unit.probes.script import Break, Ticks, a_target, converse, fact, play, transcript

POLICIES = (Policy.TLS_OFFERED, Policy.PLAINTEXT_REFUSED)
SMTP = a_target(Protocol.SMTP, *POLICIES)
AUDIT = a_target(Protocol.SMTP, *POLICIES, audit=True)


def test_a_watch_is_content_with_the_offer() -> None:
    trace = converse(
        probe,
        SMTP,
        """
        S: 220 mail.school.example ESMTP Exim 4.96
        C: EHLO portwatchd.invalid
        S: 250-mail.school.example Hello portwatchd.invalid
        S: 250-SIZE 52428800
        S: 250-STARTTLS
        S: 250 HELP
        C: QUIT
        """,
    )
    assert trace.banner.shown() == "mail.school.example ESMTP Exim 4.96"
    assert fact(trace, Policy.TLS_OFFERED) == (True, "EHLO lists STARTTLS")
    assert fact(trace, Policy.PLAINTEXT_REFUSED) == (True, "no AUTH before TLS")


def test_the_offer_may_stand_last_and_the_greeting_may_have_many_lines() -> None:
    converse(
        probe,
        SMTP,
        """
        S: 220-mail ESMTP
        S: 220 no spam here
        C: EHLO portwatchd.invalid
        S: 250-mail
        S: 250 StartTLS
        C: QUIT
        """,
    )


def test_an_audit_goes_into_tls_and_asks_anew() -> None:
    trace = converse(
        probe,
        AUDIT,
        """
        S: 220 mail ESMTP
        C: EHLO portwatchd.invalid
        S: 250-mail
        S: 250-STARTTLS
        S: 250 AUTH PLAIN LOGIN
        C: STARTTLS
        S: 220 TLS go ahead
        TLS
        C: EHLO portwatchd.invalid
        S: 250-mail
        S: 250 AUTH PLAIN LOGIN
        C: QUIT
        """,
    )
    assert fact(trace, Policy.TLS_OFFERED) == (True, "handshake done, TLSv1.3")
    assert fact(trace, Policy.PLAINTEXT_REFUSED) == (False, 'AUTH before TLS: "PLAIN LOGIN"')
    assert trace.certificate is not None


def test_policies_that_the_profile_does_not_want_are_not_told() -> None:
    trace = converse(
        probe,
        a_target(Protocol.SMTP, Policy.TLS_OFFERED),
        """
        S: 220 mail
        C: EHLO portwatchd.invalid
        S: 250-mail
        S: 250 STARTTLS
        C: QUIT
        """,
    )
    assert set(trace.facts) == {Policy.TLS_OFFERED}


def test_smtps_says_nothing_of_plain_text() -> None:
    trace = converse(
        probe,
        a_target(Protocol.SMTPS, Policy.PLAINTEXT_REFUSED, audit=True),
        """
        S: 220 mail ESMTP
        C: EHLO portwatchd.invalid
        S: 250-mail
        S: 250 AUTH PLAIN LOGIN
        C: QUIT
        """,
    )
    assert trace.facts == {}


MISSING = """
    S: 220 mail ESMTP
    C: EHLO portwatchd.invalid
    S: 250-mail
    S: 250 SIZE
    C: QUIT
"""
HELO_ONLY = """
    S: 220 mail SMTP
    C: EHLO portwatchd.invalid
    S: 502 no
    C: HELO portwatchd.invalid
    S: 250 mail
    C: QUIT
"""
FTP_SERVER = """
    S: 220 ProFTPD Server ready
    C: EHLO portwatchd.invalid
    S: 500 EHLO not understood
    C: HELO portwatchd.invalid
    S: 500 HELO not understood
"""
REFUSED_AFTER_ALL = """
    S: 220 mail ESMTP
    C: EHLO portwatchd.invalid
    S: 250-mail
    S: 250 STARTTLS
    C: STARTTLS
    S: 454 TLS currently unavailable
    C: QUIT
"""
INJECTED = """
    S: 220 mail ESMTP
    C: EHLO portwatchd.invalid
    S: 250-mail
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 TLS go ahead
    S: 250 you are safe
"""
HANGS_UP = """
    S: 220 mail ESMTP
    C: EHLO portwatchd.invalid
    EOF
"""


@pytest.mark.parametrize(
    ("script", "outcome", "detail"),
    [
        (MISSING, Outcome.STARTTLS_MISSING, "EHLO does not list STARTTLS"),
        (HELO_ONLY, Outcome.STARTTLS_MISSING, "EHLO does not list STARTTLS"),
        (FTP_SERVER, Outcome.WRONG_PROTOCOL, 'knows neither EHLO nor HELO: 500 "HELO not understood"'),
        (
            REFUSED_AFTER_ALL,
            Outcome.TLS_FAILED,
            'STARTTLS is offered and then refused: 454 "TLS currently unavailable"',
        ),
        (HANGS_UP, Outcome.CLOSED, "the peer closes the connection"),
        ("EOF", Outcome.CLOSED, "the peer closes the connection"),
    ],
)
def test_bad_servers(script: str, outcome: Outcome, detail: str) -> None:
    trace = Trace(Ticks(), frozenset(POLICIES))
    with pytest.raises(Failed) as failed:
        converse(probe, AUDIT, script, trace)
    assert (failed.value.outcome, failed.value.detail) == (outcome, detail)
    if outcome in {Outcome.STARTTLS_MISSING, Outcome.TLS_FAILED}:
        assert fact(trace, Policy.TLS_OFFERED) == (False, detail)


def test_text_behind_starttls_is_refused_before_the_handshake() -> None:
    # In a packet of its own it would lie in the kernel instead, and fail in the handshake: see the loopback tests.
    with pytest.raises(Failed) as failed:
        play(probe, AUDIT, transcript(INJECTED), Trace(Ticks()), piece=16384)
    assert failed.value.outcome is Outcome.STARTTLS_INJECTED
    assert failed.value.detail == "18 bytes of plain text before the handshake"


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("S: 554 no service for you", 'answers 554 "no service for you"'),
        (
            """
            S: 220 mail
            C: EHLO portwatchd.invalid
            S: 550 who are you?
            C: QUIT
            """,
            'answers 550 "who are you?"',
        ),
    ],
)
def test_a_refusal_is_the_service_s_own(script: str, detail: str) -> None:
    with pytest.raises(Unwelcome, match=detail.replace("?", r"\?")):
        converse(probe, SMTP, script)


def test_another_protocol_shows_in_the_first_line() -> None:
    trace = Trace(Ticks())
    with pytest.raises(Malformed, match=r"SSH-2\.0-OpenSSH"):
        converse(probe, SMTP, "S: SSH-2.0-OpenSSH_9.2", trace)
    assert not trace.understood


def test_a_peer_that_is_gone_before_the_farewell_did_well_all_the_same() -> None:
    steps = transcript(
        """
        S: 220 mail
        C: EHLO portwatchd.invalid
        S: 250-mail
        S: 250 STARTTLS
        """,
    )
    converse(probe, SMTP, [*steps, Break(ConnectionResetError())])
