"""HSTS headers and redirects, as servers send them and as they must not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.probes.web_policies import judge_hsts, judge_redirect
from portwatchd.wire.http import Response


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"max-age=15552000", "max-age is 15552000 s"),
        (b"max-age=31536000; includeSubDomains; preload", "max-age is 31536000 s"),
        (b'MAX-AGE="31536000"', "max-age is 31536000 s"),
        (b" ;; includeSubDomains ; max-age = 31536000 ; ", "max-age is 31536000 s"),
        (b'x="a;b\\"c"; max-age=31536000', "max-age is 31536000 s"),
        (b"max-age=99999999999999999999999999", "max-age is 99999999999999999999 s"),
    ],
)
def test_good_hsts(value: bytes, reason: str) -> None:
    assert judge_hsts((value,)) == (True, reason)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"max-age=15551999", "max-age is 15551999 s, less than 15552000 s"),
        (b"max-age=86400", "max-age is 86400 s, less than 15552000 s"),
        (b'max-age="0"', "max-age is 0 s, less than 15552000 s"),
        (b"", "malformed Strict-Transport-Security header: no max-age"),
        (b"includeSubDomains", "malformed Strict-Transport-Security header: no max-age"),
        (b"max-age", 'malformed Strict-Transport-Security header: max-age is ""'),
        (b"max-age=six months", 'malformed Strict-Transport-Security header: "max-age=six months"'),
        (b"max-age=1e9", 'malformed Strict-Transport-Security header: max-age is "1e9"'),
        (b"max-age=-1", 'malformed Strict-Transport-Security header: max-age is "-1"'),
        (b"max-age='31536000'", "malformed Strict-Transport-Security header: max-age is \"'31536000'\""),
        (b"max-age=31536000; max-age=0", 'malformed Strict-Transport-Security header: "max-age" stands there twice'),
        (b"max-age=31536000, preload", 'malformed Strict-Transport-Security header: "max-age=31536000, preload"'),
        (b'max-age="31536000', 'malformed Strict-Transport-Security header: "max-age="31536000"'),
        (b"max-age=31536000; preload preload", None),
        (b"max-age:31536000", None),
    ],
)
def test_bad_hsts(value: bytes, reason: str | None) -> None:
    holds, said = judge_hsts((value,))
    assert not holds
    assert said == (reason or f'malformed Strict-Transport-Security header: "{value.decode()}"')


def test_no_header_and_several() -> None:
    assert judge_hsts(()) == (False, "no Strict-Transport-Security header")
    assert judge_hsts((b"max-age=31536000", b"max-age=0")) == (
        True,
        "max-age is 31536000 s (the first of several headers)",
    )
    assert judge_hsts((b"max-age=0", b"max-age=31536000"))[0] is False


@given(st.one_of(st.binary(), st.text(alphabet='max-age=0123456789;"\\ ,').map(str.encode)))
def test_any_header_is_judged(value: bytes) -> None:
    judge_hsts((value,))


def answer(status: int, *locations: bytes) -> Response:
    return Response(status, b"HTTP/1.1 %d x" % status, tuple(("location", where) for where in locations))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    "where",
    [
        b"https://school.example/",
        b"https://School.Example",
        b"HTTPS://school.example./idesk/?a=b#c",
        b"https://school.example:443/",
        b" https://school.example/ ",
    ],
)
def test_good_redirects(status: int, where: bytes) -> None:
    assert judge_redirect(answer(status, where), "school.example", named=True)[0] is True


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        (b"https://www.school.example/", "another host than school.example"),
        (b"https://school.example.evil.example/", "another host than school.example"),
        (b"https://school.example@evil.example/", "another host than school.example"),
        (b"http://school.example/", "not HTTPS"),
        (b"//school.example/", "not HTTPS"),
        (b"ftp://school.example/", "not HTTPS"),
        (b"https:///x", "not HTTPS"),
        (b"https:x", "not HTTPS"),
        (b"/login", "stays on HTTP"),
        (b"", "stays on HTTP"),
        (b"https://[::1/", "no URL"),
        (b"https://school.example:x/", "no URL"),
        (b"https://sch\xf6l.example/", "no URL"),
    ],
)
def test_bad_redirects(where: bytes, reason: str) -> None:
    holds, said = judge_redirect(answer(301, where), "school.example", named=True)
    assert holds is False
    assert reason in said


@pytest.mark.parametrize("status", [200, 300, 303, 304, 404])
def test_what_is_no_redirect(status: int) -> None:
    holds, said = judge_redirect(answer(status, b"https://school.example/"), "school.example", named=True)
    assert (holds, said) == (False, f'answers "HTTP/1.1 {status} x", no redirect to HTTPS')


def test_no_location_and_two() -> None:
    assert judge_redirect(answer(301), "school.example", named=True) == (False, "301 with 0 Location headers")
    two = answer(301, b"https://school.example/", b"https://school.example/")
    assert judge_redirect(two, "school.example", named=True)[0] is False


def test_without_a_name_only_the_address_can_be_compared() -> None:
    assert judge_redirect(answer(301, b"https://192.0.2.1/"), "192.0.2.1", named=False)[0] is True
    assert judge_redirect(answer(301, b"https://[2001:db8::1]/"), "[2001:db8::1]", named=False)[0] is True
    holds, reason = judge_redirect(answer(301, b"https://school.example/"), "192.0.2.1", named=False)
    assert holds is None
    assert "no server_name" in reason
    assert judge_redirect(answer(301, b"http://x/"), "192.0.2.1", named=False)[0] is False


@given(st.one_of(st.binary(), st.text(alphabet="https:/[]@#?%.x", max_size=30).map(str.encode)))
def test_any_location_is_judged(where: bytes) -> None:
    judge_redirect(answer(301, where), "school.example", named=True)
