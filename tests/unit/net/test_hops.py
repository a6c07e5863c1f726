"""What an answer to one SYN is called."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from portwatchd.model import Answer
from portwatchd.net.errors import QueuedError
from portwatchd.net.hops import told_by, without_icmp

V4 = [
    *((3, code, Answer.UNREACHABLE) for code in (0, 1, 5, 6, 7, 8, 11, 12)),
    *((3, code, Answer.REJECTED) for code in (2, 3, 9, 10, 13, 14, 15)),
    (11, 0, Answer.EXPIRED),
    (12, 0, Answer.REJECTED),
]
V6 = [
    *((1, code, Answer.UNREACHABLE) for code in (0, 2, 3)),
    *((1, code, Answer.REJECTED) for code in (1, 4, 5, 6)),
    (3, 0, Answer.EXPIRED),
    (4, 1, Answer.REJECTED),
]


@pytest.mark.parametrize(
    ("family", "kind", "code", "answer"),
    [*((socket.AF_INET, *row) for row in V4), *((socket.AF_INET6, *row) for row in V6)],
)
def test_icmp(family: socket.AddressFamily, kind: int, code: int, answer: Answer) -> None:
    entry = QueuedError(errno.EHOSTUNREACH, remote=True, icmp_type=kind, icmp_code=code, offender="x")
    assert told_by(entry, family) is answer


@pytest.mark.parametrize("number", [0, *errno.errorcode])
def test_without_icmp(number: int) -> None:
    known = {
        0: Answer.CONNECTED,
        errno.ECONNRESET: Answer.CONNECTED,
        errno.ECONNREFUSED: Answer.RESET,
        errno.ETIMEDOUT: Answer.SILENT,
    }
    assert without_icmp(number) is known.get(number, Answer.LOCAL_ERROR), os.strerror(number)
