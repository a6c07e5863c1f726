"""The buffer: line ends, bounds, and no byte looked at twice."""

from __future__ import annotations

import pytest

from portwatchd.wire.lines import DIALOGUE_LIMIT, LINE_LIMIT, Buffer, Reading, TooLong, advance
from tests.unit.wire.feeding import read, whole


def line(buffer: Buffer) -> Reading[bytes]:
    return (yield from buffer.line())


def five(buffer: Buffer) -> Reading[bytes]:
    return (yield from buffer.take(5))


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"a b\r\n", b"a b"), (b"bare\n", b"bare"), (b"\r\n", b""), (b"\n", b""), (b"a\rb\r\r\n", b"a\rb\r")],
)
def test_a_line_ends_with_crlf_or_lf(data: bytes, expected: bytes) -> None:
    assert whole(line, data) == expected


def test_take_is_exact() -> None:
    assert read(five, b"1234567") == (b"12345", b"67")
    assert read(five, b"1234567", piece=1) == (b"12345", b"67")
    assert read(five, b"1234") == (None, b"1234")


def test_the_longest_line_is_read_and_a_longer_one_is_not() -> None:
    assert whole(line, b"x" * (LINE_LIMIT - 1) + b"\n") == b"x" * (LINE_LIMIT - 1)
    for data in (b"x" * LINE_LIMIT + b"\n", b"x" * LINE_LIMIT, b"x" * 20000):
        for piece in (1, 16384):
            with pytest.raises(TooLong, match="line of more than 4096 bytes"):
                read(line, data, piece)


def test_a_dialogue_is_bounded() -> None:
    buffer = Buffer()
    reading = line(buffer)
    for _ in range(DIALOGUE_LIMIT // 4):
        buffer.feed(b"ab\r\n")
        assert advance(reading) is not None
        reading = line(buffer)
    assert buffer.unread == 0
    with pytest.raises(TooLong, match="more than 65536 bytes"):
        buffer.feed(b"x")


def test_an_announcement_beyond_the_bound_is_refused_before_it_comes() -> None:
    with pytest.raises(TooLong, match="announces"):
        advance(Buffer().take(DIALOGUE_LIMIT + 1))


class Counting(bytearray):
    """Counts the bytes that a search has looked at."""

    looked = 0

    def find(self, sub: object, start: object = 0, end: object = None, /) -> int:
        assert isinstance(start, int)
        assert isinstance(sub, bytes)
        Counting.looked += len(self) - start
        return super().find(sub, start)


def test_each_byte_is_looked_at_once_however_small_the_pieces() -> None:
    buffer = Buffer()
    buffer._data = Counting()
    Counting.looked = 0
    reading = line(buffer)
    for _ in range(LINE_LIMIT - 1):
        assert advance(reading) is None
        buffer.feed(b"x")
    buffer.feed(b"\n")
    assert advance(reading) is not None
    assert Counting.looked <= LINE_LIMIT
