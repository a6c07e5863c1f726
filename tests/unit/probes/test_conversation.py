"""The dialogue's own promises: bounds, the farewell, and nothing slips in before the handshake."""

from __future__ import annotations

import pytest

from portwatchd.model import Outcome, Policy, Protocol, Stage
from portwatchd.probes.conversation import Conversation, Failed
from portwatchd.probes.trace import Trace
from portwatchd.wire.lines import TooLong
from portwatchd.wire.replies import Unwelcome, reply
from portwatchd.world import Trust
from tests.unit.probes.script import SECURED, Break, End, Handshake, Hear, Say, Script, Step, Ticks, a_target, finish

TARGET = a_target(Protocol.SMTP, Policy.TLS_OFFERED)


def talk_to(steps: list[Step], trust: Trust = Trust.VERIFY) -> tuple[Conversation, Script]:
    channel = Script(steps)
    return Conversation(channel, Trace(Ticks(), TARGET.service.policies), trust), channel


def test_what_came_behind_an_answer_is_kept_for_the_next_reading() -> None:
    talk, _ = talk_to([Hear(b"220 one\r\n250 two\r\n")])

    async def both() -> None:
        assert (await talk.hear(reply)).code == 220
        assert (await talk.hear(reply)).code == 250

    finish(both())


@pytest.mark.parametrize("trust", list(Trust))
def test_a_handshake_leaves_its_facts(trust: Trust) -> None:
    talk, channel = talk_to([Handshake()], trust)
    finish(talk.start_tls(TARGET))
    assert channel.shaken == [("school.example", trust)]
    assert talk.trace.tls == SECURED.tls
    assert talk.trace.certificate == SECURED.certificate
    assert talk.trace.facts[Policy.TLS_OFFERED].holds is True
    assert Stage.TLS in talk.trace.seconds


@pytest.mark.parametrize("behind", [b"2", b"250 injected\r\n", b"\x16\x03\x03"])
def test_any_byte_before_the_handshake_is_refused(behind: bytes) -> None:
    talk, channel = talk_to([Hear(b"220 go ahead\r\n" + behind)])

    async def upgrade() -> None:
        await talk.hear(reply)
        await talk.start_tls(TARGET)

    with pytest.raises(Failed) as failed:
        finish(upgrade())
    assert failed.value.outcome is Outcome.STARTTLS_INJECTED
    assert channel.shaken == []
    assert talk.trace.stopped is Stage.TLS


def test_the_bound_on_a_dialogue_counts_every_answer() -> None:
    talk, _ = talk_to([Hear(b"250 x\r\n" * 10000)])

    async def listen() -> None:
        while True:
            await talk.hear(reply)

    with pytest.raises(TooLong):
        finish(listen())


@pytest.mark.parametrize(
    ("error", "polite"),
    [
        (None, True),
        (Unwelcome("answers 550"), True),
        (Failed(Outcome.STARTTLS_MISSING, ""), True),
        (Failed(Outcome.CLOSED, ""), False),
        (Failed(Outcome.STARTTLS_INJECTED, ""), False),
        (Failed(Outcome.WRONG_PROTOCOL, ""), False),
        (ConnectionResetError(), False),
        (TooLong(""), False),
    ],
)
def test_the_farewell_is_said_to_whoever_still_listens(error: Exception | None, polite: bool) -> None:
    talk, channel = talk_to([Say(b"QUIT\r\n")] if polite else [])

    async def end() -> None:
        async with talk.until("QUIT"):
            if error:
                raise error

    if error is None:
        finish(end())
    else:
        with pytest.raises(type(error)):
            finish(end())
    assert channel.said == ([b"QUIT\r\n"] if polite else [])


@pytest.mark.parametrize("error", [None, Unwelcome("no")])
def test_a_farewell_that_reaches_nobody_changes_nothing(error: Exception | None) -> None:
    talk, _ = talk_to([Break(BrokenPipeError())])

    async def end() -> None:
        async with talk.until("QUIT"):
            if error:
                raise error

    if error is None:
        finish(end())
    else:
        with pytest.raises(Unwelcome):
            finish(end())


def test_the_end_of_the_stream_is_a_failure() -> None:
    talk, _ = talk_to([Hear(b"220 hal"), End()])
    with pytest.raises(Failed) as failed:
        finish(_ignore(talk))
    assert failed.value.outcome is Outcome.CLOSED
    assert not talk.trace.understood


async def _ignore(talk: Conversation) -> None:
    await talk.hear(reply)
