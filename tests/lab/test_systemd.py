"""The Debian package on a machine with its own systemd: installed, watched over, reloaded, hung, restarted, removed.

The tests share one machine and run in the order in which they stand here.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from .ansible import COLLECTION, Ansible
from .machine import Machine, booted, chroot, make_root, room, until

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
SERVICE = "portwatchd.service"
WORST_EXPOSURE = 1.5
HEADERS = "import urllib.request as ask; print(ask.urlopen('http://127.0.0.1:10052/', timeout=10).headers)"
PATIENCE = 4
"""Seconds without a life sign until the manager ends the daemon; the unit's own 60 are too long for a test."""
MACHINE_BYTES = 1 << 30
SCHOOLS_UNIT = """
[Unit]
Before=portwatchd.service
[Service]
Type=notify
ExecStart=/usr/lib/portwatchd/bin/python3 -P /usr/local/lib/fake_schools.py
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture(scope="module")
def package() -> Path:
    """Build the package as a user does."""
    made = subprocess.run(["make", "deb"], cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return PROJECT / made.splitlines()[-1]


@pytest.fixture(scope="module")
def root(package: Path) -> Iterator[Path]:
    """Make a Debian machine, and install the package in it while it is not running, as an image is built."""
    with tempfile.TemporaryDirectory(prefix="portwatchd-machine-", dir=room(MACHINE_BYTES)) as directory:
        root = Path(directory, "root")
        make_root(root)
        shutil.copy(package, root / "portwatchd.deb")
        chroot(root, "dpkg", "--install", "/portwatchd.deb")
        yield root


@pytest.fixture(scope="module")
def ansible() -> Iterator[Ansible]:
    """Return ansible in a virtual environment of Debian's Python, which the other machine has too."""
    with tempfile.TemporaryDirectory(prefix="portwatchd-ansible-", dir=room(MACHINE_BYTES)) as directory:
        yield Ansible.install(Path(directory))


@pytest.fixture(scope="module")
def machine(root: Path, package: Path, ansible: Ansible) -> Iterator[Machine]:
    """Boot the machine, with simulated schools in it."""
    shutil.copy(Path(__file__).with_name("fake_schools.py"), root / "usr/local/lib")
    units = root / "etc/systemd/system"
    (units / "fake-schools.service").write_text(SCHOOLS_UNIT)
    (units / f"{SERVICE}.d").mkdir()
    (units / f"{SERVICE}.d/test.conf").write_text(f"[Service]\nWatchdogSec={PATIENCE}s\nRestartSec=100ms\n")
    chroot(root, "systemctl", "enable", "fake-schools.service")
    shown = (ansible.home, COLLECTION, package)
    with booted(root, *(f"--bind-ro={path}" for path in shown)) as machine:
        yield machine


def judged(machine: Machine) -> None:
    """Return when both schools have been diagnosed."""
    until(lambda: machine.school("gym-nord")["diagnosis"] == "ok", 45)
    until(lambda: machine.school("rs-west")["diagnosis"] == "services_down", 45)


@pytest.mark.timeout(240, func_only=True)
def test_lintian_has_no_error(package: Path) -> None:
    command = ["lintian", "--allow-root", "--fail-on=error", str(package)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False, text=True)
    assert done.returncode == 0, done.stdout


def test_the_package_tells_nothing_of_where_it_was_built(root: Path) -> None:
    installed = chroot(root, "dpkg", "--listfiles", "portwatchd").splitlines()
    files = [root / name[1:] for name in installed if (root / name[1:]).is_file() and "bin/python" not in name]
    assert len(files) > 500
    assert [file for file in files if str(PROJECT).encode() in file.read_bytes()] == []
    assert [name for name in installed if name.endswith("direct_url.json")] == []


def test_the_package_leaves_out_what_only_its_building_needs(root: Path) -> None:
    site = root / "usr/lib/portwatchd/lib/python3.11/site-packages"
    assert not list(site.glob("hatchling*"))
    assert not list(site.glob("pip*"))
    assert (site / "portwatchd/profiles/iserv.yml").exists()
    assert chroot(root, "portwatchd", "config", "check", "/etc/portwatchd/portwatchd.yml").endswith("every 15m\n")


