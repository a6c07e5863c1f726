"""Owns the configuration of OpenSSH's sshd."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.lab.daemons import Recipe

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SshSettings:
    """The defaults are a server on which all is well."""

    host_key: bytes = field(repr=False)
    port: int = 22
    max_startups: str = "10:30:100"
    """`0` refuses every client in SSH's own way, before the banner."""
    names_debian: bool = True
    """Whether the identification names Debian's package, as no other machine's does."""


def ssh(settings: SshSettings, home: Path) -> Recipe:
    """Return how to start sshd."""
    config = f"""\
Port {settings.port}
AddressFamily any
HostKey {home}/host_key
PidFile none
UsePAM no
UseDNS no
PermitRootLogin no
PasswordAuthentication no
MaxStartups {settings.max_startups}
DebianBanner {"yes" if settings.names_debian else "no"}
"""
    return Recipe(
        argv=("/usr/sbin/sshd", "-D", "-e", "-f", f"{home}/sshd_config"),
        ports=frozenset({settings.port}),
        files={"sshd_config": config, "host_key": settings.host_key},
    )
