"""BER: what is written can be read, and nothing else breaks the reader."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.wire import ber
from portwatchd.wire.ber import Element, sequence
from portwatchd.wire.lines import DIALOGUE_LIMIT, Malformed, TooLong
from tests.unit.wire.feeding import never_breaks, read


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 60000])
def test_lengths(size: int) -> None:
    data = ber.element(ber.SEQUENCE, b"x" * size)
    expected = Element(ber.SEQUENCE, b"x" * size)
    assert read(sequence, data) == (expected, b"")
    assert read(sequence, data + b"more") == (expected, b"more")
    if size <= 256:
        assert read(sequence, data + b"more", piece=1) == (expected, b"more")
        for cut in range(len(data)):
            assert read(sequence, data[:cut])[0] is None


def test_a_length_of_four_bytes_as_active_directory_writes_it() -> None:
    assert read(sequence, b"\x30\x84\x00\x00\x00\x03abc")[0] == Element(ber.SEQUENCE, b"abc")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x16\x03\x01", "first byte of 0x16"),
        (b"H", "first byte of 0x48"),
        (b"\x30\x80", "a BER length"),
        (b"\x30\xff", "a BER length"),
        (b"\x30\x85", "a BER length"),
    ],
)
def test_what_is_no_message(data: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read(sequence, data)


def test_a_message_beyond_the_bound_is_refused_before_it_comes() -> None:
    for length in (DIALOGUE_LIMIT + 1, 2**32 - 1):
        with pytest.raises(TooLong, match="announces a message"):
            read(sequence, b"\x30\x84" + length.to_bytes(4, "big"))


@given(st.integers(0, 2**31 - 1))
def test_numbers(value: int) -> None:
    for tag in (ber.INTEGER, ber.ENUMERATED):
        (only,) = Element(ber.SEQUENCE, ber.number(value, tag)).children()
        assert only.tag == tag
        assert only.integer() == value
        assert len(only.content) == 1 or value > 127


def test_a_negative_number() -> None:
    assert Element(ber.ENUMERATED, b"\xff\x7f").integer() == -129


@pytest.mark.parametrize(
    "content", [b"\x02", b"\x02\x05abc", b"\x1f\x01a", b"\x02\x80", b"\x02\x85aaaaa", b"\x02\x82\x00"]
)
def test_bad_children(content: bytes) -> None:
    with pytest.raises(Malformed, match="BER"):
        Element(ber.SEQUENCE, content).children()


@pytest.mark.parametrize(
    "element", [Element(ber.OCTETS, b"a"), Element(ber.INTEGER, b""), Element(ber.INTEGER, b"12345")]
)
def test_what_is_no_number(element: Element) -> None:
    with pytest.raises(Malformed, match="expected a BER number"):
        element.integer()


@given(st.lists(st.tuples(st.integers(0, 0x1E), st.binary(max_size=300)), max_size=5))
def test_written_and_read_again(parts: list[tuple[int, bytes]]) -> None:
    children = Element(ber.SEQUENCE, b"".join(ber.element(tag, content) for tag, content in parts)).children()
    assert [(child.tag, child.content) for child in children] == parts


@given(data=st.binary(max_size=300))
def test_anything_may_come(data: bytes) -> None:
    never_breaks(sequence, data)
    never_breaks(sequence, b"\x30" + data)
    with suppress(Malformed):
        for child in Element(ber.SEQUENCE, data).children():
            child.children()
    with suppress(Malformed):
        Element(ber.INTEGER, data).integer()
