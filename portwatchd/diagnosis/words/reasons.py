"""Owns the German of why a policy is not met or a handshake failed; what a server said stays as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GERMAN: Mapping[str, str] = {
    # certificates
    "the certificate is invalid: {}": "das Zertifikat ist ungültig: {}",
    "expired": "abgelaufen",
    "not yet valid": "noch nicht gültig",
    "self-signed": "selbst signiert",
    "made for another name": "für einen anderen Namen ausgestellt",
    "made for another address": "für eine andere Adresse ausgestellt",
    "unknown authority or incomplete chain": "unbekannte Zertifizierungsstelle oder unvollständige Kette",
    "the issuer is missing: the chain is incomplete or the authority is unknown": (
        "der Aussteller fehlt: Die Kette ist unvollständig oder die Zertifizierungsstelle unbekannt"
    ),
    "signed by an unknown authority (a self-signed certificate in the chain)": (
        "von einer unbekannten Zertifizierungsstelle signiert (ein selbst signiertes Zertifikat in der Kette)"
    ),
    "a signature in the chain is wrong": "eine Signatur in der Kette ist falsch",
    "the chain is too long": "die Kette ist zu lang",
    "revoked": "widerrufen",
    "a certificate in the chain is no authority": "ein Zertifikat in der Kette gehört keiner Zertifizierungsstelle",
    "the chain is longer than an authority in it allows": (
        "die Kette ist länger, als eine Zertifizierungsstelle in ihr erlaubt"
    ),
    "not made for TLS servers": "nicht für TLS-Server ausgestellt",
    "the authority is not trusted": "der Zertifizierungsstelle wird nicht vertraut",
    "the authority is rejected": "die Zertifizierungsstelle wird abgelehnt",
    "the name is outside what the authority may sign": "diesen Namen darf die Zertifizierungsstelle nicht signieren",
    "the name is excluded by the authority's constraints": "die Zertifizierungsstelle schließt diesen Namen aus",
    "the key is too weak": "der Schlüssel ist zu schwach",
    "the key is too weak ({} bits)": "der Schlüssel ist zu schwach ({} Bit)",
    "the key of an authority in the chain is too weak": (
        "der Schlüssel einer Zertifizierungsstelle in der Kette ist zu schwach"
    ),
    "a signature in the chain uses a digest that is too weak": (
        "eine Signatur in der Kette nutzt ein zu schwaches Hashverfahren"
    ),
    "the signature uses {}": "die Signatur nutzt {}",
    "not verified": "nicht geprüft",
    "not verified: {}": "nicht geprüft: {}",
    "not renewed in time, {} days left": "nicht rechtzeitig erneuert, noch {} Tage gültig",
    "not renewed in time, ran out {} days ago": "nicht rechtzeitig erneuert, vor {} Tagen abgelaufen",
    "{}: Let's Encrypt cannot validate, for port 80 does not reach the server": (
        "{}: Let's Encrypt kann nicht prüfen, denn Port 80 erreicht den Server nicht"
    ),
    # TLS
    "speaks only {}": "spricht nur {}",
    "the TLS handshake fails: {}": "der TLS-Handshake scheitert: {}",
    "no version of TLS in common": "keine gemeinsame TLS-Version",
    "no cipher in common": "kein gemeinsames Verfahren",
    "the server refuses the handshake": "der Server verweigert den Handshake",
    "offered, but {}": "angeboten, aber {}",
    "{} does not list {}": "{} nennt {} nicht",
    "{} is refused: {}": "{} wird abgelehnt: {}",
    "{} is offered and then refused: {}": "{} wird angeboten und dann abgelehnt: {}",
    # logins in clear
    "AUTH before TLS: {}": "AUTH vor TLS: {}",
    "USER before TLS is answered {}": "USER vor TLS wird beantwortet mit {}",
    # the web
    "no Strict-Transport-Security header": "kein Header Strict-Transport-Security",
    "malformed Strict-Transport-Security header: {}": "fehlerhafter Header Strict-Transport-Security: {}",
    "max-age is {} s, less than {} s": "max-age beträgt {} s, weniger als {} s",
    "max-age is {} s, less than {} s (the first of several headers)": (
        "max-age beträgt {} s, weniger als {} s (der erste von mehreren Headern)"
    ),
    "answers {}, no redirect to HTTPS": "antwortet {}, keine Umleitung auf HTTPS",
    "redirects to {}, which is no URL": "leitet um auf {}, was keine URL ist",
    "redirects to {}, which stays on HTTP": "leitet um auf {}, was bei HTTP bleibt",
    "redirects to {}, which is not HTTPS": "leitet um auf {}, was nicht HTTPS ist",
    "redirects to {}, another host than {}": "leitet um auf {}, einen anderen Namen als {}",
    "no answer to the question: {}": "keine Antwort auf die Frage: {}",
    "the peer closes the connection": "die Gegenseite beendet die Verbindung",
    "the peer closes the connection during the stage {}": "die Gegenseite beendet die Verbindung im Abschnitt {}",
    "the peer resets the connection during the stage {}": "die Gegenseite bricht die Verbindung ab im Abschnitt {}",
    "no answer to the connection attempt": "keine Antwort auf den Verbindungsversuch",
    "connects, but no whole greeting comes": "verbindet, aber es kommt keine vollständige Begrüßung",
    "no whole answer comes": "es kommt keine vollständige Antwort",
}
"""`{}` stands for anything; what can be put into German there is."""

PARTS_LIMIT = 4
"""How deep a reason may stand within another one."""

_PATTERNS = [
    (re.compile(re.escape(english).replace(r"\{\}", "(.+?)")), german)
    # The longest first: a reason within another one is looked at after the frame around it.
    for english, german in sorted(GERMAN.items(), key=lambda item: -len(item[0]))
    if "{}" in english
]


def reason_words(reason: str, lang: str, depth: int = PARTS_LIMIT) -> str:
    """Return a reason in a language; one that has no German stays English."""
    if lang != "de" or not depth:
        return reason
    if reason in GERMAN:
        return GERMAN[reason]
    for pattern, german in _PATTERNS:
        if match := pattern.fullmatch(reason):
            return german.format(*(reason_words(part, lang, depth - 1) for part in match.groups()))
    return reason
