"""The command line as a shell sees it: statuses, what is on which stream, and never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portwatchd import __version__
from portwatchd.cli import exit_status, main
from portwatchd.model import DiagnosisKind
from portwatchd.options import DEFAULT_LISTEN_ADDRESS, ListenAddress, listen_address
from tests.unit.reports import report

ROOT = Path(__file__).parents[2]
PROGRAM = f"{sys.executable} -m portwatchd"
GOOD = "schools: [{name: gym-nord, host: gym-nord.example.org}, {name: gs-sued, host: 203.0.113.7}]\n"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `portwatchd` is the program."""
    return subprocess.run(
        ["bash", "-c", f'portwatchd() {{ {PROGRAM} "$@"; }}; {line}'],
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "schools.yml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "required: COMMAND"),
        ("chekc", "invalid choice: 'chekc'"),
        ("run", "required: --config.file"),
        ("run --config.file=/none/x.yml --web.listen-address=10052", "no HOST:PORT"),
        ("run --config.file=/none/x.yml --log.format=xml", "invalid choice: 'xml'"),
        ("run --config.file=/none/x.yml --web.config.fil=y", "unrecognized arguments: --web.config.fil=y"),
        ("run --config.file=/none/x.yml", "/none/x.yml: cannot be read: No such file or directory"),
        ("run --config.file=/none/x.yml --shard=1", "--shard=N and --total-shards=M stand together"),
        ("run --config.file=/none/x.yml --shard=3 --total-shards=3", "N from 0 up to M-1"),
        ("run --config.file=/none/x.yml --shard=-1 --total-shards=3", "N from 0 up to M-1"),
        ("run --conf=/none/x.yml", "required: --config.file"),
        ("check", "portwatchd check: name a HOST, or a configuration with --config.file=PATH"),
        ("check https://school.example.org/", "is a URL: write only the host"),
        ("check school.example.org:25", "has a port: write only the host, 'school.example.org'"),
        ("check '[2001:db8::1]:25'", "without brackets and port"),
        ("check ''", "a host cannot be empty"),
        ("check sch_ule", "neither a host name nor an IP address"),
        ("check schule-köln.de", "write xn--schule-kln-lcb.de"),
        ("check a.example --profile=iservx", "there is no 'iservx', there are iserv iserv-sh"),
        ("check a.example --family=ipv5", "invalid choice: 'ipv5'"),
        ("check 192.0.2.1 --family=ipv6", "192.0.2.1 cannot be checked with --family=ipv6"),
        ("check a.example --lang=fr", "invalid choice: 'fr'"),
        ("check a.example --tls.ca-file=/none", "--tls.ca-file: /none: No such file or directory"),
        ("check a.example --tls.ca-file=/etc/passwd", "holds no certificates in PEM form"),
        ("check a.example --jsn", "unrecognized arguments: --jsn"),
        ("check --config.file=/none/x.yml", "/none/x.yml: cannot be read"),
        ("check x --config.file=/none/x.yml --profile=iserv", "names the profile of each school itself"),
        ("config", "required: COMMAND"),
        ("config check", "required: PATH"),
        ("config check /none/x.yml", "/none/x.yml: cannot be read"),
        ("config show /none/x.yml", "/none/x.yml: cannot be read"),
        ("demo now", "unrecognized arguments: now"),
    ],
)
def test_wrong_use_is_told_on_standard_error_with_status_2(arguments: str, said: str) -> None:
    done = shell(f"portwatchd {arguments}")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


def test_every_bad_host_is_named_one_a_line() -> None:
    done = shell("portwatchd check http://a b:25 c..d --profile=none")
    assert done.returncode == 2
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == ["portwatchd check"] * 4


def test_hosts_may_stand_behind_options() -> None:
    done = shell("portwatchd check a:1 --json b:2 --lang=de c:3")
    assert len(done.stderr.splitlines()) == 3


def test_every_problem_of_a_configuration_is_one_line_with_its_place(config: Path) -> None:
    config.write_text("schools:\n- {name: a, host: 'http://a'}\n- {name: a, hots: b}\n")
    done = shell(f"portwatchd config check {config}")
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert len(lines) >= 3
    assert all(line.startswith(f"{config}:") for line in lines)


def test_a_school_that_the_configuration_does_not_have(config: Path) -> None:
    done = shell(f"portwatchd check --config.file={config} gym-nort")
    assert done.stderr == f"portwatchd check: {config} has no school 'gym-nort'; did you mean 'gym-nord'?\n"
    assert done.returncode == 2


def test_a_good_configuration(config: Path) -> None:
    done = shell(f"portwatchd config check {config}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{config}: 2 schools")
    shown = shell(f"portwatchd config show {config}")
    assert "gs-sued" in shown.stdout
    config.write_text(shown.stdout)
    assert shell(f"portwatchd config show {config}").stdout == shown.stdout


def test_the_built_in_profiles_in_both_languages() -> None:
    german = shell("portwatchd config profiles", LC_ALL="", LC_MESSAGES="", LANG="de_DE.UTF-8")
    assert "Die Schule empfängt keine E-Mails." in german.stdout
    assert "The school receives no mail." in shell("portwatchd config profiles --lang=en", LANG="de_DE.UTF-8").stdout


