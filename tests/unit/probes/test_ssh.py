"""Identification strings of SSH servers, good ones and others."""

from __future__ import annotations

import pytest

from portwatchd.model import Outcome, Protocol
from portwatchd.probes.conversation import Failed
from portwatchd.probes.ssh import probe
from portwatchd.wire.lines import Malformed
from tests.unit.probes.script import a_target, converse

SSH = a_target(Protocol.SSH, port=22)


@pytest.mark.parametrize("line", ["SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", "SSH-1.99-Cisco-1.25", "SSH-2.0-"])
def test_an_identification(line: str) -> None:
    trace = converse(probe, SSH, f"S: {line}\nC: SSH-2.0-portwatchd")
    assert trace.banner.shown() == line


def test_lines_before_it() -> None:
    trace = converse(probe, SSH, "S: Authorised users only\nS: 22 is watched\nS: SSH-2.0-x\nC: SSH-2.0-portwatchd")
    assert trace.banner.shown() == "SSH-2.0-x"


@pytest.mark.parametrize("line", ["SSH-1.5-old", "SSH-3.0-new", "SSH-2.00-x"])
def test_other_versions(line: str) -> None:
    with pytest.raises(Failed) as failed:
        converse(probe, SSH, f"S: {line}")
    assert failed.value.outcome is Outcome.WRONG_PROTOCOL


@pytest.mark.parametrize(
    "line",
    [
        "220 mail ESMTP",
        "+OK ready",
        "* OK IMAP",
        "HTTP/1.1 400 Bad Request",
        "RFB 003.008",
        "<html>",
        "SSH-",
        "SSH-2.0",
        "SSH-x-y",
    ],
)
def test_strangers(line: str) -> None:
    with pytest.raises(Malformed, match="expected an SSH identification"):
        converse(probe, SSH, f"S: {line}")


@pytest.mark.parametrize("line", ["Exceeded MaxStartups", "Not allowed at this time"])
def test_a_refusal_is_the_service_s_own(line: str) -> None:
    with pytest.raises(Failed) as failed:
        converse(probe, SSH, f"S: {line}")
    assert (failed.value.outcome, failed.value.detail) == (Outcome.SERVICE_REFUSES, f'answers "{line}"')


def test_hanging_up() -> None:
    with pytest.raises(Failed) as failed:
        converse(probe, SSH, "EOF")
    assert failed.value.outcome is Outcome.CLOSED
