"""The one edge at which exceptions become outcomes, in one ordered table: a subclass stands before its base."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

from portwatchd.model import Outcome, Stage
from portwatchd.probes.conversation import Failed
from portwatchd.wire.lines import Malformed, TooLong
from portwatchd.wire.replies import Unwelcome
from portwatchd.world import IcmpError


class Failure(NamedTuple):
    """Why a probe did not come to its end."""

    outcome: Outcome
    detail: str
    offender: str | None = None


class Circumstances(NamedTuple):
    """What the same exception means depends on where it came."""

    stopped: Stage | None = None
    understood: bool = False
    """Whether the peer had already said something in the expected protocol."""


ICMP_REJECTS = frozenset({(3, code) for code in (2, 3, 9, 10, 13)} | {(1, code) for code in (1, 4, 5, 6)})
"""Type and code of "somebody forbids this port": IPv4 (RFC 1122 3.2.2.1, RFC 1812 5.2.7.1) and IPv6 (RFC 4443 3.1). All
others say that something cannot be reached. The types of the two families do not overlap in what they mean here."""

OWN_FAULTS = {
    errno.EMFILE: "the monitor has no file descriptors left",
    errno.ENFILE: "the monitor's machine has no file descriptors left",
    errno.ENOBUFS: "the monitor's machine has no network buffers left",
    errno.ENOMEM: "the monitor's machine has no memory left",
    errno.ENETUNREACH: "the monitor's own line has no route there",
    errno.ENETDOWN: "the monitor's own line is down",
    errno.EHOSTUNREACH: "the monitor's own line has no way there",
    errno.EADDRNOTAVAIL: "the monitor has no address or port left to connect from",
    errno.EAFNOSUPPORT: "the monitor's machine does not speak this address family",
    errno.EACCES: "the monitor's machine forbids the connection",
    errno.EPERM: "the monitor's machine forbids the connection",
}
"""Errors that the monitor's own system made. A router's ICMP is an `IcmpError` and never gets here."""

PLAIN_TEXT = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})
"""OpenSSL's reasons when the first bytes of the answer are no TLS record."""

OLD_TLS = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION"})
"""OpenSSL's reasons when the two sides have no version of TLS in common."""

TLS_WORDS = {
    **dict.fromkeys(OLD_TLS, "no version of TLS in common"),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server refuses the handshake",
    "NO_SHARED_CIPHER": "no cipher in common",
    "DH_KEY_TOO_SMALL": "a Diffie-Hellman key that is too weak",
    "TLSV1_UNRECOGNIZED_NAME": "the server does not know the name that it was asked for",
    "TLSV1_ALERT_UNRECOGNIZED_NAME": "the server does not know the name that it was asked for",
    "TLSV1_ALERT_INTERNAL_ERROR": "the server reports an internal error",
}

CERTIFICATE_WORDS = {
    2: "the issuer is missing: the chain is incomplete or the authority is unknown",
    7: "a signature in the chain is wrong",
    9: "not yet valid",
    10: "expired",
    18: "self-signed",
    19: "signed by an unknown authority (a self-signed certificate in the chain)",
    20: "unknown authority or incomplete chain",
    21: "unknown authority or incomplete chain",
    22: "the chain is too long",
    23: "revoked",
    24: "a certificate in the chain is no authority",
    25: "the chain is longer than an authority in it allows",
    26: "not made for TLS servers",
    47: "the name is outside what the authority may sign",
    62: "made for another name",
    63: "made for another name",
    64: "made for another address",
    66: "the key is too weak",
    67: "the key of an authority in the chain is too weak",
    68: "a signature in the chain uses a digest that is too weak",
}
"""OpenSSL's X509_V_ERR numbers in words."""

SILENCE = {
    Stage.CONNECT: "no answer to the connection attempt",
    Stage.TLS: "the TLS handshake does not come to its end",
    Stage.GREETING: "connects, but no whole greeting comes",
    Stage.DIALOGUE: "no whole answer comes",
}

_Say = Callable[[Any, Circumstances], Failure]


