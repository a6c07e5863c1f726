"""The table from exceptions to outcomes: every row, and its order."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from portwatchd.model import Outcome, Stage
from portwatchd.probes.conversation import Failed
from portwatchd.probes.failures import (
    OWN_FAULTS,
    TABLE,
    Circumstances,
    Failure,
    classify,
    why_distrusted,
    worth_a_lax_handshake,
)
from portwatchd.wire.lines import Malformed, TooLong
from portwatchd.wire.replies import Unwelcome
from portwatchd.world import IcmpError

AT_CONNECT = Circumstances(Stage.CONNECT)
IN_TLS = Circumstances(Stage.TLS)
UNDERSTOOD = Circumstances(Stage.TLS, understood=True)


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


def distrust(code: int, message: str = "") -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    error.verify_message = message
    return error


CASES: list[tuple[Exception, Circumstances, Failure]] = [
    (Failed(Outcome.STARTTLS_MISSING, "why"), IN_TLS, Failure(Outcome.STARTTLS_MISSING, "why")),
    (Unwelcome("answers 554"), IN_TLS, Failure(Outcome.SERVICE_REFUSES, "answers 554")),
    (TooLong("sends more"), AT_CONNECT, Failure(Outcome.MALFORMED, "sends more")),
    (Malformed("got x"), AT_CONNECT, Failure(Outcome.WRONG_PROTOCOL, "got x")),
    (Malformed("got x"), UNDERSTOOD, Failure(Outcome.MALFORMED, "got x")),
    (socket.gaierror(-2, "no such name"), AT_CONNECT, Failure(Outcome.UNRESOLVED, "[Errno -2] no such name")),
    (distrust(10), IN_TLS, Failure(Outcome.CERTIFICATE_INVALID, "the certificate is invalid: expired")),
    (ssl.SSLEOFError(8, "EOF"), IN_TLS, Failure(Outcome.CLOSED, "the peer closes the connection during the stage tls")),
    (ssl.SSLZeroReturnError(6, ""), Circumstances(), Failure(Outcome.CLOSED, "the peer closes the connection")),
    (
        tls_error("WRONG_VERSION_NUMBER"),
        IN_TLS,
        Failure(Outcome.WRONG_PROTOCOL, "answers in plain text where TLS is expected"),
    ),
    (
        tls_error("WRONG_VERSION_NUMBER"),
        UNDERSTOOD,
        Failure(Outcome.STARTTLS_INJECTED, "plain text came where the handshake was expected"),
    ),
    (
        tls_error("TLSV1_ALERT_PROTOCOL_VERSION"),
        IN_TLS,
        Failure(Outcome.TLS_FAILED, "the TLS handshake fails: no version of TLS in common"),
    ),
    (tls_error("BAD_THING"), IN_TLS, Failure(Outcome.TLS_FAILED, "the TLS handshake fails: bad thing")),
    (ssl.SSLError("no certificate"), IN_TLS, Failure(Outcome.TLS_FAILED, "the TLS handshake fails: no certificate")),
    (TimeoutError(), AT_CONNECT, Failure(Outcome.TIMEOUT, "no answer to the connection attempt")),
    (TimeoutError(), IN_TLS, Failure(Outcome.TIMEOUT, "the TLS handshake does not come to its end")),
    (TimeoutError(), Circumstances(), Failure(Outcome.TIMEOUT, "no answer in time")),
    (ConnectionResetError(), IN_TLS, Failure(Outcome.CLOSED, "the peer resets the connection during the stage tls")),
    (EOFError(), Circumstances(), Failure(Outcome.CLOSED, "the peer closes the connection")),
]


@pytest.mark.parametrize(("error", "where", "failure"), CASES, ids=lambda case: repr(case)[:60])
def test_errors(error: Exception, where: Circumstances, failure: Failure) -> None:
    assert classify(error, where) == failure


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.ECONNREFUSED, Outcome.REFUSED),
        (errno.ETIMEDOUT, Outcome.TIMEOUT),
        (errno.ECONNRESET, Outcome.CLOSED),
        (errno.ECONNABORTED, Outcome.CLOSED),
        (errno.EPIPE, Outcome.CLOSED),
        (errno.ESHUTDOWN, Outcome.CLOSED),
        *((number, Outcome.LOCAL_ERROR) for number in OWN_FAULTS),
        (errno.EINVAL, Outcome.LOCAL_ERROR),
    ],
)
def test_errors_of_the_system(number: int, outcome: Outcome) -> None:
    failure = classify(OSError(number, os.strerror(number)), AT_CONNECT)
    assert failure is not None
    assert failure.outcome is outcome
    assert failure.detail
    assert failure.detail == OWN_FAULTS.get(number, failure.detail)


REJECTS_V4 = {2, 3, 9, 10, 13}
REJECTS_V6 = {1, 4, 5, 6}


@pytest.mark.parametrize(
    ("icmp_type", "code"), [(3, code) for code in range(16)] + [(1, code) for code in range(8)] + [(11, 0)]
)
def test_icmp(icmp_type: int, code: int) -> None:
    # The error number that the kernel made of it says nothing: a port unreachable is ECONNREFUSED as well.
    failure = classify(IcmpError(errno.ECONNREFUSED, "198.51.100.1", icmp_type, code), AT_CONNECT)
    rejected = (icmp_type == 3 and code in REJECTS_V4) or (icmp_type == 1 and code in REJECTS_V6)
    words = f"ICMP type {icmp_type} code {code} from 198.51.100.1"
    assert failure == Failure(Outcome.REJECTED if rejected else Outcome.UNREACHABLE, words, "198.51.100.1")


def test_a_bug_is_no_failure() -> None:
    for bug in (KeyError("x"), AssertionError(), RuntimeError(), RecursionError(), UnicodeError()):
        assert classify(bug, AT_CONNECT) is None


def test_no_row_hides_behind_its_base() -> None:
    kinds = [kind for kind, _ in TABLE]
    for place, kind in enumerate(kinds):
        assert not any(issubclass(kind, earlier) for earlier in kinds[:place]), kind


def test_every_outcome_but_ok_can_come_out_of_the_table() -> None:
    errors = [*CASES, (ConnectionRefusedError(), AT_CONNECT, None), (OSError(errno.EMFILE, ""), AT_CONNECT, None)]
    errors += [(IcmpError(1, None, 3, code), AT_CONNECT, None) for code in (1, 3)]
    met = {failure.outcome for error, where, _ in errors if (failure := classify(error, where))}
    assert met == set(Outcome) - {Outcome.OK}


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (9, "", "not yet valid"),
        (18, "", "self-signed"),
        (20, "", "unknown authority or incomplete chain"),
        (62, "Hostname mismatch", "made for another name"),
        (66, "", "the key is too weak"),
        (1234, "Something rare.", "something rare"),
        (0, "", "not verified"),
    ],
)
def test_distrust_has_words(code: int, message: str, words: str) -> None:
    assert why_distrusted(distrust(code, message)) == words


def test_distrust_without_a_reason_has_words() -> None:
    assert why_distrusted(ssl.SSLCertVerificationError()) == "not verified"


def test_a_second_handshake_is_tried_where_it_can_show_something() -> None:
    assert worth_a_lax_handshake(distrust(10))
    assert worth_a_lax_handshake(tls_error("UNSUPPORTED_PROTOCOL"))
    assert not worth_a_lax_handshake(tls_error("WRONG_VERSION_NUMBER"))
    assert worth_a_lax_handshake(ssl.SSLEOFError())
    assert worth_a_lax_handshake(ConnectionResetError())
    assert not worth_a_lax_handshake(TimeoutError())
    assert not worth_a_lax_handshake(OSError(errno.EMFILE, ""))
