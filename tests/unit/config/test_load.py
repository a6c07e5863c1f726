"""Good configurations: defaults, every key, files of schools, and what is fitted to what."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
import trustme

from portwatchd.config import Config, ConfigError, Endpoint, FileSd, HttpSd, LatencyHistograms, load
from portwatchd.model import Family

GOOD = Path(__file__).parents[2] / "config" / "good"
SCHOOL = "schools: [{name: a, host: a.example.org}]\n"


def loaded(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "portwatchd.yml"
    path.write_text(text)
    return load(path)


@pytest.mark.parametrize("path", sorted(GOOD.glob("*.yml")), ids=lambda path: path.stem)
def test_each_good_file_loads(path: Path) -> None:
    assert load(path).schools


def test_a_file_that_says_nothing_has_the_defaults_of_the_interface(tmp_path: Path) -> None:
    config = loaded(tmp_path, SCHOOL + "global:\nmonitor: {}\n")
    assert config.interval == 60
    assert config.audit_interval == 15 * 60
    assert config.connect_timeout == 5
    assert config.timeout == 15
    assert config.concurrency == 512
    assert config.school_concurrency == 4
    assert (config.confirm_attempts, config.confirm_spacing) == (3, 5)
    assert config.families == (Family.IPV4, Family.IPV6)
    assert config.latency_histograms is LatencyHistograms.SERVICE
    assert config.canaries == ()
    assert config.controls == {}
    assert config.isolated_above == 0.5
    assert config.ca_file is None
    assert config.storage_path == Path("portwatchd.db")
    assert config.retention == 400 * 86_400
    assert list(config.profiles) == ["iserv", "iserv-sh"]
    assert config.sources == (tmp_path / "portwatchd.yml",)


def test_the_whole_interface_is_read() -> None:
    config = load(GOOD / "whole.yml")
    assert config.canaries == (Endpoint("192.0.2.10", 443), Endpoint("2001:db8::1", 443))
    assert config.controls == {25: Endpoint("mail.example.org", 25)}
    assert config.file_sd_configs == (FileSd((GOOD / "targets/*.json",), 300),)
    assert config.http_sd_configs == (HttpSd("https://cmdb.example.org/schools", 60),)
    assert [school.name for school in config.schools] == [
        *("gym-nord", "gs-sued", "bs-west", "no", "Gemeinschaftsschule Süd", "on", "csv-eins", "csv, zwei")
    ]
    assert config.sources == tuple(
        GOOD / name for name in ("whole.yml", "schools.d/list.yml", "schools.d/mapping.yml", "schools.csv")
    )


def test_the_configuration_is_frozen(tmp_path: Path) -> None:
    config = loaded(tmp_path, SCHOOL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.interval = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.profiles["x"] = config.profiles["iserv"]  # type: ignore[index]


def test_a_connect_timeout_that_is_not_given_is_fitted_to_the_timeout(tmp_path: Path) -> None:
    short = loaded(tmp_path, SCHOOL + "global: {interval: 2s, timeout: 3s}\n")
    assert (short.timeout, short.connect_timeout) == (3, 3)
    long = loaded(tmp_path, SCHOOL + "global: {interval: 1h}\n")
    assert (long.audit_interval, long.timeout, long.connect_timeout) == (900, 15, 5)


@pytest.mark.parametrize("written", ["null", "~", ""])
def test_storage_can_be_switched_off(tmp_path: Path, written: str) -> None:
    assert loaded(tmp_path, SCHOOL + f"storage:\n  path: {written}\n").storage_path is None


def test_authorities_are_found_beside_the_configuration(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "school-ca.pem"))
    config = loaded(tmp_path, SCHOOL + "tls: {ca_file: school-ca.pem}\n")
    assert config.ca_file == tmp_path / "school-ca.pem"
    assert config.ca_file in config.sources


def test_discovery_alone_is_enough(tmp_path: Path) -> None:
    assert loaded(tmp_path, "file_sd_configs: [{files: [targets/*.json]}]\n").schools == ()
    assert loaded(tmp_path, "http_sd_configs: [{url: 'http://127.0.0.1:8000/sd'}]\n").schools == ()


def test_a_pattern_without_files_is_no_problem(tmp_path: Path) -> None:
    assert len(loaded(tmp_path, SCHOOL + "school_files: ['schools.d/*.yml']\n").schools) == 1


def test_a_pattern_reads_no_file_twice_and_not_the_configuration_itself(tmp_path: Path) -> None:
    (tmp_path / "more.yml").write_text("[{name: b, host: b.example.org}]")
    config = loaded(tmp_path, SCHOOL + "school_files: ['*.yml', more.yml, ./more.yml]\n")
    assert [school.name for school in config.schools] == ["a", "b"]


def test_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "one.yml").write_text("[{name: b}]")
    (tmp_path / "two.csv").write_text("name,host\nc,c:1\n")
    (tmp_path / "three.yml").write_text("[")
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, "global: {interval: 0s}\nschool_files: [one.yml, two.csv, three.yml]\n")
    assert [Path(problem.file).name for problem in caught.value.problems] == [
        *("portwatchd.yml", "one.yml", "two.csv", "three.yml")
    ]


@pytest.mark.timeout(60)
def test_ten_thousand_schools_take_seconds(tmp_path: Path) -> None:
    rows = "".join(
        f"  - {{name: school-{n}, host: school-{n}.example.org, profile: iserv, labels: {{district: d{n % 20}}}}}\n"
        for n in range(10_000)
    )
    started = time.process_time()
    assert len(loaded(tmp_path, "schools:\n" + rows).schools) == 10_000
    assert time.process_time() - started < 6