def test_the_configuration_says_where_the_history_is(root: Path) -> None:
    shown = chroot(root, "portwatchd", "config", "show", "/etc/portwatchd/portwatchd.yml")
    assert "path: /var/lib/portwatchd/portwatchd.db" in shown


def _texts(folder: Path) -> dict[str, str]:
    """Return the text of each file in a folder and those within it."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_alerts_dashboards_and_runbooks_come_along(root: Path) -> None:
    share, runbooks = root / "usr/share/portwatchd", root / "usr/share/doc/portwatchd/runbooks"
    rules = share / "prometheus/portwatch.rules.yml"
    subprocess.run(["promtool", "check", "rules", rules], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        ["promtool", "check", "config", share / "prometheus/prometheus.yml"], check=True, stdout=subprocess.DEVNULL
    )
    assert (share / "alertmanager/alertmanager.yml").exists()
    for folder in ("dashboards", "provisioning", "quorum"):
        there, here = share / "grafana" / folder, PROJECT / "grafana" / folder
        assert _texts(there) == _texts(here) != {}
    named = set(re.findall(r"runbooks/(\w+\.md)", rules.read_text()))
    assert named - {page.name for page in runbooks.iterdir()} == set()


def test_the_configuration_is_not_for_everybodys_eyes(root: Path) -> None:
    seen = chroot(root, "stat", "--format=%U %G %a", "/etc/portwatchd/portwatchd.yml")
    assert seen == "root portwatchd 640\n"


def test_the_units_are_sound_and_confined(root: Path) -> None:
    units = ["portwatchd.service", "portwatchd@0.service", "portwatchd.socket"]
    assert chroot(root, "systemd-analyze", "verify", "--man=no", *units) == ""
    for unit in units[:2]:
        said = chroot(root, "systemd-analyze", "security", "--offline=true", "--no-pager", unit)
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
        assert found, said
        assert float(found[1]) <= WORST_EXPOSURE


def test_shards_are_confined_as_the_whole(root: Path) -> None:
    whole, shard = (
        (root / "lib/systemd/system" / name).read_text().partition("ConfigurationDirectory=")[2]
        for name in ("portwatchd.service", "portwatchd@.service")
    )
    assert whole == shard != ""


def test_the_service_is_ready_and_watches(machine: Machine) -> None:
    until(lambda: machine.show(SERVICE, "ActiveState") == "active", 30)
    judged(machine)
    until(lambda: machine.show(SERVICE, "StatusText") == "watching 2 schools: 1 ok, 1 services_down", 15)
    assert machine.show(SERVICE, "NRestarts") == "0"
    assert "process_open_fds" in machine.get("/metrics")
    assert "portwatch_storage_ok 1" in machine.get("/metrics")


def test_the_process_has_no_privilege(machine: Machine) -> None:
    status = machine.run("cat", f"/proc/{machine.show(SERVICE, 'MainPID')}/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    assert facts["Uid"].split()[0] == machine.run("id", "--user", "portwatchd").strip() != "0"


def test_a_reload_takes_effect_and_a_bad_file_does_not(machine: Machine) -> None:
    process = machine.show(SERVICE, "MainPID")
    since = machine.school("gym-nord")["since"]
    machine.run("sed", "--in-place=.whole", "s/interval: 5s/interval: 7s/", "/etc/portwatchd/portwatchd.yml")
    machine.run("systemctl", "reload", SERVICE)
    until(lambda: "configuration read" in machine.journal(SERVICE), 10)
    machine.run("sed", "--in-place", "s/interval:/intervall:/", "/etc/portwatchd/portwatchd.yml")
    machine.run("systemctl", "reload", SERVICE)
    until(lambda: "configuration refused" in machine.journal(SERVICE), 10)
    assert "portwatch_config_last_reload_successful 0" in machine.get("/metrics")
    machine.run("mv", "/etc/portwatchd/portwatchd.yml.whole", "/etc/portwatchd/portwatchd.yml")
    machine.run("chmod", "644", "/etc/portwatchd/portwatchd.yml")
    machine.run("systemctl", "reload", SERVICE)
    until(lambda: "portwatch_config_last_reload_successful 1" in machine.get("/metrics"), 10)
    until(lambda: machine.show(SERVICE, "ActiveState") == "active", 10)
    assert machine.show(SERVICE, "MainPID") == process
    assert machine.school("gym-nord")["since"] == since


def test_a_hung_daemon_is_ended_and_comes_back_with_its_memory(machine: Machine) -> None:
    judged(machine)
    process, since = machine.show(SERVICE, "MainPID"), machine.school("rs-west")["since"]
    machine.run("kill", "-STOP", process)
    until(lambda: machine.show(SERVICE, "NRestarts") == "1", 30)
    said = machine.journal(SERVICE)
    assert "Watchdog timeout" in said
    assert "Fatal Python error: Aborted" in said, "the journal shows where it hung"
    until(lambda: machine.show(SERVICE, "ActiveState") == "active", 30)
    assert machine.show(SERVICE, "MainPID") != process
    judged(machine)
    assert machine.school("rs-west")["since"] == since


def test_it_stops_cleanly_and_remembers(machine: Machine) -> None:
    since = machine.school("rs-west")["since"]
    machine.run("systemctl", "stop", SERVICE)
    assert (machine.show(SERVICE, "Result"), machine.show(SERVICE, "ExecMainStatus")) == ("success", "0")
    assert "event=stopped" in machine.journal(SERVICE)
    machine.run("systemctl", "start", SERVICE)
    judged(machine)
    assert machine.school("rs-west")["since"] == since
    assert "services_down" in machine.run(
        "portwatchd", "history", "--storage.path=/var/lib/portwatchd/portwatchd.db", "rs-west"
    )


def test_a_mistake_in_the_configuration_is_told_and_not_tried_again(machine: Machine) -> None:
    machine.run("systemctl", "stop", SERVICE)
    machine.run("sed", "--in-place=.whole", "s/interval:/intervall:/", "/etc/portwatchd/portwatchd.yml")
    with pytest.raises(subprocess.CalledProcessError):
        machine.run("systemctl", "start", SERVICE)
    assert machine.show(SERVICE, "ActiveState") == "failed"
    assert "intervall" in machine.journal(SERVICE)
    machine.run("mv", "/etc/portwatchd/portwatchd.yml.whole", "/etc/portwatchd/portwatchd.yml")
    machine.run("chmod", "644", "/etc/portwatchd/portwatchd.yml")
    machine.run("systemctl", "start", SERVICE)


def test_the_socket_outlives_the_daemon(machine: Machine) -> None:
    machine.run("systemctl", "stop", SERVICE)
    machine.write("/etc/default/portwatchd", "PORTWATCHD_OPTS=--web.systemd-socket\n")
    machine.run("systemctl", "start", "portwatchd.socket")
    assert machine.show(SERVICE, "ActiveState") == "inactive"
    assert "portwatch_build_info" in machine.get("/metrics"), "the first scrape starts the daemon"
    machine.run("systemctl", "restart", "--no-block", SERVICE)
    for _ in range(5):
        assert "portwatch_build_info" in machine.get("/metrics"), "no scrape is refused"
    machine.run("systemctl", "stop", "portwatchd.socket", SERVICE)
    machine.write("/etc/default/portwatchd", "")


def test_an_upgrade_restarts_it_with_its_memory(machine: Machine) -> None:
    machine.run("systemctl", "start", SERVICE)
    judged(machine)
    process, since = machine.show(SERVICE, "MainPID"), machine.school("gym-nord")["since"]
    machine.run("dpkg", "--install", "/portwatchd.deb")
    assert machine.show(SERVICE, "ActiveState") == "active"
    assert machine.show(SERVICE, "MainPID") != process
    judged(machine)
    assert machine.school("gym-nord")["since"] == since


def test_tls_and_users_by_the_example(machine: Machine) -> None:
    """As the example's own head says, with a key of an authority that the test has."""
    examples = "/usr/share/doc/portwatchd/examples"
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    machine.write("/etc/portwatchd/tls.crt", made.cert_chain_pems[0].bytes().decode())
    machine.write("/etc/portwatchd/tls.key", made.private_key_pem.bytes().decode())
    machine.write("/root/authority.pem", authority.cert_pem.bytes().decode())
    machine.run("cp", f"{examples}/web.yml", "/etc/portwatchd/web.yml")
    files = [f"/etc/portwatchd/{name}" for name in ("web.yml", "tls.crt", "tls.key")]
    machine.run("chmod", "600", *files)
    machine.run("cp", f"{examples}/web-config.conf", f"/etc/systemd/system/{SERVICE}.d/web-config.conf")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)
    ask = (
        "import ssl, sys, urllib.request as web; context = ssl.create_default_context(cafile='/root/authority.pem');"
        "asked = web.Request('https://127.0.0.1:10052/metrics', headers={'Authorization': sys.argv[1]});"
        "print(web.urlopen(asked, context=context).status)"
    )
    token = base64.b64encode(b"prometheus:change me").decode()
    assert machine.run("python3", "-c", ask, f"Basic {token}") == "200\n"
    with pytest.raises(subprocess.CalledProcessError):
        machine.run("python3", "-c", ask, "Basic nobody")
    machine.run("rm", *files, f"/etc/systemd/system/{SERVICE}.d/web-config.conf")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "stop", SERVICE)


