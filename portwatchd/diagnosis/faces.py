"""Owns the known faces: by which certificates and greetings routers and storage boxes are told from a school's server.

A face is evidence only where the right name is missing: a server's own certificate outweighs it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from portwatchd.model import Words

if TYPE_CHECKING:
    from portwatchd.model import Observation

GREETING_READ = 2048
"""Bytes of a greeting that are looked at; what names a device stands at its beginning."""
KEPT = 50_000
"""Greetings, and names, whose face is remembered: a search costs 20 µs, and most servers say the same each minute."""


@dataclass(frozen=True, slots=True)
class Face:
    """A kind of device, and by what it is known; the patterns are searched without regard to case."""

    name: str
    router: bool
    """Whether it forwards ports: then its answer is in place of a forward. Else it is another machine behind one."""
    said: Words
    """What a verdict says of it."""
    certificate: re.Pattern[str]
    """Searched in subject, issuer and alternative names."""
    greeting: re.Pattern[str]
    """Searched in what the service said first: SSH identification, greeting line, HTTP status, headers and title."""


def _face(name: str, article: tuple[str, str], certificate: str, greeting: str, *, router: bool) -> Face:
    said = Words(f"the answer is {article[0]}'s", f"die Antwort kommt von {article[1]}")
    return Face(name, router, said, re.compile(certificate, re.IGNORECASE), re.compile(greeting, re.IGNORECASE))


FACES = (
    _face(
        "FRITZ!Box",
        ("a FRITZ!Box", "einer FRITZ!Box"),
        r"\bfritz\.box\b|\bmyfritz\.(?:net|box)\b|FRITZ!Box",
        r"FRITZ!(?:Box|Powerline|Repeater)|Server: (?:AVM |FRITZ)",
        router=True,
    ),
    _face(
        "LANCOM",
        ("a LANCOM router", "einem LANCOM-Router"),
        r"\bLANCOM\b",
        r"SSH-2\.0-lancom|\bLANCOM\b",
        router=True,
    ),
    _face(
        "Speedport",
        ("a Speedport", "einem Speedport"),
        r"\bspeedport\b",
        r"\bSpeedport\b",
        router=True,
    ),
    _face(
        "UniFi",
        ("a UniFi gateway", "einem UniFi-Gateway"),
        r"\bunifi\b|\bUbiquiti\b|\bubnt\b",
        r"Title: UniFi|\bUniFi OS\b|\bUbiquiti\b",
        router=True,
    ),
    _face(
        "MikroTik",
        ("a MikroTik router", "einem MikroTik-Router"),
        r"\bMikroTik\b|\bRouterOS\b",
        r"SSH-2\.0-ROSSSH|\bMikroTik\b|\bRouterOS\b|Server: mikrotik",
        router=True,
    ),
    _face(
        "Synology",
        ("a Synology NAS", "einem Synology-NAS"),
        r"\bsynology\b|\bdiskstation\b|\bquickconnect\.to\b",
        r"\bSynology\b|\bDiskStation\b",
        router=False,
    ),
    _face(
        "QNAP",
        ("a QNAP NAS", "einem QNAP-NAS"),
        r"\bQNAP\b|\bmyqnapcloud\b",
        r"\bQNAP\b|\bNASFTPD\b|Server: http server 1\.0",
        router=False,
    ),
)


def face_of(observation: Observation) -> Face | None:
    """Return whose face an answer shows, by its certificate first; None where it is nobody's that is known."""
    certificate = observation.certificate
    shown = None if certificate is None else _by_names((certificate.subject, certificate.issuer, *certificate.san))
    return shown or _by_greeting(observation.banner.raw[:GREETING_READ])


@lru_cache(KEPT)
def _by_names(names: tuple[str, ...]) -> Face | None:
    """Search a certificate's names."""
    text = " ".join(names)
    return next((face for face in FACES if face.certificate.search(text)), None)


@lru_cache(KEPT)
def _by_greeting(greeting: bytes) -> Face | None:
    """Search what a service said first."""
    text = greeting.decode("latin-1")
    return next((face for face in FACES if text and face.greeting.search(text)), None)
