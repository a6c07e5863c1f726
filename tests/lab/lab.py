"""Owns the lab as a whole: everything built, everything well again, everything removed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import addresses as at
from .certificates import Authority, Certificate, host_key, self_signed
from .configs.ftp import FtpSettings, ftp
from .configs.ldap import LdapSettings, ldap
from .configs.mail import MailSettings, mail
from .configs.mailboxes import MailboxSettings, mailboxes
from .configs.ssh import SshSettings, ssh
from .configs.web import WebSettings, web
from .daemons import Daemon, start_all
from .dns import NameServer, Record
from .monitor import Monitor
from .netns import LabError, Namespace, place_for_a_lab
from .site import Site
from .topology import Provider

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

SSHD_DIRECTORY = Path("/run/sshd")
"""sshd wants this empty directory, which its service would make."""


def missing() -> str:
    """Return why the lab cannot be built here; an empty text if it can."""
    if os.geteuid() != 0:
        return "the lab needs root: it makes network namespaces"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    packages = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)})
    return f"the lab needs Debian packages: {' '.join(packages)}" if packages else ""


class School(Site):
    """One school with all its machines and their daemons."""

    def __init__(self, plan: at.SchoolPlan, provider: Provider, home: Path, authority: Authority) -> None:
        """Build the school; `start` starts its daemons."""
        super().__init__(plan, provider)
        host = plan.host
        self.certificate = authority.good(host)
        """One for the school's name, on every TLS port of the server."""
        good = self.certificate

        def put(name: str, space: Namespace, well: Any, recipe: Any) -> Daemon[Any]:  # noqa: ANN401
            return Daemon(f"{name} of {plan.name}", space, home / name, well, recipe)

        server, nas, router = self.server_space, self.nas_space, self.router_space
        self.ssh: Daemon[SshSettings] = put("ssh", server, SshSettings(host_key()), ssh)
        self.web: Daemon[WebSettings] = put("web", server, WebSettings(host, good), web)
        self.ftp: Daemon[FtpSettings] = put("ftp", server, FtpSettings(host, good), ftp)
        self.mail: Daemon[MailSettings] = put("mail", server, MailSettings(host, good), mail)
        self.mailboxes: Daemon[MailboxSettings] = put("mailboxes", server, MailboxSettings(host, good), mailboxes)
        self.ldap: Daemon[LdapSettings] = put("ldap", server, LdapSettings(host, good), ldap)
        self.nas_ssh: Daemon[SshSettings] = put("nas-ssh", nas, SshSettings(host_key(), names_debian=False), ssh)
        self.nas_web: Daemon[WebSettings] = put("nas-web", nas, _synology(), web)
        self.router_ssh: Daemon[SshSettings] = put("router-ssh", router, SshSettings(host_key()), ssh)
        self.router_web: Daemon[WebSettings] = put("router-web", router, _fritzbox(), web)
        self.server_daemons = (self.ssh, self.web, self.ftp, self.mail, self.mailboxes, self.ldap)
        self.daemons = (*self.server_daemons, self.nas_ssh, self.nas_web, self.router_ssh, self.router_web)

    def start(self) -> None:
        """Start every daemon of the school; all of them listen when this returns."""
        SSHD_DIRECTORY.mkdir(exist_ok=True)
        start_all(self.daemons)

    def show(self, certificate: Certificate) -> None:
        """Show another certificate on every TLS port of the server."""
        shown: tuple[Daemon[Any], ...] = (self.web, self.ftp, self.mail, self.mailboxes, self.ldap)
        for daemon in shown:
            daemon.settle(dataclasses.replace(daemon.settings, certificate=certificate))
        start_all(shown)

    def record(self, ttl: int = 2) -> Record:
        """Return the school's true addresses as a DNS record."""
        return Record(self.address_v4, self.address_v6, ttl)

    def reset(self) -> None:
        """Make all well again: the network, and every daemon."""
        super().reset()
        for daemon in self.daemons:
            daemon.settle()
        start_all(self.daemons)

    def destroy(self) -> None:
        """End the daemons, then remove the machines."""
        with contextlib.ExitStack() as after:
            after.callback(super().destroy)
            for daemon in self.daemons:
                after.callback(daemon.kill)


