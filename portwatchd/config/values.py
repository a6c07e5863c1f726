"""Owns what single values look like: durations, ports, hosts, names. Each reader takes text and raises `Refused`."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple, TypeVar

from portwatchd.config.problem import Refused, brief, shown
from portwatchd.model import SHOWN_LIMIT

E = TypeVar("E", bound=StrEnum)

PORT_LIMIT = 65535
RANGE_LIMIT = 1024
"""Ports of one range. A range is sampled in rotation; one turn through more would take too long to be of use."""
HOST_LIMIT = 253
"""Characters of a host name (RFC 1035, section 2.3.4, less the length bytes)."""
SENTENCE_LIMIT = 300
"""Characters of a sentence for people: what fits into a notification."""

UNITS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
"""Prometheus' units of time, in seconds."""
DURATION = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in UNITS))
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,8})")
FRACTION = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,9})?")
LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")

OWN_LABELS = frozenset(
    {"school", "host", "profile", "family", "port", "port_name", "verdict", "proof", "diagnosis", "policy", "outcome"}
    | {"stage", "state", "address", "canary", "le", "quantile"},
)
"""Labels that the metrics use themselves; a school's label of that name would clash with them."""

ALERT_LABELS = frozenset({"job", "instance", "monitor", "alertname", "severity", "cause", "quorum"})
"""Labels that Prometheus and the alerts set: of a school with one of its own, no alert would find the ports."""


