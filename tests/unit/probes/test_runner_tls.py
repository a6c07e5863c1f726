"""Handshakes that fail, and the second connection that finds out why."""

from __future__ import annotations

import ssl
from dataclasses import replace

import pytest

from portwatchd.model import Outcome, Policy, PolicyFact, Stage, TlsFacts
from portwatchd.world import Secured, Trust
from tests.unit.probes.network import AUDIT, GOOD_SMTP, IMAPS, Net, Silence, prober, steps
from tests.unit.probes.script import CERTIFICATE, SECURED, Break, Handshake, Script

pytestmark = pytest.mark.looptime

EXPIRED = ssl.SSLCertVerificationError(1, "certificate verify failed")
EXPIRED.verify_code = 10
EXPIRED.verify_message = "certificate has expired"
OLD = ssl.SSLError(1, "[SSL: TLSV1_ALERT_PROTOCOL_VERSION]")
OLD.reason = "TLSV1_ALERT_PROTOCOL_VERSION"
DISTRUSTED = Secured(SECURED.tls, replace(CERTIFICATE, valid=False, reason="not verified"))


async def test_a_bad_certificate_is_fetched_by_a_second_connection() -> None:
    net = Net(steps(Handshake(EXPIRED)), steps(Handshake(DISTRUSTED), "S: * OK ready\nC: z LOGOUT"))
    seen = await prober(net).observe(IMAPS)
    assert (seen.outcome, seen.stopped, seen.detail) == (
        Outcome.CERTIFICATE_INVALID,
        Stage.TLS,
        "the certificate is invalid: expired",
    )
    assert seen.certificate == replace(CERTIFICATE, valid=False, reason="expired")
    assert seen.banner.shown() == "ready"
    assert [channel.shaken for channel in net.given] == [
        [("school.example", Trust.VERIFY)],
        [("school.example", Trust.LAX)],
    ]
    assert [channel.closed for channel in net.given] == [1, 1]


async def test_a_bad_certificate_and_a_bad_service() -> None:
    net = Net(steps(Handshake(EXPIRED)), steps(Handshake(DISTRUSTED), "S: * BYE no"))
    seen = await prober(net).observe(IMAPS)
    assert (seen.outcome, seen.stopped) == (Outcome.SERVICE_REFUSES, Stage.GREETING)
    assert seen.certificate is not None
    assert seen.certificate.reason == "expired"


@pytest.mark.parametrize(
    "second", [ConnectionRefusedError(), Script([Handshake(ssl.SSLEOFError(8, "EOF"))]), Silence([])]
)
async def test_a_bad_certificate_that_cannot_be_fetched(second: Script | Exception) -> None:
    seen = await prober(Net(steps(Handshake(EXPIRED)), second)).observe(IMAPS)
    assert (seen.outcome, seen.detail) == (Outcome.CERTIFICATE_INVALID, "the certificate is invalid: expired")
    assert (seen.certificate, seen.stopped) == (None, Stage.TLS)


async def test_a_bad_certificate_behind_starttls() -> None:
    before = f"{GOOD_SMTP}\nC: STARTTLS\nS: 220 go"
    after = "C: EHLO portwatchd.invalid\nS: 250 mail\nC: QUIT"
    net = Net(steps(before, Handshake(EXPIRED)), steps(before, Handshake(DISTRUSTED), after))
    seen = await prober(net).observe(AUDIT)
    assert seen.outcome is Outcome.CERTIFICATE_INVALID
    assert seen.policies == (PolicyFact(Policy.TLS_OFFERED, holds=True, reason="handshake done, TLSv1.3"),)


@pytest.mark.parametrize("first", [OLD, ssl.SSLEOFError(8, "EOF"), ConnectionResetError()])
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1"])
async def test_a_server_of_old_tls_is_recognised(version: str, first: OSError) -> None:
    old = Secured(TlsFacts(version, "AES128-SHA"), DISTRUSTED.certificate)
    net = Net(steps(Handshake(first)), steps(Handshake(old), "S: * OK ready\nC: z LOGOUT"))
    seen = await prober(net).observe(IMAPS)
    assert (seen.outcome, seen.detail, seen.tls) == (Outcome.TLS_FAILED, f"speaks only {version}", old.tls)
    assert seen.certificate is not None
    assert seen.certificate.reason == f"not verified: speaks only {version}"


async def test_a_server_that_no_handshake_pleases() -> None:
    seen = await prober(Net(steps(Handshake(OLD)), steps(Handshake(OLD)))).observe(IMAPS)
    assert (seen.outcome, seen.detail) == (Outcome.TLS_FAILED, "the TLS handshake fails: no version of TLS in common")


async def test_a_handshake_that_was_cut_says_nothing_against_the_certificate() -> None:
    net = Net(steps(Handshake(ConnectionResetError())), steps(Handshake(DISTRUSTED), "S: * OK ready\nC: z LOGOUT"))
    seen = await prober(net).observe(IMAPS)
    assert (seen.outcome, seen.stopped, seen.certificate) == (Outcome.CLOSED, Stage.TLS, None)


async def test_a_server_of_weak_ciphers_is_recognised() -> None:
    refused = ssl.SSLError(1, "")
    refused.reason = "SSLV3_ALERT_HANDSHAKE_FAILURE"
    net = Net(steps(Handshake(refused)), steps(Handshake(DISTRUSTED), "S: * OK ready\nC: z LOGOUT"))
    seen = await prober(net).observe(IMAPS)
    assert (seen.outcome, seen.detail) == (
        Outcome.TLS_FAILED,
        "the TLS handshake fails: the server refuses the handshake",
    )
    assert seen.certificate is not None


async def test_plain_text_on_a_tls_port_is_asked_once() -> None:
    plain = ssl.SSLError(1, "")
    plain.reason = "WRONG_VERSION_NUMBER"
    net = Net(steps(Handshake(plain)))
    seen = await prober(net).observe(IMAPS)
    assert (seen.outcome, len(net.asked)) == (Outcome.WRONG_PROTOCOL, 1)


async def test_an_error_inside_tls_is_no_reason_for_a_second_handshake() -> None:
    net = Net(steps("TLS", Break(OLD)))
    assert (await prober(net).observe(IMAPS)).outcome is Outcome.TLS_FAILED
    assert len(net.asked) == 1


async def test_an_audit_says_that_the_handshake_behind_the_offer_failed() -> None:
    before = f"{GOOD_SMTP}\nC: STARTTLS\nS: 220 go"
    net = Net(steps(before, Handshake(OLD)), steps(before, Handshake(OLD)))
    (fact,) = (await prober(net).observe(AUDIT)).policies
    assert fact.holds is False
    assert fact.reason == "offered, but the TLS handshake fails: no version of TLS in common"
