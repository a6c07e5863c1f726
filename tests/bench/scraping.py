"""Reads what /metrics says, and what was gained between two looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.running import fetched

Samples = Mapping[str, float]
"""Values by name and labels, as they stand in the text."""


def parse(text: str) -> Samples:
    """Return the samples of a text; no label here ends in a space and a number."""
    pairs = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


async def scrape(url: str, *names: str) -> Samples:
    """Return the samples of some families."""
    status, text = await fetched(f"{url}/metrics", params=[("name[]", name) for name in names])
    assert status == 200, text
    return parse(text)


def of(samples: Samples, name: str) -> Iterator[tuple[str, float]]:
    """Yield the samples of a name, whatever their labels are."""
    return ((key, value) for key, value in samples.items() if key.partition("{")[0] == name)


def gained(before: Samples, after: Samples, name: str) -> float:
    """Return by how much the sum of a name's samples grew."""
    return sum(value for _, value in of(after, name)) - sum(value for _, value in of(before, name))


def quantile(before: Samples, after: Samples, name: str, share: float) -> float:
    """Return a quantile of what a histogram without labels counted meanwhile, as Prometheus' histogram_quantile."""
    buckets = [(_bound(key), count - before.get(key, 0.0)) for key, count in of(after, f"{name}_bucket")]
    wanted = buckets[-1][1] * share
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted and count > below:
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return 0.0


def label(key: str, name: str) -> str:
    """Return a label of a sample; none of the bench's has a quote in it."""
    return key.partition(f'{name}="')[2].partition('"')[0]


def worst(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _bound(key: str) -> float:
    return float(label(key, "le"))
