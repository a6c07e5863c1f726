"""The contracts of pyproject.toml: the data walks one way, and only named rooms do I/O."""

import subprocess
import sysconfig
from pathlib import Path

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
LINT_IMPORTS = Path(sysconfig.get_path("scripts")) / "lint-imports"


def test_every_import_keeps_the_contracts() -> None:
    """In a process of its own: it switches off every logger that is there already."""
    command: list[str | Path] = [LINT_IMPORTS, "--no-cache", "--config", PROJECT]
    done = subprocess.run(command, cwd=PROJECT.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
