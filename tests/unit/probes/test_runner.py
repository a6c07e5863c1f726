"""Whole observations against scripted networks, in fake time."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable

import pytest
import structlog

from portwatchd.model import Outcome, Policy, PolicyFact, Stage
from portwatchd.world import Channel, IcmpError, Trust
from tests.unit.probes.network import AUDIT, GOOD_SMTP, IMAPS, SMTP, TCP, Net, Silence, Trickle, prober, script, steps
from tests.unit.probes.script import CERTIFICATE, SECURED, Break, Script, transcript

pytestmark = pytest.mark.looptime


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


async def test_an_audit_says_why_it_tested_nothing_and_a_watch_says_nothing() -> None:
    (fact,) = (await prober(Net(ConnectionRefusedError())).observe(AUDIT)).policies
    assert fact == PolicyFact(Policy.TLS_OFFERED, holds=None, reason="not tested: refused by RST")
    assert (await prober(Net(ConnectionRefusedError())).observe(SMTP)).policies == ()


def test_the_doubles_are_what_the_doors_say() -> None:
    channels: Iterable[Channel] = (Script([]), Silence([]))
    assert all(channels)
