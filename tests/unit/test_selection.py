from pathlib import Path

import pytest

from portwatchd.model import Family
from portwatchd.selection import UsageError, Wanted, select

CONFIG = """
global: {families: [ipv4]}
schools:
- {name: a, host: a.example.org}
- {name: b, host: 203.0.113.7, server_name: b.example.org, profile: iserv-sh}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "schools.yml"
    path.write_text(CONFIG)
    return path


def test_hosts_become_schools_with_the_defaults() -> None:
    schools, config = select(Wanted(names=("a.example.org.", "2001:0DB8::1", "a.example.org.")))
    assert [(s.name, s.host, s.server_name, s.profile.name) for s in schools] == [
        ("a.example.org.", "a.example.org.", "a.example.org", "iserv"),
        ("2001:db8::1", "2001:db8::1", "", "iserv"),
    ]
    assert config.families == (Family.IPV4, Family.IPV6)
    assert config.storage_path is None


def test_a_family_and_a_profile_are_taken() -> None:
    schools, config = select(Wanted(names=("a.example.org",), family="ipv6", profile="iserv-sh"))
    assert config.families == (Family.IPV6,)
    assert schools[0].profile.name == "iserv-sh"


def test_all_schools_of_a_configuration_or_those_named(file: Path) -> None:
    schools, config = select(Wanted(names=(), config_file=file))
    assert [school.name for school in schools] == ["a", "b"]
    assert schools == config.schools
    schools, _ = select(Wanted(names=("b", "b"), config_file=file))
    assert [school.name for school in schools] == ["b"]


def test_a_family_that_the_configuration_leaves_out(file: Path) -> None:
    with pytest.raises(UsageError) as caught:
        select(Wanted(names=(), config_file=file, family="ipv6"))
    assert caught.value.problems == ("portwatchd check: --family=ipv6: the configuration leaves only ipv4",)


def test_discovered_schools_are_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "sd.yml"
    path.write_text("file_sd_configs: [{files: [t.json]}]\n")
    with pytest.raises(UsageError) as caught:
        select(Wanted(names=(), config_file=path))
    assert caught.value.problems == (f"portwatchd check: {path}: its discoveries find no school",)
    (tmp_path / "t.json").write_text('[{"targets": ["a.example.org", "b.example.org:443"]}]')
    schools, config = select(Wanted(names=(), config_file=path))
    assert [school.name for school in schools] == ["a.example.org", "b.example.org"]
    assert config.schools == schools


def test_a_list_that_cannot_be_read_is_told_unless_the_schools_are_known_without_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"{CONFIG}\nfile_sd_configs: [{{files: [t.json, u.yml]}}]\n")
    (file.parent / "t.json").write_text("[")
    (file.parent / "u.yml").write_text("- targets: [http://c/]")
    with pytest.raises(UsageError) as caught:
        select(Wanted(names=(), config_file=file))
    assert "t.json: line 1: is not JSON" in caught.value.problems[0]
    assert [school.name for school in select(Wanted(names=("b",), config_file=file))[0]] == ["b"]
    assert "target 'http://c/'" in capsys.readouterr().err
