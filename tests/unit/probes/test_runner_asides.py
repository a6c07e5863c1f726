"""Questions of an audit that have a connection of their own."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace

import pytest

from portwatchd.model import Depth, Outcome, Policy, Protocol, Stage
from tests.unit.probes.network import Net, Silence, prober, script
from tests.unit.probes.script import Break, Hear, Say, Script, Step, a_target

pytestmark = pytest.mark.looptime

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
    assert (await prober(watch).observe(replace(POP3, depth=Depth.WATCH))).outcome is Outcome.OK
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
