"""Owns the lab's fixtures: one lab for the session, all well again after each test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .lab import built_lab, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab

HERE = Path(__file__).parent


TIMEOUT = 60
"""Seconds for one test, without the building of the lab, which may have to wait for another run to end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test below this directory; with pytest-xdist, all of them run in one worker."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.lab)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT, func_only=True))
            if config.pluginmanager.hasplugin("xdist"):
                item.add_marker(pytest.mark.xdist_group("lab"))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Return the lab, with one school on which all is well. Where it cannot be built the test fails, it never skips."""
    if reason := missing():
        pytest.fail(reason, pytrace=False)
    with built_lab() as built:
        yield built


@pytest.fixture(autouse=True)
def _all_well(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make all well again after each test that used the lab."""
    yield
    if "lab" in request.fixturenames:
        built: Lab = request.getfixturevalue("lab")
        built.reset()