def test_shards_take_the_place_of_the_whole(machine: Machine) -> None:
    machine.run("systemctl", "start", SERVICE)
    machine.write("/etc/default/portwatchd-shards", "PORTWATCHD_TOTAL_SHARDS=2\n")
    machine.run("systemctl", "enable", "--now", "portwatchd@0", "portwatchd@1")
    assert machine.show(SERVICE, "ActiveState") == "inactive"
    metrics = machine.get("/metrics", 10100) + machine.get("/metrics", 10101)
    assert sum(map(float, re.findall(r"\nportwatch_schools (\S+)", metrics))) == 2


def test_shards_of_two_digits_have_their_port(machine: Machine) -> None:
    machine.write("/etc/default/portwatchd-shards", "PORTWATCHD_TOTAL_SHARDS=12\n")
    machine.run("systemctl", "start", "portwatchd@11")
    assert 'shard="11",total_shards="12"' in machine.get("/metrics", 10111)
    machine.run("systemctl", "stop", "portwatchd@11")


def test_removed_it_is_gone_and_purged_it_leaves_nothing(machine: Machine) -> None:
    machine.run("dpkg", "--remove", "portwatchd")
    for unit in (SERVICE, "portwatchd@0", "portwatchd@1"):
        assert machine.show(unit, "ActiveState") == "inactive"
    machine.run("test", "!", "-e", "/usr/lib/portwatchd")
    machine.run("test", "-e", "/etc/portwatchd/portwatchd.yml")
    machine.run("test", "-e", "/var/lib/portwatchd/portwatchd.db")
    machine.run("dpkg", "--purge", "portwatchd")
    machine.run("test", "!", "-e", "/var/lib/portwatchd")
    machine.run("test", "!", "-e", "/etc/portwatchd/portwatchd.yml")
    assert machine.run("find", "/etc/systemd", "-name", "*portwatchd*", "-type", "l") == ""


