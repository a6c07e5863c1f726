"""The Containerfile where no container can be built: looked at by hadolint, and its steps run one by one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
CONTAINERFILE = PROJECT / "deploy/container/Containerfile"


def instructions() -> list[tuple[str, str]]:
    """Return the instructions in order, each with what it says, on one line."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", "")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def run(*command: str | Path, directory: Path = PROJECT, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.timeout(180, func_only=True)
def test_hadolint_is_content(tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path)
    pip = (sys.executable, "-m", "pip", "--python", tmp_path / "bin/python", "install", "-qq", "--no-deps")
    run(*pip, "--require-hashes", "--requirement", CONTAINERFILE.with_name("requirements.lock"))
    assert run(tmp_path / "bin/hadolint", CONTAINERFILE) == ""


def test_it_runs_without_privileges_and_tells_its_health() -> None:
    final = instructions()
    final = final[max(number for number, (word, _) in enumerate(final) if word == "FROM") :]
    said = dict(final)
    assert said["USER"] == "10052:10052"
    assert "/-/healthy" in said["HEALTHCHECK"]
    assert said["VOLUME"] == '["/var/lib/portwatchd"]'


@pytest.mark.timeout(240, func_only=True)
def test_the_steps_of_the_build_make_a_program_that_runs(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()

    def moved(text: str) -> str:
        return re.sub(r"(?<![\w.])(/build|/opt/portwatchd)\b", lambda found: f"{tmp_path}{found[1]}", text)

    environment: dict[str, str] = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for word, rest in instructions()[1:]:
        if word == "FROM":
            break
        if word == "ENV":
            environment |= dict(pair.split("=", 1) for pair in rest.split())
        elif word == "COPY":
            *names, where = rest.split()
            target = (source / moved(where)).resolve()
            for name in names:
                origin = PROJECT / name
                if origin.is_dir():
                    shutil.copytree(origin, target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(origin, target)
        elif word == "RUN":
            run("sh", "-c", moved(rest), directory=source, **environment)
    program = tmp_path / "opt/portwatchd/bin/portwatchd"
    assert run(program, "--version").startswith("portwatchd ")
    assert "iserv-sh" in run(program, "config", "profiles")
    assert not list(tmp_path.glob("opt/portwatchd/lib/python3.*/site-packages/hatchling"))
