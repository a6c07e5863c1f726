# noqa: INP001 - a script of build.sh
"""Removes from a site-packages what portwatchd does not need at run time: the build's tools, sources, foreign tests."""

import re
import shutil
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement

SOURCES = {".c", ".cpp", ".h", ".pxd", ".pxi", ".pyx", ".pyi"}


def plain(name: str) -> str:
    """Return a distribution's name as all spellings of it have in common."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(installed: dict[str, Distribution]) -> set[str]:
    """Return the distributions that portwatchd needs, and those that they need."""
    names, waiting = set[str](), ["portwatchd"]
    while waiting:
        name = waiting.pop()
        if name in names:
            continue
        names.add(name)
        requirements = [Requirement(text) for text in installed[name].requires or ()]
        wanted = (plain(one.name) for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""}))
        waiting += wanted
    return names


def prune(site: Path) -> None:
    """Remove what is not needed."""
    installed = {plain(one.name): one for one in distributions(path=[str(site)])}
    for name in installed.keys() - needed(installed):
        for file in installed[name].files or ():
            site.joinpath(file).unlink(missing_ok=True)
    for path in sorted(site.rglob("*"), reverse=True):
        if path.is_dir() and path.name in {"tests", "__pycache__"}:
            shutil.rmtree(path)
        elif path.is_file() and (
            path.suffix in SOURCES
            or path.name.startswith("_testcapi.")
            or path.name in {"RECORD", "INSTALLER", "REQUESTED"}
        ):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


prune(Path(sys.argv[1]))
