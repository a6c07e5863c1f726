"""The head of an HTTP/1.x response: status line and headers. Of a body only a title that came along is looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass

from portwatchd.model import Foreign
from portwatchd.wire.lines import Buffer, Malformed, Reading, TooLong
from portwatchd.wire.replies import quoted

TITLE_LIMIT = 80
"""Bytes kept of a page's title: it only names the device."""
BODY_READ = 4096
"""Bytes of a body that are searched for a title, which stands at its beginning."""
HEADER_LIMIT = 128
"""Headers in one response; portals send some thirty, and more than this is nothing that a probe should sort through."""

_TITLE = re.compile(rb"<title[^>]*>([^<]*)<", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: (.*))?", re.DOTALL)
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Response:
    """The head of a response; header names are in small letters."""

    status: int
    line: bytes
    headers: tuple[tuple[str, bytes], ...]

    def values(self, name: str) -> tuple[bytes, ...]:
        """Return the values of a header, in the order in which they came."""
        return tuple(value for key, value in self.headers if key == name)

    @property
    def banner(self) -> Foreign:
        """What tells the server apart: the status line, Server and Location."""
        shown = [self.line]
        shown += [
            f"{name.title()}: ".encode() + value for name, value in self.headers if name in {"server", "location"}
        ]
        return Foreign(b" | ".join(shown))


def response(buffer: Buffer) -> Reading[Response]:
    """Read the head of the final response, past any interim one of status 1xx (RFC 9112 4 and 5, RFC 9110 15.2)."""
    while True:
        line = yield from buffer.line()
        match = _STATUS.fullmatch(line)
        if match is None:
            raise Malformed(f"expected an HTTP status line, got {quoted(line)}")
        headers = yield from _headers(buffer)
        if not match[1].startswith(b"1"):
            return Response(int(match[1]), line, headers)


def title_so_far(buffer: Buffer) -> Reading[bytes]:
    """Return the title of a page, as far as its beginning came with the head; it is not worth waiting for more."""
    match = _TITLE.search((yield from buffer.take(buffer.unread))[:BODY_READ])
    return b" ".join(match[1].split())[:TITLE_LIMIT] if match else b""


def _headers(buffer: Buffer) -> Reading[tuple[tuple[str, bytes], ...]]:
    """Read headers up to the empty line; a folded one is made one line again (RFC 9112 5.2)."""
    headers: list[tuple[str, bytes]] = []
    while line := (yield from buffer.line()):
        if line[:1] in {b" ", b"\t"} and headers:
            name, value = headers.pop()
            headers.append((name, value + b" " + line.strip(b" \t")))
            continue
        match = _HEADER.fullmatch(line)
        if match is None:
            raise Malformed(f"expected an HTTP header, got {quoted(line)}")
        if len(headers) == HEADER_LIMIT:
            raise TooLong(f"sends more than {HEADER_LIMIT} headers")
        headers.append((match[1].decode().lower(), match[2].strip(b" \t")))
    return tuple(headers)
