"""Heads of HTTP responses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.wire.http import BODY_READ, HEADER_LIMIT, TITLE_LIMIT, response, title_so_far
from portwatchd.wire.lines import Buffer, Malformed, TooLong, advance
from tests.unit.wire.feeding import never_breaks, read, whole


def test_a_response() -> None:
    answer = whole(
        response,
        b"HTTP/1.1 301 Moved Permanently\r\nServer: nginx\r\nLOCATION:https://school.example/ \r\n"
        b"X-Empty:\r\nServer: two\r\n\r\n",
    )
    assert answer.status == 301
    assert answer.values("location") == (b"https://school.example/",)
    assert answer.values("server") == (b"nginx", b"two")
    assert answer.values("x-empty") == (b"",)
    assert answer.values("x") == ()
    assert answer.banner.raw == (
        b"HTTP/1.1 301 Moved Permanently | Server: nginx | Location: https://school.example/ | Server: two"
    )


@pytest.mark.parametrize("line", [b"HTTP/1.1 200", b"HTTP/1.0 200 ", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 \xfcbel"])
def test_status_lines(line: bytes) -> None:
    assert whole(response, line + b"\n\n").status == 200


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"HTTP/2 200",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000",
        b"HTTP/1.1  200",
        b"http/1.1 200 OK",
        b"ICY 200 OK",
        b"220 FTP",
    ],
)
def test_what_is_no_status_line(line: bytes) -> None:
    with pytest.raises(Malformed, match="expected an HTTP status line"):
        read(response, line + b"\r\n\r\n")


@pytest.mark.parametrize(
    "header", [b"no colon", b": no name", b"a b: c", b"name : value", b" folded from nowhere", b"\x00: x"]
)
def test_what_is_no_header(header: bytes) -> None:
    with pytest.raises(Malformed, match="expected an HTTP header"):
        read(response, b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n")


def test_a_folded_header_is_one() -> None:
    answer = whole(response, b"HTTP/1.1 200 OK\r\nA: one\r\n \t two \r\nB: c\r\n\r\n")
    assert answer.values("a") == (b"one two",)


def test_interim_responses_are_passed_over() -> None:
    answer = whole(response, b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n")
    assert (answer.status, answer.headers) == (404, ())


def test_headers_are_counted() -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * HEADER_LIMIT
    assert len(whole(response, head + b"\r\n").headers) == HEADER_LIMIT
    with pytest.raises(TooLong, match="more than 128 headers"):
        read(response, head + b"A: b\r\n\r\n")


def test_interim_responses_without_end_are_ended() -> None:
    with pytest.raises(TooLong, match="more than 65536 bytes"):
        read(response, b"HTTP/1.1 100 Continue\r\n\r\n" * 5000, piece=1000)


PIECES = st.sampled_from(
    [b"HTTP/1.1", b" ", b"200", b"100", b"OK", b"\r\n", b"\n", b"Name", b":", b"\t", b"\x00", b"\xff"]
)


@given(data=st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(b"".join)))
def test_anything_may_come(data: bytes) -> None:
    never_breaks(response, data)
    never_breaks(response, b"HTTP/1.1 200 OK\r\n" + data)


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b"<html><head><title>FRITZ!Box</title>", b"FRITZ!Box"),
        (b'<TITLE lang="de">\n  Synology\tDiskStation  \n</TITLE>', b"Synology DiskStation"),
        (b"<title>" + b"x" * 200 + b"</title>", b"x" * TITLE_LIMIT),
        (b"<title>its end has not come", b""),
        (b" " * BODY_READ + b"<title>too late</title>", b""),
        (b"\x89PNG", b""),
        (b"", b""),
    ],
)
def test_the_title_that_came_with_the_head_is_taken_and_no_other_is_waited_for(body: bytes, title: bytes) -> None:
    buffer = Buffer()
    buffer.feed(body)
    found = advance(title_so_far(buffer))
    assert found is not None
    assert found[0] == title
    assert buffer.unread == 0
