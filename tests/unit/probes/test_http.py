"""Dialogues with web servers, good ones and others."""

from __future__ import annotations

import pytest

from portwatchd.model import Outcome, Policy, Protocol, Target
from portwatchd.probes.conversation import Failed
from portwatchd.probes.http import CHALLENGE, ask_challenge, probe
from portwatchd.probes.trace import Trace
from portwatchd.wire.lines import Malformed
from tests.unit.probes.script import Hear, Say, Step, Ticks, a_target, converse, fact

HTTP = a_target(Protocol.HTTP, Policy.HTTPS_REDIRECT, Policy.ACME_REACHABLE, port=80)
HTTPS = a_target(Protocol.HTTPS, Policy.HSTS, port=443)


def get(path: str, host: str) -> Say:
    return Say(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: portwatchd\r\n"
        f"Accept: */*\r\nConnection: close\r\n\r\n".encode(),
    )


def exchange(*head: str, path: str = "/", host: str = "school.example") -> list[Step]:
    return [get(path, host), Hear("\r\n".join((*head, "", "")).encode())]


def test_a_redirect() -> None:
    trace = converse(probe, HTTP, exchange("HTTP/1.1 301 Moved", "Server: nginx", "Location: https://school.example/"))
    assert fact(trace, Policy.HTTPS_REDIRECT) == (True, 'redirects to "https://school.example/"')
    assert Policy.HSTS not in trace.facts
    assert trace.banner.shown() == "HTTP/1.1 301 Moved | Server: nginx | Location: https://school.example/"


def test_hsts() -> None:
    trace = converse(probe, HTTPS, exchange("HTTP/1.1 200 OK", "Strict-Transport-Security: max-age=15552000"))
    assert fact(trace, Policy.HSTS) == (True, "max-age is 15552000 s")


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (a_target(Protocol.HTTP, port=8080), "school.example:8080"),
        (a_target(Protocol.HTTPS, port=80), "school.example:80"),
        (a_target(Protocol.HTTP, port=80, server_name=""), "192.0.2.1"),
        (a_target(Protocol.HTTP, port=80, server_name="", address="2001:db8::1"), "[2001:db8::1]"),
        (a_target(Protocol.HTTP, port=81, server_name="", address="fe80::1%eth0"), "[fe80::1]:81"),
    ],
)
def test_the_host_header(target: Target, host: str) -> None:
    converse(probe, target, exchange("HTTP/1.1 404 Not Found", host=host))


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 418, 499])
def test_any_answer_below_500_is_an_answer(status: int) -> None:
    converse(probe, HTTPS, exchange(f"HTTP/1.1 {status} x"))


@pytest.mark.parametrize("status", [500, 502, 503, 999])
def test_an_error_of_the_server_is_a_refusal(status: int) -> None:
    trace = Trace(Ticks(), HTTP.service.policies)
    with pytest.raises(Failed) as failed:
        converse(probe, HTTP, exchange(f"HTTP/1.1 {status} Oh"), trace)
    assert (failed.value.outcome, failed.value.detail) == (
        Outcome.SERVICE_REFUSES,
        f'answers "HTTP/1.1 {status} Oh"',
    )
    assert fact(trace, Policy.HTTPS_REDIRECT) == (False, f'answers "HTTP/1.1 {status} Oh", no redirect to HTTPS')


def test_strangers() -> None:
    with pytest.raises(Malformed, match="SSH-2"):
        converse(probe, HTTP, [get("/", "school.example"), Hear(b"SSH-2.0-x\r\n")])


@pytest.mark.parametrize("head", ["HTTP/1.1 404 Not Found", "HTTP/1.1 301 Moved", "HTTP/1.0 503 Down"])
def test_any_answer_shows_that_the_challenge_can_be_reached(head: str) -> None:
    trace = converse(ask_challenge, HTTP, exchange(head, path=CHALLENGE))
    assert fact(trace, Policy.ACME_REACHABLE) == (True, f'answers "{head}"')
