"""Owns the lab as a whole: everything built, everything well again, everything removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from . import addresses as at
from .certificates import Authority
from .dns import NameServer, Record
from .monitor import Monitor
from .netns import LabError, Namespace, lab_lock
from .topology import Provider, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = {
    "ip": "iproute2",
    "nft": "nftables",
    "sysctl": "procps",
    "setpriv": "util-linux",
    "dnsmasq": "dnsmasq-base",
    "sshd": "openssh-server",
    "nginx": "nginx-light",
    "proftpd": "proftpd-core",
    "exim4": "exim4-daemon-heavy",
    "dovecot": "dovecot-imapd",
    "slapd": "slapd",
}
"""What the lab runs, and the Debian package of each."""


def missing() -> str:
    """Return why the lab cannot be built here; an empty text if it can."""
    if os.geteuid() != 0:
        return "the lab needs root: it makes network namespaces"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    packages = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)})
    return f"the lab needs Debian packages: {' '.join(packages)}" if packages else ""


class School(Site):
    """One school with all its machines and their daemons."""

    def record(self, ttl: int = 2) -> Record:
        """Return the school's true addresses as a DNS record."""
        return Record(self.address_v4, self.plan.server_v6, ttl)


class Lab:
    """Monitor, provider, a host outside, a name server, and any number of schools."""

    def __init__(self, home: Path) -> None:
        """Build the lab without schools; `home` is an empty directory that everyone may enter."""
        self.home = home
        self.authority = Authority()
        ca_file = home / "ca.pem"
        ca_file.write_bytes(self.authority.pem)
        self.external = Namespace("pw-ext", at.EXTERNAL_V4)
        watching = Namespace("pw-mon", at.EXTERNAL_V4)
        self.provider = Provider(watching, self.external)
        self.schools: list[School] = []
        self.monitor = Monitor(watching, home / "monitor", ca_file)
        self.dns = NameServer(self.external, home)
        self.dns.start()
        self.dns.add(at.EXTERNAL_HOST, Record(at.EXTERNAL_V4, at.EXTERNAL_V6))

    @property
    def school(self) -> School:
        """Return the first school."""
        return self.schools[0]

    def add_school(self, *, box: bool = False) -> School:
        """Build one more school, with a provider's box before its router if wanted; it stays until the end."""
        plan = at.SchoolPlan(len(self.schools), box)
        school = School(plan, self.provider)
        self.schools.append(school)
        self.dns.add(plan.host, school.record())
        self.monitor.plans.append(plan)
        return school

    def need(self, count: int) -> list[School]:
        """Return this many schools without a provider's box, building those that are not there yet."""
        plain = [school for school in self.schools if not school.plan.box]
        while len(plain) < count:
            plain.append(self.add_school())
        return plain[:count]

    def boxed(self) -> School:
        """Return a school behind a provider's box, building it if there is none yet."""
        return next((school for school in self.schools if school.plan.box), None) or self.add_school(box=True)

    def reset(self) -> None:
        """Make all well again, everywhere."""
        self.provider.reset()
        for school in self.schools:
            school.reset()
        self.dns.reset()

    def destroy(self) -> None:
        """End every process of the lab and remove its namespaces."""
        self.dns.kill()
        for school in self.schools:
            school.destroy()
        for space in (self.monitor.namespace, self.external, self.provider.namespace):
            space.destroy()


@contextlib.contextmanager
def built_lab(schools: int = 1) -> Iterator[Lab]:
    """Build a lab on which all is well, and remove it at the end, whatever happened."""
    if reason := missing():
        raise LabError(reason)
    with lab_lock(), contextlib.ExitStack() as after:
        home = Path(tempfile.mkdtemp(prefix="pw-lab-"))
        home.chmod(0o755)
        after.callback(shutil.rmtree, home, ignore_errors=True)
        lab = Lab(home)
        after.callback(lab.destroy)
        lab.need(schools)
        yield lab
