"""The contracts of pyproject.toml: the data walks one way, and only named rooms do I/O."""

from pathlib import Path

import pytest
from importlinter.cli import lint_imports

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_every_import_keeps_the_contracts(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(PROJECT), no_cache=True)
    assert status == 0, capsys.readouterr().out
