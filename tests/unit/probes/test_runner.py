"""Whole observations against scripted networks, in fake time."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import NoReturn

import pytest
import structlog

from portwatchd.model import HopReply, Outcome, Policy, PolicyFact, Protocol, Stage, TlsFacts
from portwatchd.probes.runner import Prober
from portwatchd.world import Channel, IcmpError, Secured, Trust
from tests.unit.probes.script import (
    CERTIFICATE,
    SECURED,
    Break,
    Handshake,
    Hear,
    Say,
    Script,
    Step,
    a_target,
    transcript,
)

pytestmark = pytest.mark.looptime

EXPIRED = ssl.SSLCertVerificationError(1, "certificate verify failed")
EXPIRED.verify_code = 10
EXPIRED.verify_message = "certificate has expired"
OLD = ssl.SSLError(1, "[SSL: TLSV1_ALERT_PROTOCOL_VERSION]")
OLD.reason = "TLSV1_ALERT_PROTOCOL_VERSION"
DISTRUSTED = Secured(SECURED.tls, replace(CERTIFICATE, valid=False, reason="not verified"))


class Silence(Script):
    """Plays its script, and then keeps silent."""

    async def receive(self) -> bytes:
        if not self.steps:
            await forever()
        return await super().receive()

    async def start_tls(self, server_name: str, trust: Trust) -> Secured:
        if not self.steps:
            await forever()
        return await super().start_tls(server_name, trust)


class Trickle(Script):
    """Sends a byte a second, for ever."""

    async def receive(self) -> bytes:
        await asyncio.sleep(1)
        return b"x"


async def forever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


class Net:
    """Gives out one prepared channel after the other; an exception is raised, None is silence."""

    def __init__(self, *channels: Script | BaseException | None) -> None:
        self.channels = deque(channels)
        self.asked: list[tuple[str, int]] = []
        self.given: list[Script] = []

    async def connect(self, address: str, port: int) -> Channel:
        self.asked.append((address, port))
        channel = self.channels.popleft()
        if channel is None:
            await forever()
        if isinstance(channel, BaseException):
            raise channel
        self.given.append(channel)
        return channel

    async def probe(
        self,
        address: str,
        port: int,
        *,
        seconds: float,
        ttl: int | None = None,
        minimum_ttl: int | None = None,
    ) -> HopReply:
        raise AssertionError("a probe sends no bare SYN")

    async def ping(self, address: str, *, seconds: float) -> bool | None:
        raise AssertionError("a probe does not ping")


class LoopClock:
    """The loop's own fake time, and a wall that stands still."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return 1000.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def prober(net: Net, *, stalled: bool = False) -> Prober:
    return Prober(net, LoopClock(), connect_timeout=5, timeout=15, stalled=lambda _start, _end: stalled)


def script(text: str) -> Script:
    return Script(transcript(text))


def steps(*parts: str | Step) -> Script:
    found: list[Step] = []
    for part in parts:
        found += transcript(part) if isinstance(part, str) else [part]
    return Script(found)


GOOD_SMTP = "S: 220 mail\nC: EHLO portwatchd.invalid\nS: 250-mail\nS: 250 STARTTLS"
SMTP = a_target(Protocol.SMTP, Policy.TLS_OFFERED, port=25)
AUDIT = a_target(Protocol.SMTP, Policy.TLS_OFFERED, port=25, audit=True)
IMAPS = a_target(Protocol.IMAPS, Policy.CERTIFICATE_VALID, port=993)
TCP = a_target(Protocol.TCP, port=22)


async def test_all_well() -> None:
    net = Net(script(f"{GOOD_SMTP}\nC: QUIT"))
    seen = await prober(net).observe(SMTP)
    assert seen.outcome is Outcome.OK
    assert seen.at == 1000.0
    assert seen.stopped is None
    assert seen.detail == ""
    assert [stage for stage, _ in seen.stages] == [Stage.CONNECT, Stage.GREETING, Stage.DIALOGUE, Stage.TOTAL]
    assert seen.banner.shown() == "mail"
    assert seen.policies == (PolicyFact(Policy.TLS_OFFERED, holds=True, reason="EHLO lists STARTTLS"),)
    assert net.asked == [("192.0.2.1", 25)]
    assert net.given[0].closed == 1


async def test_implicit_tls_verifies() -> None:
    net = Net(steps("TLS", "S: * OK ready\nC: z LOGOUT"))
    seen = await prober(net).observe(IMAPS)
    assert (seen.outcome, seen.tls, seen.certificate) == (Outcome.OK, SECURED.tls, CERTIFICATE)
    assert net.given[0].shaken == [("school.example", Trust.VERIFY)]
    assert seen.policies == ()


