from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as Reference
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from portwatchd.metrics.family import Kind, MetricFamily
from portwatchd.metrics.histogram import AT_ONCE, Histogram

BOUNDS = (0.005, 0.1, 1.0, 15.0)
FAMILY = MetricFamily("portwatch_x_seconds", Kind.HISTOGRAM, "X.", ("port_name", "stage"))


def plain(samples: Iterable[Sample]) -> list[tuple[str, list[tuple[str, str]], float]]:
    return sorted((s.name, sorted(s.labels.items()), round(s.value, 6)) for s in samples)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from((0.0, 0.005, 0.0051, 1.0, 15.0, 16.0)))))
def test_it_counts_as_the_reference_does(observed: list[tuple[str, float]]) -> None:
    ours = Histogram(FAMILY, BOUNDS)
    registry = CollectorRegistry()
    theirs = Reference(FAMILY.name, FAMILY.help, FAMILY.labels, buckets=BOUNDS, registry=registry)
    for name, seconds in observed:
        ours.child(name, "connect").observe(seconds)
        theirs.labels(name, "connect").observe(seconds)
    (read,) = text_string_to_metric_families(b"".join(ours.pieces(openmetrics=False)).decode())
    reference: bytes = generate_latest(registry)
    wanted = [s for m in text_string_to_metric_families(reference.decode()) if m.name == FAMILY.name for s in m.samples]
    assert plain(read.samples) == plain(wanted)


def test_a_large_family_is_made_piece_by_piece() -> None:
    histogram = Histogram(FAMILY, BOUNDS)
    for n in range(AT_ONCE * 3):
        histogram.child(str(n), "connect").observe(1.0)
    assert len(list(histogram.pieces(openmetrics=False))) == 4


def test_what_is_forgotten_is_gone() -> None:
    histogram = Histogram(FAMILY, BOUNDS)
    histogram.child("a", "connect").observe(1.0)
    histogram.child("b", "connect").observe(1.0)
    histogram.forget("a")
    text = b"".join(histogram.pieces(openmetrics=False))
    assert b'"a"' not in text
    assert b'"b"' in text
