"""What the head of a web server's answer says about HSTS and about the way to HTTPS."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from portwatchd.wire.http import Response
from portwatchd.wire.replies import quoted

HALF_YEAR = 15552000
"""Seconds in 180 days, the six months that the source text promises."""

REDIRECTS = frozenset({301, 302, 307, 308})

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_DIRECTIVE = re.compile(
    rb"[ \t]*+(?:(%b)[ \t]*+(?:=[ \t]*+(?:(%b)|\"((?:[^\"\\]|\\.)*+)\"))?+)?+[ \t]*+(?:;|\Z)" % (_TOKEN, _TOKEN)
)
"""Possessive throughout, so that no header makes it try twice; and every match is of a byte at least, or at the end."""


def judge_hsts(values: tuple[bytes, ...]) -> tuple[bool, str]:
    """Return whether the header asks for HTTPS for at least `HALF_YEAR` (RFC 6797 6.1), and why (not)."""
    if not values:
        return False, "no Strict-Transport-Security header"
    directives: dict[bytes, bytes] = {}
    header, at = values[0], 0  # of several only the first counts (RFC 6797 8.1)
    while at < len(header):
        match = _DIRECTIVE.match(header, at)
        if match is None:
            return False, f"malformed Strict-Transport-Security header: {quoted(header)}"
        at = match.end()
        if match[1] is None:
            continue
        name = match[1].lower()
        if name in directives:
            return False, f"malformed Strict-Transport-Security header: {quoted(name)} stands there twice"
        directives[name] = match[2] if match[2] is not None else match[3] or b""
    age = directives.get(b"max-age")
    if age is None:
        return False, "malformed Strict-Transport-Security header: no max-age"
    if re.fullmatch(rb"[0-9]+", age) is None:
        return False, f"malformed Strict-Transport-Security header: max-age is {quoted(age)}"
    seconds = int(age[:20])  # twenty digits are ages enough, and int() refuses 4,300 of them
    several = " (the first of several headers)" if len(values) > 1 else ""
    if seconds < HALF_YEAR:
        return False, f"max-age is {seconds} s, less than {HALF_YEAR} s{several}"
    return True, f"max-age is {seconds} s{several}"


def judge_redirect(answer: Response, host: str, *, named: bool) -> tuple[bool | None, str]:
    """Return whether the answer leads to HTTPS on the same host, and why (not).

    Where the host is a bare address (not `named`), a redirect to the server's name cannot be judged: None.
    """
    if answer.status not in REDIRECTS:
        return False, f"answers {quoted(answer.line)}, no redirect to HTTPS"
    locations = answer.values("location")
    if len(locations) != 1:
        return False, f"{answer.status} with {len(locations)} Location headers"
    where = quoted(locations[0])
    try:
        url = urlsplit(locations[0].decode("ascii").strip())
        scheme, name = url.scheme, (url.hostname or "").rstrip(".")
        _ = url.port
    except ValueError:  # UnicodeDecodeError is one
        return False, f"redirects to {where}, which is no URL"
    if not scheme and not name:
        return False, f"redirects to {where}, which stays on HTTP"
    if scheme != "https" or not name:
        return False, f"redirects to {where}, which is not HTTPS"
    if name == host.strip("[]").rstrip(".").lower():
        return True, f"redirects to {where}"
    if not named:
        return None, f"redirects to {where}; no server_name is configured to compare with"
    return False, f"redirects to {where}, another host than {host}"
