"""How hosts are spelt."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.model import Family
from portwatchd.net.names import ascii_name, bare_address, endpoint


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.1", (Family.IPV4, "192.0.2.1")),
        ("[2001:DB8::1]", (Family.IPV6, "2001:db8::1")),
        ("::ffff:192.0.2.1", (Family.IPV4, "192.0.2.1")),
        ("fe80::1%2", (Family.IPV6, "fe80::1%2")),
        ("192.0.2", None),
        ("192.0.2.01", None),
        ("school.example.org", None),
        ("", None),
    ],
)
def test_bare_addresses(host: str, expected: tuple[Family, str] | None) -> None:
    assert bare_address(host) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("School.Example.ORG.", "school.example.org"),
        ("Schloß.example", "xn--schlo-pqa.example"),
        ("Müller-Schule.example", "xn--mller-schule-dlb.example"),
        ("my_school.example", "my_school.example"),
        ("localhost", "localhost"),
    ],
)
def test_names(host: str, expected: str) -> None:
    assert ascii_name(host) == expected


@pytest.mark.parametrize("host", ["", ".", "a..b", "x" * 64, ".".join(["x" * 60] * 5), "a b", "a/b", "ü" * 70, "a\0b"])
def test_no_names(host: str) -> None:
    with pytest.raises(ValueError, match="is not a host name"):
        ascii_name(host)


@given(st.text())
def test_any_text_is_a_name_or_a_value_error(host: str) -> None:
    try:
        name = ascii_name(host)
    except ValueError:
        return
    assert name.isascii()
    assert ascii_name(name) == name


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", (socket.AF_INET, ("192.0.2.1", 25))),
        ("2001:db8::1", (socket.AF_INET6, ("2001:db8::1", 25))),
        ("::ffff:192.0.2.1", (socket.AF_INET, ("192.0.2.1", 25))),
        ("fe80::1%7", (socket.AF_INET6, ("fe80::1", 25, 0, 7))),
        ("fe80::1%lo", (socket.AF_INET6, ("fe80::1", 25, 0, 1))),
    ],
)
def test_endpoints(address: str, expected: object) -> None:
    assert endpoint(address, 25) == expected


@given(st.text())
def test_any_text_is_an_endpoint_or_an_oserror(address: str) -> None:
    try:
        endpoint(address, 25)
    except OSError:
        return
    assert bare_address(address) is not None or "%" in address
