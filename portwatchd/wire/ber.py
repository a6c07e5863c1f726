"""Just enough BER to bind and to search (RFC 4511 5.1: definite lengths, one-byte tags, primitive strings)."""

from __future__ import annotations

from dataclasses import dataclass

from portwatchd.wire.lines import DIALOGUE_LIMIT, Buffer, Malformed, Reading, TooLong

INTEGER = 0x02
OCTETS = 0x04
ENUMERATED = 0x0A
SEQUENCE = 0x30
SET = 0x31

LENGTH_BYTES = 4
"""Bytes of a long length. Some servers always write four (0x84); more could only announce what passes every bound."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, and its contents as they came."""

    tag: int
    content: bytes

    def children(self) -> tuple[Element, ...]:
        """Return the elements that the contents are made of. Raises `Malformed`."""
        found: list[Element] = []
        rest = memoryview(self.content)
        while rest:
            start, length = _measure(rest)
            if len(rest) < start + length:
                raise Malformed("a BER element reaches beyond the one around it")
            found.append(Element(rest[0], bytes(rest[start : start + length])))
            rest = rest[start + length :]
        return tuple(found)

    def integer(self) -> int:
        """Return the contents as a number, INTEGER or ENUMERATED of at most four bytes. Raises `Malformed`."""
        if self.tag not in {INTEGER, ENUMERATED} or not 1 <= len(self.content) <= LENGTH_BYTES:
            raise Malformed("expected a BER number")
        return int.from_bytes(self.content, "big", signed=True)


def _measure(data: memoryview) -> tuple[int, int]:
    """Return where the contents of the first element start and how long they are."""
    if data[0] & 0x1F == 0x1F:
        raise Malformed("a BER tag of several bytes")
    if len(data) < 2:
        raise Malformed("a BER element without a length")
    if data[1] < 0x80:
        return 2, data[1]
    count = data[1] & 0x7F
    if not 1 <= count <= LENGTH_BYTES or len(data) < 2 + count:
        raise Malformed("a BER length that LDAP does not know")
    return 2 + count, int.from_bytes(data[2 : 2 + count], "big")


def element(tag: int, *parts: bytes) -> bytes:
    """Return an element made of these parts."""
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def number(value: int, tag: int = INTEGER) -> bytes:
    """Return a number that is not negative as an element, in as few bytes as two's complement allows."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def sequence(buffer: Buffer) -> Reading[Element]:
    """Read one SEQUENCE, the envelope of an LDAP message (RFC 4511 4.1.1). Raises at its first byte if it is none."""
    head = yield from buffer.take(1)
    if head[0] != SEQUENCE:
        raise Malformed(f"expected an LDAP message, got a first byte of 0x{head[0]:02x}")
    head += yield from buffer.take(1)
    count = head[1] & 0x7F if head[1] & 0x80 else 0
    if count > LENGTH_BYTES:
        raise Malformed("a BER length that LDAP does not know")
    head += yield from buffer.take(count)
    _, length = _measure(memoryview(head))
    if length > DIALOGUE_LIMIT:
        raise TooLong(f"announces a message of {length} bytes, more than {DIALOGUE_LIMIT}")
    return Element(SEQUENCE, (yield from buffer.take(length)))
