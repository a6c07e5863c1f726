"""How every grammar is fed: whole, byte by byte, with bytes behind it, and with anything at all."""

from __future__ import annotations

from contextlib import suppress
from typing import TypeVar

from portwatchd.wire.lines import Buffer, Malformed, Reader, advance

T = TypeVar("T")

BEHIND = b"\r\n220 trailing \x00\xff"


def read(reader: Reader[T], data: bytes, piece: int = 65536) -> tuple[T | None, bytes]:
    """Return what the reader read (None: it wants more), and the bytes it left."""
    buffer = Buffer()
    reading = reader(buffer)
    result = advance(reading)
    fed = 0
    while result is None and fed < len(data):
        buffer.feed(data[fed : fed + piece])
        fed += piece
        result = advance(reading)
    return (result[0] if result else None), bytes(buffer._data) + data[fed:]


def whole(reader: Reader[T], data: bytes) -> T:
    """Return what the reader makes of the data, after it made the same of it in every way of feeding."""
    value, rest = read(reader, data)
    assert value is not None, "it wants more"
    assert rest == b""
    assert read(reader, data, piece=1) == (value, b"")
    assert read(reader, data + BEHIND) == (value, BEHIND)
    assert read(reader, data + BEHIND, piece=1) == (value, BEHIND)
    assert read(reader, data[:-1])[0] is None
    return value


def never_breaks(reader: Reader[T], data: bytes) -> None:
    """The reader raises nothing but its own error, and the same in whole and byte by byte."""
    ends: list[object] = []
    for piece in (65536, 1):
        end: object = None
        with suppress(Malformed):
            end = read(reader, data, piece)
        ends.append(end)
    assert ends[0] == ends[1]
