"""The buffer under every grammar: what came from a peer and is not yet read, with the bounds on it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

LINE_LIMIT = 4096
"""Bytes in one line, its end included. RFC 5321 4.5.3.1 asks for 512; no greeting or header that a probe needs comes
near this bound, and a peer that never ends a line is found out after so few bytes."""

DIALOGUE_LIMIT = 65536
"""Bytes from one peer over a whole dialogue. The longest honest ones, a FEAT list or the headers of a portal, are below
8 KiB; it keeps an endless banner from holding memory or time."""

T = TypeVar("T")


class Malformed(Exception):
    """What came is not of the grammar. The text says in plain words what was met."""


class TooLong(Malformed):
    """What came passes a bound, whether or not it is of the grammar."""


class Buffer:
    """Bytes that came and are not yet read. Each byte is looked at once, however small the pieces are."""

    __slots__ = ("_data", "_searched", "_total")

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0
        self._total = 0

    def feed(self, data: bytes) -> None:
        """Append what came. Raises `TooLong` when the dialogue passes `DIALOGUE_LIMIT`."""
        self._total += len(data)
        if self._total > DIALOGUE_LIMIT:
            raise TooLong(f"sends more than {DIALOGUE_LIMIT} bytes")
        self._data += data

    @property
    def unread(self) -> int:
        """The number of bytes that came and were not read."""
        return len(self._data)

    def line(self) -> Reading[bytes]:
        """Return the next line without its end: CRLF, or the bare LF that some servers send. Raises `TooLong`."""
        while (end := self._data.find(b"\n", self._searched)) < 0:
            self._searched = len(self._data)
            if self._searched >= LINE_LIMIT:
                raise TooLong(f"sends a line of more than {LINE_LIMIT} bytes")
            yield
        if end >= LINE_LIMIT:
            raise TooLong(f"sends a line of more than {LINE_LIMIT} bytes")
        line = bytes(self._data[:end]).removesuffix(b"\r")
        self._drop(end + 1)
        return line

    def take(self, count: int) -> Reading[bytes]:
        """Return exactly so many bytes. Raises `TooLong` at once where the dialogue could never hold them."""
        if count > DIALOGUE_LIMIT:
            raise TooLong(f"announces {count} bytes, more than {DIALOGUE_LIMIT}")
        while len(self._data) < count:
            yield
        taken = bytes(self._data[:count])
        self._drop(count)
        return taken

    def _drop(self, count: int) -> None:
        del self._data[:count]
        self._searched = 0


Reading: TypeAlias = Generator[None, None, T]
"""A reading under way: it yields while it needs more bytes in the buffer, and returns what it read."""

Reader: TypeAlias = Callable[[Buffer], Reading[T]]
"""A grammar. It reads from the buffer exactly what belongs to it, and raises nothing but `Malformed`."""


def advance(reading: Reading[T]) -> tuple[T] | None:
    """Let a reading go as far as the buffer allows: its result, or None while it needs more. Raises `Malformed`."""
    try:
        next(reading)
    except StopIteration as end:
        return (end.value,)
    return None
