"""Single values: what is read, what is refused, and that nothing else ever happens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.config import values
from portwatchd.config.problem import Refused

READERS: tuple[Callable[[str], object], ...] = (
    values.duration(0, 1e9),
    values.whole(0, 100),
    values.port,
    values.ports,
    values.share,
    values.boolean,
    values.name,
    values.label_value,
    values.label_name,
    values.sentence,
    values.identifier,
    values.host,
    values.host_name,
    values.endpoint,
    values.url,
    values.file_name,
)


def refusal(reader: Callable[[str], object], text: str) -> str:
    """Why a text is refused; empty where it is read."""
    try:
        reader(text)
    except Refused as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("60s", 60),
        ("15m", 900),
        ("1h30m", 5400),
        ("400d", 400 * 86_400),
        ("1w", 604_800),
        ("1y", 31_536_000),
        ("1d1h1m1s1ms", 90_061.001),
        ("0s", 0),
        ("0", 0),
    ],
)
def test_durations_are_prometheus_own(text: str, seconds: float) -> None:
    assert values.duration(0, 1e9)(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "60", "1.5s", "-1s", "1s1m", "1 m", "m", "1M", "٣s", "1s\n", "1h 30m"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(Refused):
        values.duration(0, 1e9)(text)


@given(st.integers(0, 10**11))
def test_a_duration_is_spelt_as_it_is_read(milliseconds: int) -> None:
    assert round(values.duration(0, 1e12)(values.spell(milliseconds / 1000)) * 1000) == milliseconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(60, "1m"), (900, "15m"), (400 * 86_400, "400d"), (0.5, "500ms"), (0, "0s"), (5400, "1h30m")]
)
def test_durations_are_spelt_as_people_write_them(seconds: float, text: str) -> None:
    assert values.spell(seconds) == text


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("gym-nord.example.org", "gym-nord.example.org"),
        ("localhost", "localhost"),
        ("example.org.", "example.org."),
        ("1und1.example", "1und1.example"),
        ("203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("xn--schule-sd-x9a.de", "xn--schule-sd-x9a.de"),
        ("x" * 63 + ".org", "x" * 63 + ".org"),
    ],
)
def test_hosts(text: str, host: str) -> None:
    assert values.host(text) == host


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("192.0.2.10:443", "192.0.2.10", 443), ("[2001:db8::1]:25", "2001:db8::1", 25), ("a.example:1", "a.example", 1)],
)
def test_endpoints(text: str, host: str, port: int) -> None:
    assert values.endpoint(text) == (host, port)
    assert str(values.endpoint(text)) == text


@pytest.mark.parametrize(
    "text", ["a:", ":1", "a", "a:b:1", "[a]:1", "[::1]", "[::1]1", "::1:1", "a:-1", "a: 1", "[]:1"]
)
def test_other_endpoints_are_refused(text: str) -> None:
    with pytest.raises(Refused):
        values.endpoint(text)


@pytest.mark.parametrize(
    "text", ["http://a", "https://a.example:8443/x?y=z", "http://[::1]:80/", "http://[2001:db8::1]/"]
)
def test_urls(text: str) -> None:
    assert values.url(text) == text


@pytest.mark.parametrize(
    "text", ["ftp://a", "http://", "http://a b", "http://u@a", "http://a_b/", "http://[::1", "//a"]
)
def test_other_urls_are_refused(text: str) -> None:
    with pytest.raises(Refused):
        values.url(text)


@pytest.mark.parametrize("reader", READERS)
@given(
    text=st.one_of(
        st.text(max_size=300),
        st.from_regex(r"[\[\]:.\-/@0-9a-z]*", fullmatch=True),
        st.from_regex(r"[0-9a-f:.%]*", fullmatch=True),
    )
)
def test_any_text_is_read_or_refused_in_printable_words(reader: Callable[[str], object], text: str) -> None:
    answer = refusal(reader, text)
    assert answer.isprintable()
    assert len(answer) < 500