def why_distrusted(error: ssl.SSLCertVerificationError) -> str:
    """Return in words why a certificate was not accepted; OpenSSL's own where it is a rare reason."""
    # Errors that Python makes by itself lack both attributes.
    words: str = getattr(error, "verify_message", "")
    return CERTIFICATE_WORDS.get(getattr(error, "verify_code", 0)) or words.lower().removesuffix(".") or "not verified"


def _reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's name of the reason; an error that OpenSSL did not make lacks the attribute."""
    return getattr(error, "reason", None) or ""


def _icmp(error: IcmpError, _: Circumstances) -> Failure:
    rejected = (error.icmp_type, error.icmp_code) in ICMP_REJECTS
    return Failure(Outcome.REJECTED if rejected else Outcome.UNREACHABLE, error.strerror or str(error), error.offender)


def _malformed(error: Malformed, where: Circumstances) -> Failure:
    return Failure(Outcome.MALFORMED if where.understood else Outcome.WRONG_PROTOCOL, str(error))


def _distrusted(error: ssl.SSLCertVerificationError, _: Circumstances) -> Failure:
    return Failure(Outcome.CERTIFICATE_INVALID, f"the certificate is invalid: {why_distrusted(error)}")


def _tls(error: ssl.SSLError, where: Circumstances) -> Failure:
    reason = _reason(error)
    if reason in PLAIN_TEXT and where.understood:
        # The same injection as `Conversation.start_tls` refuses, only in a packet of its own.
        return Failure(Outcome.STARTTLS_INJECTED, "plain text came where the handshake was expected")
    if reason in PLAIN_TEXT:
        return Failure(Outcome.WRONG_PROTOCOL, "answers in plain text where TLS is expected")
    words = TLS_WORDS.get(reason) or reason.replace("_", " ").lower() or " ".join(map(str, error.args[-1:]))
    return Failure(Outcome.TLS_FAILED, f"the TLS handshake fails: {words}")


def _silence(_: TimeoutError, where: Circumstances) -> Failure:
    return Failure(Outcome.TIMEOUT, SILENCE.get(where.stopped or Stage.TOTAL, "no answer in time"))


def _gone(error: Exception, where: Circumstances) -> Failure:
    how = "resets" if isinstance(error, ConnectionResetError) else "closes"
    during = f" during the stage {where.stopped}" if where.stopped else ""
    return Failure(Outcome.CLOSED, f"the peer {how} the connection{during}")


def _own(error: OSError, _: Circumstances) -> Failure:
    number = error.errno or 0
    return Failure(Outcome.LOCAL_ERROR, OWN_FAULTS.get(number) or f"unexpected error: {error.strerror or error}")


def _always(outcome: Outcome, words: str = "") -> _Say:
    return lambda error, _: Failure(outcome, words or str(error))


TABLE: tuple[tuple[type[Exception], _Say], ...] = (
    (Failed, lambda error, _: Failure(error.outcome, error.detail)),
    (Unwelcome, _always(Outcome.SERVICE_REFUSES)),
    (TooLong, _always(Outcome.MALFORMED)),
    (Malformed, _malformed),
    (IcmpError, _icmp),
    (socket.gaierror, _always(Outcome.UNRESOLVED)),
    (ssl.SSLCertVerificationError, _distrusted),
    (ssl.SSLEOFError, _gone),
    (ssl.SSLZeroReturnError, _gone),
    (ssl.SSLError, _tls),
    (TimeoutError, _silence),
    (ConnectionRefusedError, _always(Outcome.REFUSED, "refused by RST")),
    (ConnectionError, _gone),
    (EOFError, _gone),
    (OSError, _own),
)


def classify(error: Exception, where: Circumstances) -> Failure | None:
    """Return the failure that an exception stands for; None where it stands for none: a bug of the probe."""
    return next((say(error, where) for kind, say in TABLE if isinstance(error, kind)), None)


def worth_a_lax_handshake(error: OSError) -> bool:
    """Whether a handshake that verifies nothing could show more than this one, which failed.

    Servers that speak only old TLS send an alert, or just hang up as SChannel does; one without any TLS stays as it is.
    """
    return isinstance(error, ConnectionError) or (isinstance(error, ssl.SSLError) and _reason(error) not in PLAIN_TEXT)
