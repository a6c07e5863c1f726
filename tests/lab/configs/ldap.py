"""Owns the configuration of OpenLDAP's slapd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.daemons import Recipe

from .tls import PRIORITIES, Tls

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.certificates import Certificate


@dataclass(frozen=True, slots=True)
class LdapSettings:
    """The defaults are a server on which all is well."""

    name: str
    certificate: Certificate
    port: int = 10636
    root_dse: bool = True
    """Whether anybody may read the root DSE."""
    tls: Tls = Tls.MODERN
    """With `Tls.NONE` the port speaks LDAP in the clear."""


def ldap(settings: LdapSettings, home: Path) -> Recipe:
    """Return how to start slapd."""
    scheme = "ldap" if settings.tls is Tls.NONE else "ldaps"
    config = f"""\
include /etc/ldap/schema/core.schema
pidfile {home}/slapd.pid
argsfile {home}/slapd.args
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {home}/cert.pem
TLSCertificateKeyFile {home}/key.pem
TLSCipherSuite {PRIORITIES.get(settings.tls, "NORMAL")}
access to dn.base="" by * {"read" if settings.root_dse else "none"}
access to * by * none
database mdb
suffix "dc=school,dc=example"
directory {home}/db
maxsize 1048576
"""
    return Recipe(
        argv=(
            *("/usr/sbin/slapd", "-d", "0", "-f", f"{home}/slapd.conf"),
            *("-h", f"{scheme}://0.0.0.0:{settings.port}/ {scheme}://[::]:{settings.port}/"),
        ),
        ports=frozenset({settings.port}),
        files={
            "slapd.conf": config,
            "cert.pem": settings.certificate.chain,
            "key.pem": settings.certificate.key,
        },
        directories={"db": "root"},
    )
