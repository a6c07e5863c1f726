import asyncio
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from portwatchd.journal import close, configure
from portwatchd.journal.lines import Bridge, is_journal


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "log"
    yield path
    close()
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, Bridge)]:
        root.removeHandler(handler)


def written(path: Path, level: str = "info", log_format: str = "logfmt") -> list[str]:
    """What a handful of events become."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        configure(level, log_format, descriptor)
        log = structlog.get_logger()
        log.debug("quiet")
        log.info("from outside", banner="a\nb\x1b[31m\u202e\udc80", number=7, none=None, several=["a\n"])
        log.warning("lost", school="gs süd")
        try:
            raise ValueError("why\x00")
        except ValueError:
            log.exception("failed")
        logging.getLogger("asyncio").warning("slow\ncallback %s", 7)
        close()
    finally:
        os.close(descriptor)
    return path.read_text().splitlines()


def test_logfmt_is_a_line_an_event_without_control_characters(file: Path) -> None:
    lines = written(file)
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert lines[0].startswith("ts=20")
    assert r'level=info event="from outside" banner=a\nb\x1b[31m\u202e' in lines[0].replace("\\\\", "\\")
    assert 'level=warning event=lost school="gs süd"' in lines[1]
    assert "Traceback" in lines[2]
    assert "logger=asyncio" in lines[3]
    assert "callback 7" in lines[3]


def test_json(file: Path) -> None:
    lines = [json.loads(line) for line in written(file, log_format="json")]
    assert [line["event"] for line in lines[:3]] == ["from outside", "lost", "failed"]
    assert lines[0]["number"] == 7
    assert lines[0]["banner"] == "a\\nb\\x1b[31m\\u202e\\udc80"


def test_levels(file: Path) -> None:
    assert len(written(file, "debug")) == 5
    file.unlink()
    assert len(written(file, "error")) == 1


def test_priorities_where_the_journal_reads(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.touch()
    about = file.stat()
    monkeypatch.setenv("JOURNAL_STREAM", f"{about.st_dev}:{about.st_ino}")
    assert [line[:3] for line in written(file)] == ["<6>", "<4>", "<3>", "<4>"]


def test_another_streams_journal_is_none() -> None:
    assert not is_journal({"JOURNAL_STREAM": "1:2"}, 2)
    assert not is_journal({}, 2)
    assert not is_journal({"JOURNAL_STREAM": "1:2"}, 9999)


def test_the_loops_own_complaints_are_lines_too(file: Path) -> None:
    async def complain() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "it broke"})

    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    configure("info", "logfmt", descriptor)
    asyncio.run(complain())
    close()
    os.close(descriptor)
    assert 'event="it broke" logger=asyncio' in file.read_text()
