"""What holds for every test: hypothesis has no deadline of its own, and `--no-skips` turns a skip into a failure."""

import asyncio
from collections.abc import Generator

import pytest
from hypothesis import settings

# pytest-timeout is the one deadline; a slow machine must not turn a property into a failure.
settings.register_profile("portwatchd", deadline=None)
settings.load_profile("portwatchd")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a test that skips itself fails: everything must run here")


def pytest_configure() -> None:
    # Until somebody has said "no loop", pytest-asyncio's look at the current loop makes one that nobody closes.
    asyncio.set_event_loop(None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.config.getoption("--no-skips") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but every test must run here: {report.longreprtext}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if collector.config.getoption("--no-skips") and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, but every test must run here: {report.longreprtext}"
    return report