def _synology() -> WebSettings:
    """Return a NAS's web interface, with the certificate that it made for itself."""
    certificate = self_signed("synology", "synology", "diskstation.local")
    return WebSettings(
        "synology", certificate, tls_ports=(443, 5001), redirect=None, hsts=None, page="Synology DiskStation"
    )


def _fritzbox() -> WebSettings:
    """Return a router's web interface, with the certificate that it made for itself."""
    certificate = self_signed("fritz.box", "fritz.box", "www.fritz.box", "myfritz.box")
    return WebSettings("fritz.box", certificate, redirect=None, hsts=None, page="FRITZ!Box")


class Lab:
    """Monitor, provider, a host outside, a name server, and any number of schools."""

    def __init__(self, home: Path, prefix: str) -> None:
        """Build the lab without schools. Everyone may enter `home`, an empty directory; `prefix` begins all names."""
        self.home = home
        self.authority = Authority()
        ca_file = home / "ca.pem"
        ca_file.write_bytes(self.authority.pem)
        self.external = Namespace(f"{prefix}ext", at.EXTERNAL_V4)
        watching = Namespace(f"{prefix}mon", at.EXTERNAL_V4)
        self.provider = Provider(prefix, watching, self.external)
        self.schools: list[School] = []
        self.monitor = Monitor(watching, home / "monitor", ca_file)
        self.dns = NameServer(self.external, home)
        self.dns.start()
        self.dns.add(at.EXTERNAL_HOST, Record(at.EXTERNAL_V4, at.EXTERNAL_V6))
        self.canary, self.control = self._external_daemons()
        start_all((self.canary, self.control))

    def _external_daemons(self) -> tuple[Daemon[WebSettings], Daemon[MailSettings]]:
        """Return what the host outside runs: a web server on 443, and a mail server on 25, 465 and 587."""
        name, good = at.EXTERNAL_HOST, self.authority.good(at.EXTERNAL_HOST)
        return (
            Daemon("canary", self.external, self.home / "canary", WebSettings(name, good), web),
            Daemon("control", self.external, self.home / "control", MailSettings(name, good), mail),
        )

    @property
    def school(self) -> School:
        """Return the first school."""
        return self.schools[0]

    def add_school(self, *, box: bool = False) -> School:
        """Build one more school, with a provider's box before its router if wanted; it stays until the end."""
        plan = at.SchoolPlan(len(self.schools), box)
        school = School(plan, self.provider, self.home / plan.name, self.authority)
        self.schools.append(school)
        school.start()
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
        self.canary.reset()
        self.control.reset()

    def destroy(self) -> None:
        """End every process of the lab and remove its namespaces, as far as there are any."""
        with contextlib.ExitStack() as after:
            for space in (self.monitor.namespace, self.external, self.provider.namespace):
                after.callback(space.destroy)
            for school in self.schools:
                after.callback(school.destroy)
            for end in (self.dns.kill, self.canary.kill, self.control.kill):
                after.callback(end)


@contextlib.contextmanager
def built_lab(schools: int = 1) -> Iterator[Lab]:
    """Build a lab on which all is well, and remove it at the end, whatever happened."""
    if reason := missing():
        raise LabError(reason)
    with place_for_a_lab() as prefix, contextlib.ExitStack() as after:
        home = Path(tempfile.mkdtemp(prefix=f"{prefix}lab-"))
        home.chmod(0o755)
        after.callback(shutil.rmtree, home, ignore_errors=True)
        lab = Lab(home, prefix)
        after.callback(lab.destroy)
        lab.need(schools)
        yield lab
