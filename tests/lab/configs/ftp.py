"""Owns the configuration of ProFTPD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.daemons import Recipe

from .tls import CIPHERS, OPENSSL, Tls

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.certificates import Certificate

_VERSIONS = {Tls.MODERN: "TLSv1.2 TLSv1.3", Tls.LEGACY: "TLSv1 TLSv1.1"}


@dataclass(frozen=True, slots=True)
class FtpSettings:
    """The defaults are a server on which all is well."""

    name: str
    certificate: Certificate
    port: int = 21
    plain_login: bool = False
    """Whether USER and PASS are taken outside TLS."""
    tls: Tls = Tls.MODERN


def ftp(settings: FtpSettings, home: Path) -> Recipe:
    """Return how to start ProFTPD."""
    lines = [
        "ModulePath /usr/lib/proftpd",
        "LoadModule mod_tls.c",
        f'ServerName "{settings.name}"',
        "ServerType standalone",
        f"Port {settings.port}",
        "DefaultAddress 0.0.0.0",
        "SocketBindTight off",
        "UseIPv6 on",
        "UseReverseDNS off",
        "User nobody",
        "Group nogroup",
        f"PidFile {home}/proftpd.pid",
        f"ScoreboardFile {home}/scoreboard",
        "DelayEngine off",
        f"SystemLog {home}/system.log",
        "WtmpLog off",
        "TransferLog none",
        "AuthOrder mod_auth_unix.c",
        "RequireValidShell off",
        "PassivePorts 63000 63099",
        f"TLSEngine {'off' if settings.tls is Tls.NONE else 'on'}",
    ]
    if settings.tls is not Tls.NONE:
        kind = "RSA" if settings.certificate.is_rsa else "EC"
        lines += [
            f"TLSLog {home}/tls.log",
            f"TLSProtocol {_VERSIONS[settings.tls]}",
            f"TLSCipherSuite {CIPHERS}",
            f"TLSRequired {'off' if settings.plain_login else 'on'}",
            f"TLS{kind}CertificateFile {home}/cert.pem",
            f"TLS{kind}CertificateKeyFile {home}/key.pem",
        ]
        if settings.certificate.intermediates:
            lines.append(f"TLSCertificateChainFile {home}/chain.pem")
    return Recipe(
        argv=("/usr/sbin/proftpd", "--nodaemon", "--config", f"{home}/proftpd.conf"),
        ports=frozenset({settings.port}),
        files={
            "proftpd.conf": "\n".join(lines) + "\n",
            "cert.pem": settings.certificate.leaf,
            "chain.pem": settings.certificate.intermediates,
            "key.pem": settings.certificate.key,
            "openssl.cnf": OPENSSL[settings.tls],
        },
        environment={"OPENSSL_CONF": f"{home}/openssl.cnf"},
    )