async def test_a_connect_that_nobody_answers_ends_at_its_own_time_out() -> None:
    seen = await prober(Net(None)).observe(TCP)
    assert (seen.outcome, seen.stopped, seen.void) == (Outcome.TIMEOUT, Stage.CONNECT, False)
    assert seen.detail == "no answer to the connection attempt"
    assert seen.seconds(Stage.TOTAL) == pytest.approx(5)
    assert seen.seconds(Stage.CONNECT) == pytest.approx(5)


@pytest.mark.parametrize(
    ("channel", "stopped", "detail"),
    [
        (Silence([]), Stage.GREETING, "connects, but no whole greeting comes"),
        (Trickle([]), Stage.GREETING, "connects, but no whole greeting comes"),
        (Silence(transcript("S: 220 x\nC: EHLO portwatchd.invalid")), Stage.DIALOGUE, "no whole answer comes"),
        (
            Silence(transcript("S: 220 x\nC: EHLO portwatchd.invalid\nS: 250-half")),
            Stage.DIALOGUE,
            "no whole answer comes",
        ),
    ],
)
async def test_one_deadline_over_all(channel: Script, stopped: Stage, detail: str) -> None:
    seen = await prober(Net(channel)).observe(SMTP)
    assert (seen.outcome, seen.stopped, seen.detail) == (Outcome.TIMEOUT, stopped, detail)
    assert seen.seconds(Stage.TOTAL) == pytest.approx(15)
    assert channel.closed == 1


async def test_a_handshake_that_stalls() -> None:
    seen = await prober(Net(Silence([]))).observe(IMAPS)
    assert (seen.outcome, seen.stopped) == (Outcome.TIMEOUT, Stage.TLS)
    assert seen.seconds(Stage.TLS) == pytest.approx(15)


async def test_a_time_out_during_a_stall_of_the_monitor_is_void() -> None:
    assert (await prober(Net(Silence([])), stalled=True).observe(SMTP)).void
    assert not (await prober(Net(ConnectionRefusedError()), stalled=True).observe(SMTP)).void
    assert not (await prober(Net(script(f"{GOOD_SMTP}\nC: QUIT")), stalled=True).observe(SMTP)).void


@pytest.mark.parametrize(
    ("error", "outcome", "offender"),
    [
        (ConnectionRefusedError(), Outcome.REFUSED, None),
        (IcmpError(errno.ECONNREFUSED, "198.51.100.1", 3, 3), Outcome.REJECTED, "198.51.100.1"),
        (IcmpError(errno.EHOSTUNREACH, "198.51.100.1", 3, 1), Outcome.UNREACHABLE, "198.51.100.1"),
        (OSError(errno.EMFILE, "Too many open files"), Outcome.LOCAL_ERROR, None),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), Outcome.LOCAL_ERROR, None),
    ],
)
async def test_a_connect_that_fails(error: OSError, outcome: Outcome, offender: str | None) -> None:
    seen = await prober(Net(error)).observe(TCP)
    assert (seen.outcome, seen.stopped, seen.offender) == (outcome, Stage.CONNECT, offender)


@pytest.mark.parametrize("place", range(4))
async def test_a_reset_at_any_step(place: int) -> None:
    played = transcript(GOOD_SMTP)[:place]
    seen = await prober(Net(Script([*played, Break(ConnectionResetError())]))).observe(SMTP)
    # After the last word everything was said: the farewell reaches nobody, and that is no failure.
    assert seen.outcome is (Outcome.OK if place == 3 else Outcome.CLOSED)


async def test_cancellation_passes_and_closes() -> None:
    channel = Silence([])
    task = asyncio.create_task(prober(Net(channel)).observe(SMTP))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert channel.closed == 1


async def test_a_bug_is_the_monitor_s_own_fault() -> None:
    with structlog.testing.capture_logs() as logs:
        seen = await prober(Net(RuntimeError("oops"))).observe(TCP)
    assert (seen.outcome, seen.detail) == (Outcome.LOCAL_ERROR, "a fault in the monitor itself: RuntimeError")
    assert [(line["event"], line["log_level"], line["service"]) for line in logs] == [("probe_bug", "error", "tcp")]


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


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1"])
async def test_a_server_of_old_tls_is_recognised(version: str) -> None:
    old = Secured(TlsFacts(version, "AES128-SHA"), DISTRUSTED.certificate)
    net = Net(steps(Handshake(OLD)), steps(Handshake(old), "S: * OK ready\nC: z LOGOUT"))
    seen = await prober(net).observe(IMAPS)
    assert (seen.outcome, seen.detail, seen.tls) == (Outcome.TLS_FAILED, f"speaks only {version}", old.tls)
    assert seen.certificate is not None
    assert seen.certificate.reason == f"not verified: speaks only {version}"