def test_version_and_help() -> None:
    assert shell("portwatchd --version").stdout == f"portwatchd {__version__}\n"
    help_text = shell("portwatchd check --help")
    assert (help_text.returncode, help_text.stderr) == (0, "")
    assert "exit status" in help_text.stdout


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("portwatchd config profiles | true; exit ${PIPESTATUS[0]}", 141),
        ("portwatchd --help | true; exit ${PIPESTATUS[0]}", None),
        ("portwatchd config profiles >&-", 0),
        ("portwatchd config profiles >&- 2>&- <&-", 0),
        ("portwatchd config check /none 2>&-", 2),
    ],
)
def test_closed_streams_are_met_quietly(line: str, status: int | None) -> None:
    done = shell(line)
    assert done.stderr == ""
    assert status is None or done.returncode == status


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_told_in_one_line() -> None:
    done = shell("portwatchd config profiles > /dev/full")
    assert done.stderr == "portwatchd: the output cannot be written: No space left on device\n"
    assert done.returncode == 2


def test_an_encoding_without_umlauts_is_no_error() -> None:
    done = shell("portwatchd config profiles --lang=de", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"empf\xe4ngt" in done.stdout


CLOSED = """
global: {confirm: {attempts: 0}, families: [ipv4]}
storage: {path: null}
profiles: {one: {services: {tcpmux: {port: 1, protocol: tcp}}}}
schools: [{name: gym-nord, host: 127.0.0.1, profile: one}]
"""


@pytest.mark.parametrize("options", ["--json", "--lang=de"])
def test_a_check_of_a_closed_port_is_a_loss_and_leaves_standard_error_empty(config: Path, options: str) -> None:
    config.write_text(CLOSED)
    done = shell(f"portwatchd check --config.file={config} gym-nord --watch-only {options}")
    assert (done.returncode, done.stderr) == (1, "")
    assert "\x1b" not in done.stdout
    if options == "--json":
        (school,) = json.loads(done.stdout)
        assert {"diagnosis", "summary", "remedy", "addresses", "ports"} <= set(school)
    else:
        assert "Was zu tun ist:" in done.stdout


def test_main_takes_arguments(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(config)]) == 0
    assert "2 schools" in capsys.readouterr().out
    assert main(["config"]) == 2


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ([DiagnosisKind.OK], 0),
        ([DiagnosisKind.OK, DiagnosisKind.OK], 0),
        ([DiagnosisKind.UNKNOWN, DiagnosisKind.OK], 3),
        ([DiagnosisKind.UNKNOWN, DiagnosisKind.FORWARDS_LOST, DiagnosisKind.OK], 1),
        *(([kind], 1) for kind in DiagnosisKind if kind not in {DiagnosisKind.OK, DiagnosisKind.UNKNOWN}),
    ],
)
def test_a_loss_outweighs_what_could_not_be_judged(kinds: list[DiagnosisKind], status: int) -> None:
    assert exit_status([report(kind) for kind in kinds]) == status


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:10052", "127.0.0.1", 10052),
        (":9100", "", 9100),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("[::]:80", "::", 80),
        ("[2001:db8::1]:443", "2001:db8::1", 443),
        ("localhost:0", "localhost", 0),
        ("monitor.example.org:65535", "monitor.example.org", 65535),
        (str(DEFAULT_LISTEN_ADDRESS), "127.0.0.1", 10052),
        ("127.0.0.1:10100+0", "127.0.0.1", 10100),
        ("127.0.0.1:10100+12", "127.0.0.1", 10112),
        ("[::1]:10100+999", "::1", 11099),
    ],
)
def test_listen_addresses(text: str, host: str, port: int) -> None:
    assert listen_address(text) == ListenAddress(host, port)
    assert listen_address(str(listen_address(text))) == ListenAddress(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "80",
        "a",
        "a:",
        "a:b",
        "::1:80",
        "[::1]",
        "[x]:80",
        "1.2.3:80",
        "a:70000",
        "-a:80",
        "a:٣",
        "a:65000+999",
        "a:1+",
        "a:+1",
    ],
)
def test_bad_listen_addresses(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no |neither|does not appear|letters"):
        listen_address(text)


def test_a_collector_of_json_gets_each_mistake_at_the_start_as_json(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("schools:\n  - {name: gym-nord, hst: a.example.org}\nglobal: {interval: soon}\n")
    (tmp_path / "good.yml").write_text(f"storage: {{path: null}}\n{GOOD}")
    (tmp_path / "web.yml").write_text("basic_auth_users:\n  alice: secret\n")
    run = "portwatchd run --log.format=json --web.listen-address=127.0.0.1:0"

    def told(options: str) -> list[tuple[object, ...]]:
        done = shell(f"cd {tmp_path}; {run} {options}")
        assert (done.returncode, done.stdout) == (2, "")
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        assert all(line["level"] == "error" and line["ts"] and line["reason"] for line in lines)
        return [(line["event"], line.get("file"), line.get("line"), line.get("key")) for line in lines]

    refused = "configuration refused"
    assert sorted(told("--config.file=bad.yml"), key=str) == [
        (refused, "bad.yml", 2, "schools[0].host"),
        (refused, "bad.yml", 2, "schools[0].hst"),
        (refused, "bad.yml", 3, "global.interval"),
    ]
    assert told("--config.file=gone.yml") == [(refused, "gone.yml", None, None)]
    assert told("--config.file=good.yml --web.config.file=web.yml") == [
        (refused, "web.yml", 2, "basic_auth_users.alice")
    ]
    assert told("--config.file=good.yml --shard=3") == [("cannot start", None, None, None)]
    assert told("--config.file=good.yml --web.listen-address=192.0.2.1:1") == [("cannot start", None, None, None)]


def test_a_person_reads_the_mistakes_at_the_start_in_plain(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("global: {interval: soon}\n")
    done = shell(f"portwatchd run --config.file={tmp_path / 'bad.yml'}")
    assert done.returncode == 2
    assert done.stderr.startswith(f"{tmp_path / 'bad.yml'}:1: global.interval: ")
