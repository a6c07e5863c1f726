import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from portwatchd.metrics.text import escape, label, number
from portwatchd.model import SHOWN_LIMIT


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("gym-nord", "gym-nord"),
        ('say "hi"', r"say \"hi\""),
        ("back\\slash", r"back\\slash"),
        ("two\nlines", r"two\nlines"),
        ("Schüler", "Schüler"),
        ("\ud800", r"\\ud800"),
        ("x" * 201, "x" * 199 + "…"),
        ("x" * 200, "x" * 200),
    ],
)
def test_label_values_are_escaped_and_cut(value: str, escaped: str) -> None:
    assert escape(value) == escaped


@given(st.text(st.characters(), max_size=300))
def test_what_is_escaped_is_read_again(value: str) -> None:
    line = f"portwatch_x{{{label('name', value)}}} 1\n"
    (family,) = text_string_to_metric_families(line.encode().decode())
    read = family.samples[0].labels["name"]
    assert len(read) <= SHOWN_LIMIT
    if len(value) <= SHOWN_LIMIT and value.isprintable():
        assert read == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (0.0125, "0.0125"),
        (1732418543.123456, "1732418543.123456"),
        (0.1 + 0.2, "0.3"),
        (1e16, "10000000000000000"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
