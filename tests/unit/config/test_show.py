"""A configuration as people read it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from portwatchd.config import Config, built_in_profiles, describe, effective, load, profiles_table

GOOD = Path(__file__).parents[2] / "config" / "good"


@pytest.mark.parametrize("path", sorted(GOOD.glob("*.yml")), ids=lambda path: path.stem)
def test_what_is_shown_loads_as_the_same_in_any_place(path: Path, tmp_path: Path) -> None:
    config = load(path)
    shown = tmp_path / "shown.yml"
    shown.write_text(effective(config))
    again = load(shown)
    files = tuple(dataclasses.replace(sd, files=tuple(f.absolute() for f in sd.files)) for sd in config.file_sd_configs)
    assert again == dataclasses.replace(config, sources=(shown,), file_sd_configs=files)


def test_defaults_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "portwatchd.yml"
    path.write_text("schools: [{name: 'no', host: a.example.org}]\n")
    text = effective(load(path))
    assert "interval: 1m\n" in text
    assert "- name: 'no'\n  host: a.example.org\n  server_name: a.example.org\n  profile: iserv\n" in text


def test_a_configuration_in_one_sentence() -> None:
    assert describe(load(GOOD / "whole.yml")) == (
        "8 schools (iserv 5, iserv-sh 2, ours 1) from 4 files, and those that 2 discoveries find; "
        "watched every 1m, audited every 15m"
    )
    assert describe(Config(sources=(Path("x"),))) == "0 schools from 1 file; watched every 1m, audited every 15m"


def test_the_table_of_profiles_names_every_service() -> None:
    profiles = built_in_profiles()
    lines = profiles_table(profiles).splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == ["iserv", "iserv-sh"]
    assert sum(line.startswith("  ") for line in lines) == 2 + sum(len(p.services) for p in profiles.values())
    assert "  ftp-data     63000-63099  range     yes" in profiles_table(profiles)
    assert "Die Schule empfängt keine E-Mails." in profiles_table(profiles, "de")