async def test_a_server_that_no_handshake_pleases() -> None:
    seen = await prober(Net(steps(Handshake(OLD)), steps(Handshake(OLD)))).observe(IMAPS)
    assert (seen.outcome, seen.detail) == (Outcome.TLS_FAILED, "the TLS handshake fails: no version of TLS in common")


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


async def test_an_audit_says_why_it_tested_nothing_and_a_watch_says_nothing() -> None:
    (fact,) = (await prober(Net(ConnectionRefusedError())).observe(AUDIT)).policies
    assert fact == PolicyFact(Policy.TLS_OFFERED, holds=None, reason="not tested: refused by RST")
    assert (await prober(Net(ConnectionRefusedError())).observe(SMTP)).policies == ()


POP3 = a_target(Protocol.POP3, Policy.TLS_OFFERED, Policy.PLAINTEXT_REFUSED, port=110, audit=True)
NO_STLS = "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: .\nC: QUIT"


async def test_an_aside_has_a_connection_of_its_own_after_a_failure_too() -> None:
    net = Net(script(NO_STLS), script("S: +OK other\nC: USER portwatchd\nS: +OK\nC: QUIT"))
    seen = await prober(net).observe(POP3)
    assert seen.outcome is Outcome.STARTTLS_MISSING
    assert [(fact.policy, fact.holds) for fact in seen.policies] == [
        (Policy.TLS_OFFERED, False),
        (Policy.PLAINTEXT_REFUSED, False),
    ]
    assert seen.banner.shown() == ""
    assert [channel.closed for channel in net.given] == [1, 1]


async def test_no_aside_where_nobody_answers_or_nobody_asked() -> None:
    refused = Net(ConnectionRefusedError())
    seen = await prober(refused).observe(POP3)
    assert {fact.holds for fact in seen.policies} == {None}
    watch = Net(script("S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: QUIT"))
    assert (await prober(watch).observe(replace(POP3, depth=SMTP.depth))).outcome is Outcome.OK
    unasked = Net(script("S: +OK\nC: QUIT"))
    assert (await prober(unasked).observe(a_target(Protocol.POP3, port=110, audit=True))).policies == ()
    assert len(refused.asked) == len(watch.asked) == len(unasked.asked) == 1


async def test_an_aside_that_fails_leaves_the_outcome_alone() -> None:
    net = Net(script(NO_STLS), ConnectionRefusedError())
    seen = await prober(net).observe(POP3)
    assert seen.outcome is Outcome.STARTTLS_MISSING
    assert seen.policies[1].holds is None
    assert seen.policies[1].reason == "no answer to the question: refused by RST"


HTTP = a_target(Protocol.HTTP, Policy.ACME_REACHABLE, port=80, audit=True)


def get(path: str) -> Step:
    head = f"GET {path} HTTP/1.1\r\nHost: school.example\r\nUser-Agent: portwatchd\r\nAccept: */*\r\nConnection: close"
    return Say(head.encode() + b"\r\n\r\n")


CHALLENGE = get("/.well-known/acme-challenge/portwatchd-probe")
FRONT = [get("/"), Hear(b"HTTP/1.1 200 OK\r\n\r\n")]


@pytest.mark.parametrize(
    ("second", "holds"),
    [
        (Script([CHALLENGE, Hear(b"HTTP/1.1 404 Not Found\r\n\r\n")]), True),
        (Script([CHALLENGE, Break(ConnectionResetError())]), False),
        (Script([CHALLENGE, Hear(b"what?\r\n")]), False),
        (Silence([CHALLENGE]), False),
        (ConnectionRefusedError(), False),
        (OSError(errno.EMFILE, ""), None),
    ],
)
async def test_the_challenge_s_path_must_be_answered(second: Script | Exception, holds: bool | None) -> None:
    seen = await prober(Net(Script(FRONT), second)).observe(HTTP)
    assert seen.outcome is Outcome.OK
    assert [fact.holds for fact in seen.policies] == [holds]


class Late(Script):
    """Answers after fourteen of the fifteen seconds."""

    async def receive(self) -> bytes:
        await asyncio.sleep(14)
        return await super().receive()


async def test_a_short_silence_at_the_deadline_proves_nothing() -> None:
    seen = await prober(Net(Late(FRONT), Silence([CHALLENGE]))).observe(HTTP)
    assert [fact.holds for fact in seen.policies] == [None]
    assert seen.seconds(Stage.TOTAL) == pytest.approx(15)


def test_the_doubles_are_what_the_doors_say() -> None:
    channels: Iterable[Channel] = (Script([]), Silence([]))
    assert all(channels)
