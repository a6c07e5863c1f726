"""Reading the error queue's entries."""

from __future__ import annotations

import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.net.errors import ORIGIN_ICMP, ORIGIN_ICMP6, QueuedError, parse

ORIGIN_LOCAL = 1


def entry(number: int, origin: int, kind: int, code: int, sockaddr: bytes) -> bytes:
    return struct.pack("=IBBBBII", number, origin, kind, code, 0, 0, 0) + sockaddr


IN = struct.pack("=HH", socket.AF_INET, 0) + socket.inet_aton("198.51.100.2") + bytes(8)
IN6 = struct.pack("=HHI", socket.AF_INET6, 0, 0) + socket.inet_pton(socket.AF_INET6, "2001:db8::2") + bytes(4)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            entry(errno.EHOSTUNREACH, ORIGIN_ICMP, 11, 0, IN),
            QueuedError(errno.EHOSTUNREACH, remote=True, icmp_type=11, icmp_code=0, offender="198.51.100.2"),
        ),
        (
            entry(errno.ECONNREFUSED, ORIGIN_ICMP6, 1, 4, IN6),
            QueuedError(errno.ECONNREFUSED, remote=True, icmp_type=1, icmp_code=4, offender="2001:db8::2"),
        ),
        (
            entry(errno.EMSGSIZE, ORIGIN_LOCAL, 0, 0, bytes(16)),
            QueuedError(errno.EMSGSIZE, remote=False, icmp_type=0, icmp_code=0, offender=None),
        ),
    ],
)
def test_entries(data: bytes, expected: QueuedError) -> None:
    assert parse(data) == expected
    assert parse(data + b"trailing") == expected


@given(st.binary(max_size=64))
def test_no_bytes_break_it(data: bytes) -> None:
    parsed = parse(data)
    assert (parsed is None) == (len(data) < 16)
