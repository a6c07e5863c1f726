import re

import pytest

from portwatchd.metrics.families import CATALOGUE, OWN, PORT, PORTS, SCHOOLS, markdown
from portwatchd.metrics.family import Kind, MetricFamily


def test_names_are_unique_and_ours() -> None:
    names = [family.name for family in CATALOGUE]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"portwatch_[a-z_]+", name) for name in names)


@pytest.mark.parametrize("family", CATALOGUE, ids=lambda family: family.name)
def test_a_counter_and_only_a_counter_ends_in_total(family: MetricFamily) -> None:
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)


@pytest.mark.parametrize("family", CATALOGUE, ids=lambda family: family.name)
def test_helps_need_no_escaping_and_labels_are_labels(family: MetricFamily) -> None:
    assert family.help.isascii()
    assert family.help.isprintable()
    assert not set('\\"') & set(family.help)
    assert family.help.endswith(".")
    assert all(re.fullmatch(r"[a-z_]+", label) and label != "service" for label in family.labels)


def test_a_ports_series_have_the_ports_labels_first() -> None:
    assert all(family.labels[:4] == PORT for family in PORTS)
    assert all(family.labels[0] == "school" for family in SCHOOLS)


def test_openmetrics_names_a_counter_without_total() -> None:
    family = MetricFamily("portwatch_cries_total", Kind.COUNTER, "Cries.")
    assert family.header(openmetrics=False) == (
        b"# HELP portwatch_cries_total Cries.\n# TYPE portwatch_cries_total counter\n"
    )
    assert family.header(openmetrics=True) == b"# HELP portwatch_cries Cries.\n# TYPE portwatch_cries counter\n"


@pytest.mark.parametrize(
    ("kind", "name", "asked", "wanted"),
    [
        (Kind.GAUGE, "portwatch_x", (), True),
        (Kind.GAUGE, "portwatch_x", ("portwatch_x",), True),
        (Kind.GAUGE, "portwatch_x", ("portwatch_y", "portwatch_x"), True),
        (Kind.GAUGE, "portwatch_x", ("portwatch_y",), False),
        (Kind.GAUGE, "portwatch_x", ("portwatch_x_count",), False),
        (Kind.COUNTER, "portwatch_x_total", ("portwatch_x",), True),
        (Kind.COUNTER, "portwatch_x_total", ("portwatch_x_total",), True),
        (Kind.HISTOGRAM, "portwatch_x_seconds", ("portwatch_x_seconds_bucket",), True),
        (Kind.HISTOGRAM, "portwatch_x_seconds", ("portwatch_x_seconds_sum",), True),
        (Kind.HISTOGRAM, "portwatch_x_seconds", ("portwatch_x_seconds",), True),
    ],
)
def test_a_family_is_asked_for_by_its_own_name_or_a_samples(
    kind: Kind,
    name: str,
    asked: tuple[str, ...],
    wanted: bool,
) -> None:
    assert MetricFamily(name, kind, "X.").wanted(frozenset(asked)) is wanted


def test_the_table_has_a_row_for_each_family() -> None:
    lines = markdown().splitlines()
    assert len(lines) == 2 + len(CATALOGUE)
    assert lines[2].startswith("| `portwatch_port_up` | gauge | `school` `family` `port` `port_name` | Whether ")
    assert len(markdown(OWN).splitlines()) == 2 + len(OWN)
