"""What a scraper asks for: which of the two text formats, whether gzip, and which families (RFC 9110, section 12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_OPENMETRICS_VERSIONS = frozenset({"", "1.0.0"})
_TEXT_VERSIONS = frozenset({"", "0.0.4"})


@dataclass(frozen=True, slots=True)
class Wish:
    """How a scrape is to be answered. Scrapers of the same wish can share an answer."""

    openmetrics: bool = False
    gzip: bool = False
    names: frozenset[str] = frozenset()
    """Families or samples; empty for all."""

    @property
    def content_type(self) -> str:
        """The answer's Content-Type."""
        return OPENMETRICS_TYPE if self.openmetrics else TEXT_TYPE


def negotiate(accept: str, accept_encoding: str, names: Iterable[str] = ()) -> Wish:
    """Return what the headers ask for; where they ask for neither format, the older text format."""
    return Wish(prefers_openmetrics(accept), accepts_gzip(accept_encoding), frozenset(names))


def prefers_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics is wanted more than text; of two wanted alike, the one named first."""
    openmetrics, text = 0.0, 0.0
    for media, parameters, quality in _elements(accept):
        version = parameters.get("version", "")
        if media == "application/openmetrics-text" and version in _OPENMETRICS_VERSIONS:
            openmetrics = max(openmetrics, quality if quality > text else 0.0)
        elif media == "text/plain" and version in _TEXT_VERSIONS:
            text = max(text, quality)
    return openmetrics > 0 and openmetrics >= text


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is named, or `*`, with a quality above 0."""
    qualities = {coding: quality for coding, _, quality in _elements(accept_encoding)}
    return qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0))) > 0


def _elements(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield each element's word, its parameters and its quality; a quality that is no number counts as 0."""
    for element in header.split(","):
        word, *rest = (part.strip() for part in element.split(";"))
        parameters: dict[str, str] = {}
        for part in rest:
            key, _, value = part.partition("=")
            parameters[key.strip().lower()] = value.strip().strip('"')
        try:
            quality = float(parameters.get("q", "1"))
        except ValueError:
            quality = 0.0
        if word:
            yield word.lower(), parameters, min(quality, 1.0)
