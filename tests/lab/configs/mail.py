"""Owns the configuration of Exim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.daemons import Recipe

from .tls import PRIORITIES, Tls

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.certificates import Certificate

USER = "Debian-exim"


@dataclass(frozen=True, slots=True)
class MailSettings:
    """The defaults are a server on which all is well."""

    name: str
    certificate: Certificate
    ports: tuple[int, ...] = (25, 587)
    tls_ports: tuple[int, ...] = (465,)
    starttls: bool = True
    auth_in_clear: bool = False
    """Whether AUTH is offered outside TLS."""
    greeting_delay: int = 0
    """Seconds before the greeting. A client that talks first is refused."""
    refuses: bool = False
    """Greet every client with 550."""
    tls: Tls = Tls.MODERN


def mail(settings: MailSettings, home: Path) -> Recipe:
    """Return how to start Exim."""
    every = ":".join(str(port) for port in (*settings.ports, *settings.tls_ports))
    advertise = "*" if settings.auth_in_clear else "${if eq{$tls_in_cipher}{}{}{*}}"
    config = f"""\
primary_hostname = {settings.name}
exim_user = {USER}
exim_group = {USER}
spool_directory = {home}/spool
log_file_path = {home}/spool/%slog
pid_file_path = {home}/spool/exim.pid
daemon_smtp_ports = {every}
tls_on_connect_ports = {":".join(map(str, settings.tls_ports))}
tls_advertise_hosts = {"*" if settings.starttls and settings.tls is not Tls.NONE else ""}
tls_certificate = {home}/spool/cert.pem
tls_privatekey = {home}/spool/key.pem
tls_require_ciphers = {PRIORITIES.get(settings.tls, "NORMAL")}
auth_advertise_hosts = {advertise}
host_lookup =
rfc1413_query_timeout = 0s
pipelining_connect_advertise_hosts =
queue_only = true
acl_smtp_connect = greet
acl_smtp_rcpt = refuse

begin acl
greet:
  {"deny message = Administrative prohibition" if settings.refuses else "accept"}
{"" if settings.refuses else f"    delay = {settings.greeting_delay}s"}
refuse:
  deny message = relay not permitted

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = false
"""
    return Recipe(
        argv=("/usr/sbin/exim4", "-bdf", "-C", f"{home}/exim.conf"),
        ports=frozenset({*settings.ports, *settings.tls_ports}),
        files={
            "exim.conf": config,
            "spool/cert.pem": settings.certificate.chain,
            "spool/key.pem": settings.certificate.key,
        },
        directories={"spool": USER},
    )
