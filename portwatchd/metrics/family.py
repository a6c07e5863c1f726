"""What a metric family is: a name, a type, a help and labels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """A family's type, as both text formats name it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """A name with its type, its help and its labels. A counter's name ends in `_total`, as its samples do."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name without a counter's `_total`: what OpenMetrics calls the family."""
        return self.name.removesuffix("_total") if self.kind is Kind.COUNTER else self.name

    def header(self, *, openmetrics: bool) -> bytes:
        """Return the HELP and TYPE lines."""
        name = self.stem if openmetrics else self.name
        return f"# HELP {name} {self.help}\n# TYPE {name} {self.kind}\n".encode()

    def wanted(self, names: frozenset[str]) -> bool:
        """Whether these `name[]` ask for the family: by its name, its stem or a sample's name. None asks for all."""
        if not names or self.name in names or self.stem in names:
            return True
        return self.kind is Kind.HISTOGRAM and any(self.name + end in names for end in ("_bucket", "_sum", "_count"))
