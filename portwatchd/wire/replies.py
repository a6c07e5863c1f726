"""The replies of SMTP, FTP, POP3 and IMAP, as readers of a buffer."""

from __future__ import annotations

import re
from dataclasses import dataclass

from portwatchd.model import Foreign
from portwatchd.wire.lines import Buffer, Malformed, Reader, Reading

QUOTED_LIMIT = 80
"""Characters of a peer's text that a detail quotes: enough to tell what it is, short enough for a table."""

_NUMBERED = re.compile(rb"([1-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_POP3 = re.compile(rb"(\+OK|-ERR)(?: (.*))?", re.DOTALL)
_IMAP_STATUS = re.compile(rb"(OK|NO|BAD|PREAUTH|BYE)(?: (.*))?", re.DOTALL | re.IGNORECASE)
_IMAP_CODE = re.compile(rb"\[?CAPABILITY ([^\]]*)", re.IGNORECASE)


class Unwelcome(Exception):
    """A reply of the right grammar that is not the awaited one: the service speaks, and refuses."""


def quoted(text: bytes) -> str:
    """Return a peer's text for a detail: escaped, cut and in quotation marks."""
    return f'"{Foreign(text).shown(QUOTED_LIMIT)}"'


@dataclass(frozen=True, slots=True)
class Reply:
    """A numbered reply; its lines are without code, dash and end."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def text(self) -> Foreign:
        """All lines as one."""
        return Foreign(b" ".join(self.lines))

    def expect(self, *codes: int) -> Reply:
        """Return itself if its code is among these. Raises `Unwelcome`."""
        if self.code not in codes:
            raise Unwelcome(f"answers {self.code} {quoted(self.text.raw)}")
        return self

    def features(self) -> dict[str, str]:
        """Return what the lines after the first list, in capitals: keyword to the rest of its line (RFC 5321 4.1.1)."""
        listed: dict[str, str] = {}
        for line in self.lines[1:]:
            # "AUTH=LOGIN" is what old clients were told; it offers AUTH all the same.
            keyword, _, rest = line.decode("latin-1").strip().upper().replace("=", " ").partition(" ")
            listed[keyword] = f"{listed[keyword]} {rest}" if keyword in listed else rest
        return listed

    def offers(self, keyword: str) -> bool:
        """Whether a line after the first begins with the keyword, wherever it stands and in any case."""
        return keyword in self.features()


def _numbered(line: bytes) -> tuple[bytes, bool, bytes]:
    """Return code, whether more lines follow, text."""
    match = _NUMBERED.fullmatch(line)
    if match is None:
        raise Malformed(f"expected a three-digit reply, got {quoted(line)}")
    code, mark, text = match.groups()
    return code, mark == b"-", text or b""


def reply(buffer: Buffer) -> Reading[Reply]:
    """Read an SMTP reply: every line bears the code (RFC 5321 4.2)."""
    code, more, text = _numbered((yield from buffer.line()))
    lines = [text]
    while more:
        following, more, text = _numbered((yield from buffer.line()))
        if following != code:
            raise Malformed(f"a reply of code {code.decode()} goes on with code {following.decode()}")
        lines.append(text)
    return Reply(int(code), tuple(lines))


def ftp_reply(buffer: Buffer) -> Reading[Reply]:
    """Read an FTP reply: only the first and the last line must bear the code (RFC 959 4.2)."""
    code, more, text = _numbered((yield from buffer.line()))
    lines = [text]
    while more:
        line = yield from buffer.line()
        more = line[:4].rstrip() != code
        lines.append(line[4:] if line[:3] == code and line[3:4] in {b"", b" ", b"-"} else line)
    return Reply(int(code), tuple(lines))


@dataclass(frozen=True, slots=True)
class Pop3Reply:
    """A POP3 reply; `lines` are those of a multi-line one, dots unstuffed."""

    ok: bool
    text: Foreign
    lines: tuple[bytes, ...] = ()

    def expect_ok(self) -> Pop3Reply:
        """Return itself if it is +OK. Raises `Unwelcome`."""
        if not self.ok:
            raise Unwelcome(f"answers -ERR {quoted(self.text.raw)}")
        return self

    def offers(self, capability: str) -> bool:
        """Whether a CAPA line begins with the capability (RFC 2449 5)."""
        return any(line.decode("latin-1").upper().split(" ")[0] == capability for line in self.lines)


def pop3_reply(buffer: Buffer) -> Reading[Pop3Reply]:
    """Read a one-line POP3 reply (RFC 1939 3)."""
    line = yield from buffer.line()
    match = _POP3.fullmatch(line)
    if match is None:
        raise Malformed(f"expected +OK or -ERR, got {quoted(line)}")
    return Pop3Reply(match[1] == b"+OK", Foreign(match[2] or b""))


def pop3_listing(buffer: Buffer) -> Reading[Pop3Reply]:
    """Read a POP3 reply that goes on to a line with a dot, unless it is -ERR (RFC 1939 3)."""
    first = yield from pop3_reply(buffer)
    lines: list[bytes] = []
    while first.ok and (line := (yield from buffer.line())) != b".":
        lines.append(line.removeprefix(b"."))
    return Pop3Reply(first.ok, first.text, tuple(lines))


@dataclass(frozen=True, slots=True)
class ImapReply:
    """A greeting, or a tagged answer with the untagged lines before it. `status` is in capitals."""

    status: str
    text: Foreign
    untagged: tuple[bytes, ...] = ()

    def expect(self, *statuses: str) -> ImapReply:
        """Return itself if its status is among these. Raises `Unwelcome`."""
        if self.status not in statuses:
            raise Unwelcome(f"answers {self.status} {quoted(self.text.raw)}")
        return self

    def capabilities(self) -> frozenset[str]:
        """Return what it lists, in capitals: untagged, or as a response code (RFC 9051 7.1). Empty for no list."""
        found = (_IMAP_CODE.match(text) for text in (*self.untagged, self.text.raw))
        return frozenset(word for match in found if match for word in match[1].decode("latin-1").upper().split())


def imap_greeting(buffer: Buffer) -> Reading[ImapReply]:
    """Read the greeting: OK, PREAUTH or BYE (RFC 9051 7.1)."""
    line = yield from buffer.line()
    match = _IMAP_STATUS.fullmatch(line.removeprefix(b"* ")) if line.startswith(b"* ") else None
    if match is None or match[1].upper() not in {b"OK", b"PREAUTH", b"BYE"}:
        raise Malformed(f"expected an IMAP greeting, got {quoted(line)}")
    return ImapReply(match[1].decode().upper(), Foreign(match[2] or b""))


def imap_answer(tag: str) -> Reader[ImapReply]:
    """Return a reader up to the answer that bears a command's tag (RFC 9051 7). An untagged BYE ends it as well."""
    prefix = tag.encode() + b" "

    def read(buffer: Buffer) -> Reading[ImapReply]:
        untagged: list[bytes] = []
        while True:
            line = yield from buffer.line()
            mark = prefix if line.startswith(prefix) else b"* "
            if not line.startswith(mark) or (mark == b"* " and line.endswith(b"}")):
                # No command of a probe is answered by a literal, and skipping one would mean to believe its length.
                raise Malformed(f"expected an IMAP answer, got {quoted(line)}")
            match = _IMAP_STATUS.fullmatch(line.removeprefix(mark))
            status = match[1].decode().upper() if match else ""
            if match and ((mark == prefix and status in {"OK", "NO", "BAD"}) or status == "BYE"):
                return ImapReply(status, Foreign(match[2] or b""), tuple(untagged))
            if mark == prefix:
                raise Malformed(f"expected OK, NO or BAD, got {quoted(line)}")
            untagged.append(line.removeprefix(mark))

    return read
