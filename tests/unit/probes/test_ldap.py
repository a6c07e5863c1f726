"""Dialogues with directories, good ones and others."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.model import Outcome, Protocol
from portwatchd.probes import ldap
from portwatchd.probes.conversation import Failed
from portwatchd.probes.ldap import probe
from portwatchd.wire.ber import ENUMERATED, OCTETS, SEQUENCE, SET, Element, element, number
from portwatchd.wire.lines import Malformed
from tests.unit.probes.script import End, Hear, Say, Step, a_target, converse
from tests.unit.wire.feeding import never_breaks

LDAPS = a_target(Protocol.LDAPS, port=636)

BIND = Say(bytes.fromhex("300c 0201 01 6007 0201 03 0400 8000"))
UNBIND = Say(bytes.fromhex("3005 0201 03 4200"))


def message(mark: int, tag: int, *parts: bytes) -> bytes:
    return element(SEQUENCE, number(mark), element(tag, *parts))


def result(mark: int, tag: int, code: int, *more: bytes) -> Hear:
    return Hear(message(mark, tag, number(code, ENUMERATED), element(OCTETS), element(OCTETS), *more))


def attribute(name: bytes, *values: bytes) -> bytes:
    return element(SEQUENCE, element(OCTETS, name), element(SET, *(element(OCTETS, value) for value in values)))


ENTRY = message(
    2,
    ldap.ENTRY,
    element(OCTETS),
    element(
        SEQUENCE, attribute(b"namingContexts", b"dc=school,dc=example"), attribute(b"supportedLDAPVersion", b"2", b"3")
    ),
)
ASKED = Say(ldap._search(2))


def test_what_is_asked_is_ber() -> None:
    assert ldap._bind(1) == BIND.data
    assert ldap._search(2).startswith(bytes.fromhex("3057 0201 02 6352 0400 0a01 00 0a01 00 0201 01 0201 0a 0101 00"))
    assert ldap._search(2).endswith(
        b"\x87\x0bobjectClass\x30\x32\x04\x0enamingContexts\x04\x0avendorName\x04\x14supportedLDAPVersion",
    )


def test_bind_root_dse_and_unbind() -> None:
    done = result(2, ldap.SEARCH_DONE, 0)
    trace = converse(
        probe,
        LDAPS,
        [BIND, result(1, ldap.BIND_RESPONSE, 0), ASKED, Hear(ENTRY + done.data), UNBIND],
    )
    assert trace.banner.shown() == "namingContexts=dc=school,dc=example supportedLDAPVersion=2 supportedLDAPVersion=3"


@pytest.mark.parametrize("code", [7, 8, 13, 48, 49, 50, 53])
def test_a_bind_refused_by_policy_is_an_answer(code: int) -> None:
    converse(probe, LDAPS, [BIND, result(1, ldap.BIND_RESPONSE, code), UNBIND])


@pytest.mark.parametrize("code", [32, 50, 4])
def test_a_search_refused_by_policy_is_an_answer(code: int) -> None:
    reference = message(2, ldap.REFERENCE, element(OCTETS, b"ldap://x"))
    done = result(2, ldap.SEARCH_DONE, code).data
    converse(probe, LDAPS, [BIND, result(1, ldap.BIND_RESPONSE, 0), ASKED, Hear(reference + done), UNBIND])


@pytest.mark.parametrize(
    ("steps", "detail"),
    [
        ([BIND, result(1, ldap.BIND_RESPONSE, 51)], "answers the bind with result 51 busy"),
        ([BIND, result(1, ldap.BIND_RESPONSE, 52)], "answers the bind with result 52 unavailable"),
        ([BIND, result(1, ldap.BIND_RESPONSE, 99)], "answers the bind with result 99"),
        (
            [BIND, result(1, ldap.BIND_RESPONSE, 0), ASKED, result(2, ldap.SEARCH_DONE, 51)],
            "answers the search with result 51 busy",
        ),
        ([BIND, result(0, ldap.EXTENDED_RESPONSE, 52)], "disconnects with result 52 unavailable"),
    ],
)
def test_a_refusal_is_the_service_s_own(steps: list[Step], detail: str) -> None:
    with pytest.raises(Failed) as failed:
        converse(probe, LDAPS, steps)
    assert (failed.value.outcome, failed.value.detail) == (Outcome.SERVICE_REFUSES, detail)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "first byte of 0x48"),
        (message(7, ldap.BIND_RESPONSE, number(0, ENUMERATED), element(OCTETS)), "numbered 7 instead of 1"),
        (element(SEQUENCE, number(1)), "fewer than two parts"),
        (message(1, ldap.BIND_RESPONSE), "ends too early"),
        (message(1, ldap.BIND_RESPONSE, element(OCTETS), element(OCTETS)), "expected a BER number"),
        (message(1, 0x30), "answers nothing"),
        (message(0, ldap.BIND_RESPONSE, number(0, ENUMERATED), element(OCTETS)), "answers nothing"),
    ],
)
def test_strangers(data: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        converse(probe, LDAPS, [BIND, Hear(data)])


def test_hanging_up() -> None:
    with pytest.raises(Failed) as failed:
        converse(probe, LDAPS, [BIND, End()])
    assert failed.value.outcome is Outcome.CLOSED


@given(st.one_of(st.binary(), st.binary().map(lambda data: element(SEQUENCE, number(1), data))))
def test_anything_may_come(data: bytes) -> None:
    never_breaks(ldap._message(1), data)


@given(st.lists(st.binary(max_size=20).map(lambda data: element(SEQUENCE, data)), max_size=3).map(b"".join))
def test_any_entry_is_shown_or_malformed(data: bytes) -> None:
    with suppress(Malformed):
        ldap._shown((Element(OCTETS, b""), Element(SEQUENCE, data)))