class Endpoint(NamedTuple):
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written: `host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def spell(seconds: float) -> str:
    """A duration as Prometheus writes it."""
    left, words = round(seconds * 1000), ""
    for unit, worth in UNITS.items():
        count, left = divmod(left, round(worth * 1000))
        # As Prometheus does: weeks and years only where nothing is left, so 400d stays 400d.
        if count and unit in {"y", "w"} and left:
            left += count * round(worth * 1000)
        elif count:
            words += f"{count}{unit}"
    return words or "0s"


def duration(low: float, high: float) -> Callable[[str], float]:
    """A reader of durations between two bounds, in seconds."""

    def read(text: str) -> float:
        if text.isascii() and text.isdigit() and text != "0":
            raise Refused(f"{shown(text)} has no unit: write {brief(text)}s, or another of ms s m h d w y")
        match = DURATION.fullmatch(text)
        if not text or (match is None and text != "0"):
            raise Refused(f"{shown(text)} is no duration: write for example 500ms, 60s, 15m, 1h30m or 400d")
        counts = match.groups() if match else ()
        seconds = sum(int(count) * worth for count, worth in zip(counts, UNITS.values(), strict=False) if count)
        if not low <= seconds <= high:
            raise Refused(f"{shown(text)} is out of bounds: {spell(low)} to {spell(high)}")
        return seconds

    return read


def whole(low: int, high: int, what: str = "number") -> Callable[[str], int]:
    """A reader of decimal whole numbers between two bounds."""

    def read(text: str) -> int:
        if re.fullmatch("0o?[0-7]+", text):
            raise Refused(f"{shown(text)} may be meant as octal: write it in decimal, without a leading 0")
        if not NUMBER.fullmatch(text):
            raise Refused(f"{shown(text)} is no {what}: write a whole number from {low} to {high}")
        if not low <= int(text) <= high:
            raise Refused(f"{shown(text)} is out of bounds: a {what} here is {low} to {high}")
        return int(text)

    return read


port = whole(1, PORT_LIMIT, "port")


def ports(text: str) -> tuple[int, int]:
    """The first and last port of a range, `63000-63099`."""
    match = re.fullmatch("([^-]*)-([^-]*)", text)
    if not match:
        raise Refused(f"{shown(text)} is no range of ports: write FIRST-LAST, for example 63000-63099")
    first, last = (port(part.strip()) for part in match.groups())
    if first >= last:
        raise Refused(f"{shown(text)} is no range of ports: the first must be less than the last")
    if last - first >= RANGE_LIMIT:
        raise Refused(f"{shown(text)} has {last - first + 1} ports; a range has at most {RANGE_LIMIT}")
    return first, last


def share(text: str) -> float:
    """A share: more than 0, at most 1."""
    if not FRACTION.fullmatch(text) or not 0 < float(text) <= 1:
        raise Refused(f"{shown(text)} is no share: write a number above 0 and up to 1, for example 0.5")
    return float(text)


def boolean(text: str) -> bool:
    """`true` or `false`, and no other spelling of them."""
    if text not in {"true", "false"}:
        raise Refused(f"{shown(text)} is neither true nor false")
    return text == "true"


def one_of(kind: type[E], what: str) -> Callable[[str], E]:
    """A reader of an enum's values."""

    def read(text: str) -> E:
        try:
            return kind(text)
        except ValueError:
            raise Refused(f"{shown(text)} is no {what}; allowed are {' '.join(kind)}") from None

    return read


def name(text: str) -> str:
    """A school's name: any printable text that fits a label value."""
    return _printable(text, "name", SHOWN_LIMIT, low=1)


def label_value(text: str) -> str:
    """A label's value: printable text that fits, or nothing."""
    return _printable(text, "label value", SHOWN_LIMIT)


def sentence(text: str) -> str:
    """A sentence for people."""
    return _printable(text, "sentence", SENTENCE_LIMIT)


def file_name(text: str) -> str:
    """A file's name or a pattern of names."""
    return _printable(text, "file name", 1000, low=1)


def _printable(text: str, what: str, limit: int, low: int = 0) -> str:
    if len(text) < low:
        raise Refused(f"a {what} cannot be empty")
    if len(text) > limit:
        raise Refused(f"{shown(text)} has {len(text)} characters; a {what} has at most {limit}")
    if bad := next((c for c in text if not c.isprintable()), None):
        raise Refused(f"{shown(text)} holds U+{ord(bad):04X}, which cannot be shown")
    if text != text.strip():
        raise Refused(f"{shown(text)} begins or ends with a space")
    return text


def identifier(text: str) -> str:
    """A profile's or service's name, which becomes the value of a label."""
    if not IDENTIFIER.fullmatch(text):
        raise Refused(f"{shown(text)} is no name here: letters, digits and _ . - only, 63 at most")
    return text


def label_name(text: str) -> str:
    """A label's name as Prometheus allows it, and free."""
    if not LABEL_NAME.fullmatch(text) or len(text) > SHOWN_LIMIT:
        raise Refused(f"{shown(text)} is no label name: letters, digits and _ only, and no digit first")
    if text.startswith("__"):
        raise Refused(f"{shown(text)} is reserved: Prometheus keeps names that begin with __ to itself")
    if text in OWN_LABELS:
        raise Refused(f"{shown(text)} is taken: the metrics use this label themselves")
    if text in ALERT_LABELS:
        raise Refused(f"{shown(text)} is taken: Prometheus and the alerts set this label themselves")
    return text


def host(text: str) -> str:
    """A host name or an IP address, as one writes it without a port."""
    if "://" in text:
        raise Refused(f"{shown(text)} is a URL: write only the host")
    if text.startswith("["):
        raise Refused(f"{shown(text)}: write an IPv6 address without brackets and port")
    if ":" in text or re.fullmatch("[0-9.]+", text):
        return _address(text)
    return host_name(text)


def is_address(text: str) -> bool:
    """Whether a valid host is an IP address."""
    return ":" in text or text.replace(".", "").isdigit()


def _address(text: str) -> str:
    before, _, after = text.partition(":")
    if after.isdigit() and ":" not in after:
        raise Refused(f"{shown(text)} has a port: write only the host, {shown(before)}; the profile names the ports")
    try:
        address = ip_address(text)
    except ValueError:
        raise Refused(f"{shown(text)} is neither a host name nor an IP address") from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None or address.is_link_local:
            raise Refused(f"{shown(text)} is a link-local address, which nobody reaches from outside")
        if address.ipv4_mapped:
            raise Refused(f"{shown(text)} is an IPv4 address in IPv6 form: write {address.ipv4_mapped}")
    if address.is_unspecified or address.is_multicast:
        raise Refused(f"{shown(text)} is no address of a host")
    return str(address)


def host_name(text: str) -> str:
    """A host name (RFC 1123, section 2.1)."""
    if not text:
        raise Refused("a host cannot be empty")
    bare = text.removesuffix(".")
    labels = bare.split(".")
    if not bare.isascii():
        try:
            hint = f": write {host_name(bare.encode('idna').decode())}" if len(bare) <= HOST_LIMIT else ""
        except (UnicodeError, Refused):
            hint = ""
        raise Refused(f"{shown(text)} holds letters beyond ASCII{hint}")
    if len(bare) > HOST_LIMIT or not all(HOST_LABEL.fullmatch(label) for label in labels):
        raise Refused(f"{shown(text)} is neither a host name nor an IP address")
    if re.fullmatch("[0-9]+|0[xX][0-9a-fA-F]*", labels[-1]):
        raise Refused(f"{shown(text)} is no host name: its last part cannot be a number")
    return text


def endpoint(text: str) -> Endpoint:
    """`host:port`, with an IPv6 address in brackets."""
    match = re.fullmatch(r"\[([^\]]*)\]:([^:]*)|([^:\[\]]*):([^:]*)", text)
    if not match:
        bare, _, end = text.rpartition(":")
        hint = f"[{bare}]:{end}" if ":" in bare and not set("[]/") & set(text) else "example.org:443"
        raise Refused(f"{shown(text)} is no host with a port: write for example {brief(hint)}")
    bracketed, after, plain, behind = match.groups()
    if bracketed is not None:
        if ":" not in bracketed:
            raise Refused(f"{shown(text)}: only an IPv6 address stands in brackets")
        return Endpoint(_address(bracketed), port(after))
    return Endpoint(host(plain), port(behind))


def url(text: str) -> str:
    """An HTTP URL without a password in it."""
    match = re.fullmatch(r"https?://([^/?#\s]+)[^\s]*", text)
    if not match or not text.isprintable():
        raise Refused(f"{shown(text)} is no URL: write http://... or https://...")
    if "@" in match.group(1):
        raise Refused("a URL with a user or a password in it is not allowed")
    place = match.group(1)
    endpoint(place if re.search(r":[0-9]+$", place) else f"{place}:443")
    return text
