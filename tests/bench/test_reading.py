"""What the bench reads of /metrics and /proc, and what it asks blackbox_exporter."""

import os
import time
from pathlib import Path

import pytest

from portwatchd.model import Protocol
from tests.bench.blackbox import DIALOGUES, asks, modules
from tests.bench.blocks import Kind, services
from tests.bench.machine import cpu_seconds, description, resident_mib
from tests.bench.scraping import gained, label, of, parse, quantile, worst

HISTOGRAM = 'h_bucket{{le="1.0"}} {}\nh_bucket{{le="3.0"}} {}\nh_bucket{{le="+Inf"}} {}\n'
BEFORE = parse('# TYPE x counter\nx{a="1"} 2\nx{a="2"} 3\nxy 9\n' + HISTOGRAM.format(1, 1, 1))
AFTER = parse('x{a="1"} 4\nx{a="2"} 3.5\n' + HISTOGRAM.format(9, 11, 11))


def test_samples_are_read_by_name() -> None:
    assert [label(key, "a") for key, _ in of(BEFORE, "x")] == ["1", "2"]
    assert gained(BEFORE, AFTER, "x") == 2.5


@pytest.mark.parametrize(("share", "seconds"), [(0.4, 0.5), (0.8, 1.0), (0.9, 2.0), (1.0, 3.0)])
def test_a_quantile_lies_within_its_bucket(share: float, seconds: float) -> None:
    assert quantile(BEFORE, AFTER, "h", share) == pytest.approx(seconds)


def test_a_quantile_beyond_every_bound_is_the_last_of_them() -> None:
    beyond = parse(HISTOGRAM.format(0, 0, 2))
    assert quantile({}, beyond, "h", 0.5) == 3.0


def test_a_quantile_of_nothing_is_nought() -> None:
    assert quantile(AFTER, AFTER, "h", 0.99) == 0.0


def test_the_worst_of_a_share() -> None:
    assert worst(range(100), 0.99) == 99
    assert worst([3.0, 1.0, 2.0], 0.5) == 2.0


def test_a_process_is_read() -> None:
    before, until = cpu_seconds(os.getpid()), time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert 0.03 <= cpu_seconds(os.getpid()) - before < 1
    assert 10 < resident_mib(os.getpid()) < 10_000
    assert "cores" in description()


def test_every_service_is_asked_once_and_a_range_twice() -> None:
    rows = services(Kind.WELL)
    wanted = [ask.module for ask in asks(rows, "127.0.0.1")]
    assert len(rows) == 13
    assert len(wanted) == 14
    assert wanted.count(Protocol.RANGE) == 2


def test_a_module_for_every_protocol_and_every_certificate_verified() -> None:
    made = modules(Path("ca.pem"))
    assert made.keys() == set(Protocol)
    assert DIALOGUES.keys() == set(Protocol) - {Protocol.HTTP, Protocol.HTTPS}
    assert "insecure" not in str(made)
