"""Dialogues with FTP servers, good ones and others."""

from __future__ import annotations

import pytest

from portwatchd.model import Outcome, Policy, Protocol
from portwatchd.probes.conversation import Failed
from portwatchd.probes.ftp import ask_plain_login, probe
from portwatchd.probes.trace import Trace
from portwatchd.wire.replies import Unwelcome
from tests.unit.probes.script import Ticks, a_target, converse, fact

POLICIES = (Policy.TLS_OFFERED, Policy.PLAINTEXT_REFUSED)
FTP = a_target(Protocol.FTP, *POLICIES)
AUDIT = a_target(Protocol.FTP, *POLICIES, audit=True)

PROFTPD = """
    S: 220 ProFTPD Server (school) [192.0.2.1]
    C: FEAT
    S: 211-Features:
    S:  AUTH TLS
    S:  UTF8
    S: 211 End
"""


def test_a_watch_is_content_with_the_offer() -> None:
    trace = converse(probe, FTP, PROFTPD + "C: QUIT")
    assert trace.banner.shown() == "ProFTPD Server (school) [192.0.2.1]"
    assert fact(trace, Policy.TLS_OFFERED) == (True, "FEAT lists AUTH TLS")
    assert Policy.PLAINTEXT_REFUSED not in trace.facts


def test_an_audit_goes_into_tls_and_asks_anew() -> None:
    trace = converse(
        probe,
        AUDIT,
        f"""{PROFTPD}
        C: AUTH TLS
        S: 234 AUTH TLS successful
        TLS
        C: FEAT
        S: 211-Features:
        S:  PBSZ
        S: 211 End
        C: QUIT
        """,
    )
    assert fact(trace, Policy.TLS_OFFERED) == (True, "handshake done, TLSv1.3")


@pytest.mark.parametrize(
    "listed", ["AUTH TLS", "auth tls", "AUTH SSL;TLS;", "AUTH TLS-C,TLS-P", "AUTH SSL\nS:  AUTH TLS"]
)
def test_ways_to_list_it(listed: str) -> None:
    converse(probe, FTP, f"S: 220 x\nC: FEAT\nS: 211-Features:\nS:  {listed}\nS: 211 End\nC: QUIT")


@pytest.mark.parametrize("listed", ["AUTH SSL", "AUTH", "TLS", "AUTHTLS TLS"])
def test_what_does_not_list_it(listed: str) -> None:
    trace = Trace(Ticks(), frozenset(POLICIES))
    with pytest.raises(Failed) as failed:
        converse(probe, FTP, f"S: 220 x\nC: FEAT\nS: 211-Features:\nS:  {listed}\nS: 211 End\nC: QUIT", trace)
    assert failed.value.outcome is Outcome.STARTTLS_MISSING
    assert fact(trace, Policy.TLS_OFFERED) == (False, "FEAT does not list AUTH TLS")


def test_a_server_that_hides_its_features_is_asked_for_tls_itself() -> None:
    trace = converse(
        probe,
        FTP,
        """
        S: 220 x
        C: FEAT
        S: 530 Please login with USER and PASS.
        C: AUTH TLS
        S: 234 Proceed with negotiation.
        TLS
        C: FEAT
        S: 530 Please login with USER and PASS.
        C: QUIT
        """,
    )
    assert fact(trace, Policy.TLS_OFFERED) == (True, "handshake done, TLSv1.3")


def test_a_server_without_feat_and_without_tls() -> None:
    with pytest.raises(Failed) as failed:
        converse(
            probe,
            AUDIT,
            """
            S: 220 old
            C: FEAT
            S: 502 Command not implemented.
            C: TYPE A
            S: 530 Please login with USER and PASS.
            C: AUTH TLS
            S: 502 Command not implemented.
            C: QUIT
            """,
        )
    assert failed.value.outcome is Outcome.STARTTLS_MISSING
    assert failed.value.detail == 'AUTH TLS is refused: 502 "Command not implemented."'


def test_tls_offered_and_then_refused() -> None:
    trace = Trace(Ticks(), frozenset(POLICIES))
    with pytest.raises(Failed) as failed:
        converse(probe, AUDIT, f"{PROFTPD}\nC: AUTH TLS\nS: 431 no certificate\nC: QUIT", trace)
    assert failed.value.outcome is Outcome.TLS_FAILED
    assert fact(trace, Policy.TLS_OFFERED)[0] is False


def test_an_smtp_server_is_none() -> None:
    with pytest.raises(Failed) as failed:
        converse(
            probe,
            FTP,
            """
            S: 220 mail ESMTP
            C: FEAT
            S: 500 unrecognized command
            C: TYPE A
            S: 500 unrecognized command
            """,
        )
    assert failed.value.outcome is Outcome.WRONG_PROTOCOL


def test_the_greeting_may_be_announced() -> None:
    converse(probe, a_target(Protocol.FTP), "S: 120 in a minute\nS: 220 now\nC: FEAT\nS: 211 none\nC: QUIT")


@pytest.mark.parametrize(
    "script",
    ["S: 421 too many users", "S: 530 not you", "S: 220 x\nC: FEAT\nS: 421 shutting down\nC: QUIT"],
)
def test_a_refusal_is_the_service_s_own(script: str) -> None:
    with pytest.raises(Unwelcome, match="answers"):
        converse(probe, FTP, script)


@pytest.mark.parametrize(
    ("answer", "holds"),
    [
        ("550 SSL/TLS required on the control channel", True),
        ("530 Non-anonymous sessions must use encryption.", True),
        ("421 Sorry, cleartext sessions are not accepted", True),
        ("331 Password required for portwatchd", False),
        ("230 Logged in", False),
        ("450 try again later", False),
    ],
)
def test_plain_logins(answer: str, holds: bool) -> None:
    trace = converse(ask_plain_login, AUDIT, f"S: 220 x\nC: USER portwatchd\nS: {answer}\nC: QUIT")
    shown = f'USER before TLS is answered {answer[:3]} "{answer[4:]}"'
    assert fact(trace, Policy.PLAINTEXT_REFUSED) == (holds, shown)
