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


def test_a_configuration_of_discoveries_alone_has_nothing_to_check(tmp_path: Path) -> None:
    path = tmp_path / "sd.yml"
    path.write_text("file_sd_configs: [{files: [t.json]}]\n")
    with pytest.raises(UsageError) as caught:
        select(Wanted(names=(), config_file=path))
    assert "discovered ones are not checked" in caught.value.problems[0]
