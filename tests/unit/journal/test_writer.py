import os
import re
import time
from collections.abc import Iterator

import pytest

from portwatchd.journal.writer import Writer

LINE = "x" * 999


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(writing)
    os.close(reading)


def read(descriptor: int) -> bytes:
    os.set_blocking(descriptor, False)
    data = b""
    end = time.monotonic() + 5
    while time.monotonic() < end and not data.endswith(b"the end\n"):
        try:
            data += os.read(descriptor, 65536)
        except BlockingIOError:
            time.sleep(0.01)
    return data


@pytest.mark.parametrize("blocking", [True, False])
def test_a_blocked_stream_blocks_nobody_and_what_is_dropped_is_said(pipe: tuple[int, int], blocking: bool) -> None:
    os.set_blocking(pipe[1], blocking)
    dropped = []
    writer = Writer(pipe[1], lambda lines: f"{lines} dropped", limit=100)
    writer.on_drop = lambda: dropped.append(1)
    began = time.monotonic()
    for _ in range(1000):
        writer.write(LINE)
    assert time.monotonic() - began < 1
    assert len(dropped) >= 1000 - 100 - 65 - 100
    time.sleep(0.1)
    os.set_blocking(pipe[0], False)
    data = b""
    while (piece := _some(pipe[0])) or _told(data) < len(dropped):
        data += piece
    assert _told(data) == len(dropped)
    assert data.count(LINE.encode()) == 1000 - len(dropped)
    writer.write("the end")
    assert read(pipe[0]).endswith(b"the end\n")
    writer.close(1)


def _told(data: bytes) -> int:
    """How many lines are said to be dropped; it may be said in several parts, as the writer comes to it."""
    return sum(map(int, re.findall(rb"^([0-9]+) dropped$", data, re.MULTILINE)))


def _some(descriptor: int) -> bytes:
    time.sleep(0.01)
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


def test_the_end_waits_for_lines_but_not_for_long(pipe: tuple[int, int]) -> None:
    writer = Writer(pipe[1], str)
    for number in range(20):
        writer.write(f"line {number}")
    writer.close(5)
    assert os.read(pipe[0], 65536).count(b"\n") == 20
    writer = Writer(pipe[1], str)
    for _ in range(1000):
        writer.write(LINE)
    began = time.monotonic()
    writer.close(0.2)
    assert time.monotonic() - began < 1
    read(pipe[0])


def test_a_stream_that_is_gone_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = Writer(writing, str)
    writer.write("a")
    writer.close(1)
    writer.write("b")
    os.close(writing)
