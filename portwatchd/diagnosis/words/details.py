"""Owns the German of the facts that verdicts carry in English; what a server said stays as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portwatchd.diagnosis.faces import FACES
from portwatchd.diagnosis.words.reasons import reason_words

if TYPE_CHECKING:
    from collections.abc import Mapping

GERMAN: Mapping[str, str] = {
    **{face.said.en: face.said.de for face in FACES},
    "another machine answers": "ein anderes Gerät antwortet",
    "another machine answers at this address": "an dieser Adresse antwortet ein anderes Gerät",
    "answers, but nothing shows that it is the school's server": (
        "antwortet, aber nichts zeigt, dass es der Server der Schule ist"
    ),
    "forwarded to another machine, which refuses": "weitergeleitet an ein anderes Gerät, das ablehnt",
    "dropped, as over the other address family": "verworfen, wie auch über die andere IP-Version",
    "forwarded to an address where no machine answers": "weitergeleitet an eine Adresse, an der kein Gerät antwortet",
    "forwarded, and dropped behind the router": "weitergeleitet und hinter dem Router verworfen",
    "forwarded, and no machine answers behind the router": "weitergeleitet, aber dahinter antwortet kein Gerät",
    "forwarded, and refused by a filter of the router": "weitergeleitet und von einem Filter des Routers abgelehnt",
    "forwarded, and rejected by a filter": "weitergeleitet und von einem Filter abgewiesen",
    "forwarded, and the server refuses": "weitergeleitet, aber der Server lehnt ab",
    "forwarded, but not to the port it is an alias of": "weitergeleitet, aber nicht auf den Port, für den er steht",
    "no listed port of the school could be judged": "kein Port der Schule konnte beurteilt werden",
    "no sign of life from the router": "kein Lebenszeichen vom Router",
    "other ports are forwarded, and no machine answers": "andere Ports sind weitergeleitet, aber kein Gerät antwortet",
    "other ports of the server answer, this one does not": "andere Ports des Servers antworten, dieser nicht",
    "refused by another machine than the server: the router": "nicht vom Server abgelehnt, sondern vom Router",
    "refused from behind the router": "hinter dem Router abgelehnt",
    "refused from behind the router, not by the server": "hinter dem Router abgelehnt, nicht vom Server",
    "rejected by the router {}": "abgewiesen vom Router {}",
    "rejected from behind the router": "hinter dem Router abgewiesen",
    "rejected from the router's address": "abgewiesen von der Adresse des Routers",
    "rejected on the way, by {}": "unterwegs abgewiesen, von {}",
    "silent, and not proven yet": "stumm, und noch nicht bewiesen",
    "silent like others that are proven not to be forwarded": "stumm wie andere, die nachweislich verloren sind",
    "the line went silent meanwhile": "die Leitung verstummte unterdessen",
    "the answer comes from another machine than the server": "die Antwort kommt von einem anderen Gerät als dem Server",
    "the answer does not come from the server": "die Antwort kommt nicht vom Server",
    "the control of this port cannot be reached either": "auch die Kontrolle dieses Ports ist nicht erreichbar",
    "the router accepts the connection itself": "der Router nimmt die Verbindung selbst an",
    "the router drops the connection: no trace of a forward": "der Router verwirft: keine Spur einer Weiterleitung",
    "the router lives, and nothing shows a forward": "der Router lebt, und nichts zeigt eine Weiterleitung",
    "the router rejects the connection itself": "der Router weist die Verbindung selbst ab",
    "the router resets the connection itself": "der Router lehnt die Verbindung selbst ab",
    "the router says that the server cannot be reached": "der Router meldet, dass der Server nicht erreichbar ist",
    "the router {} cannot reach the server": "der Router {} erreicht den Server nicht",
    "the server answers over the other address family only": "der Server antwortet nur über die andere IP-Version",
    "the server itself refuses the connection": "der Server selbst lehnt die Verbindung ab",
    "the server rejects the connection": "der Server weist die Verbindung ab",
    "{} on the way cannot reach the school": "{} auf dem Weg erreicht die Schule nicht",
}
"""`{}` stands for an address."""

_PATTERNS = [
    (re.compile(re.escape(english).replace(r"\{\}", r"([0-9A-Fa-f:.]+|None)")), german)
    for english, german in GERMAN.items()
    if "{}" in english
]


def detail_words(detail: str, lang: str) -> str:
    """Return a verdict's detail in a language; one that has no German stays English."""
    if lang != "de":
        return detail
    if detail in GERMAN:
        return GERMAN[detail]
    for pattern, german in _PATTERNS:
        if match := pattern.fullmatch(detail):
            return german.format(match[1])
    return reason_words(detail, lang)
