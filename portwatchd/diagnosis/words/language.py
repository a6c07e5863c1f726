"""Owns the choice of a language: from an option, a locale, or an Accept-Language header."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portwatchd.model import Words

LANGUAGES = ("en", "de")
DEFAULT = LANGUAGES[0]

CHOICES_LIMIT = 32
"""Languages of one header that are looked at: a header comes from outside, and people know fewer."""


def choose_language(value: str | None) -> str:
    """Return the language that a locale (`de_AT.UTF-8`), a tag (`de-CH`) or an Accept-Language header asks for.

    Of a header the known language with the highest q wins (RFC 9110, section 12.5.4). Unknown ones, `C` and nothing at
    all are English.
    """
    ranked: list[tuple[float, int, str]] = []
    for position, item in enumerate((value or "").split(",")[:CHOICES_LIMIT]):
        tag, *parameters = (part.strip() for part in item.split(";"))
        language = tag.replace("_", "-").replace(".", "-").replace("@", "-").partition("-")[0].lower()
        weight = _weight(parameters)
        if language in LANGUAGES and weight > 0:
            ranked.append((-weight, position, language))
    return min(ranked)[2] if ranked else DEFAULT


def say(words: Words, lang: str) -> str:
    """Return the words in a language; English where the language is not known."""
    return words.de if lang == "de" else words.en


def _weight(parameters: list[str]) -> float:
    """Return the q of an item of Accept-Language: 1 where none is given, 0 where it is no number."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            digits = value.strip()
            return min(float(digits), 1.0) if digits.replace(".", "", 1).isdecimal() and digits.isascii() else 0.0
    return 1.0