@pytest.mark.timeout(180, func_only=True)
def test_ansible_lint_is_content(ansible: Ansible) -> None:
    ansible.lint()


@pytest.mark.timeout(180, func_only=True)
def test_the_role_installs_and_starts_and_a_second_time_changes_nothing(
    machine: Machine, ansible: Ansible, package: Path
) -> None:
    facts = {
        "portwatchd_package": str(package),
        "portwatchd_log_level": "debug",
        "portwatchd_log_format": "json",
        "portwatchd_options": ["--web.enable-lifecycle"],
        "portwatchd_web_config": {"http_server_config": {"headers": {"X-Frame-Options": "deny"}}},
        "portwatchd_schools": [{"name": "gym-nord", "host": "127.1.0.1", "labels": {"district": "07"}}],
        "portwatchd_school_files": ["schools.d/*.yml"],
    }
    checked = ansible.play(machine, facts, "--check")
    assert (checked["failed"], checked["unreachable"]) == (0, 0)
    machine.run("test", "!", "-e", "/usr/lib/portwatchd")
    first = ansible.play(machine, facts)
    assert (first["failed"], first["unreachable"]) == (0, 0)
    assert machine.show(SERVICE, "ActiveState") == "active"
    assert '"__meta_portwatch_label_district": "07"' in machine.get("/sd")
    for name in ("portwatchd.yml", "web.yml"):
        assert machine.run("stat", "--format=%G %a", f"/etc/portwatchd/{name}") == "portwatchd 640\n"
    assert "X-Frame-Options: deny" in machine.run("python3", "-c", HEADERS)
    assert '"event": "started"' in machine.run("journalctl", "--unit", SERVICE, "--output=cat")
    assert ansible.play(machine, facts)["changed"] == 0
