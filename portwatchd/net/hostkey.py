"""Owns the question for an SSH server's host key: a key exchange and no login (RFC 4253 sections 7 and 8)."""

from __future__ import annotations

import asyncio
import importlib
import logging
from types import ModuleType

import structlog

ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-rsa",
)
"""The client's order decides (RFC 4253 section 7.1), so a server with several keys shows the same one each time."""
OWN_VERSION = "portwatchd"
"""What follows `SSH-2.0-` in the identification, so that a server's log says who asked."""

log = structlog.get_logger(__name__)


async def host_key(address: str, port: int, *, seconds: float) -> str | None:
    """Return the fingerprint `SHA256:...` of the host key, as `ssh-keygen -l` shows it; None where none was shown.

    Never raises for what the network or the peer does. Nobody is logged in, and no key or agent of this user is used.
    """
    # Loading asyncssh takes a third of a second, in which the loop must not stand still.
    ssh = await asyncio.to_thread(_load)
    try:
        options = ssh.SSHClientConnectionOptions(
            username=OWN_VERSION, client_keys=None, agent_path=None, known_hosts=None, gss_kex=False, config=None
        )
        async with asyncio.timeout(seconds):
            key = await ssh.get_server_host_key(
                address,
                port,
                server_host_key_algs=list(ALGORITHMS),
                client_version=OWN_VERSION,
                config=None,
                options=options,
            )
    # ValueError: what a peer sent cannot be decoded. asyncssh turns everything else that goes wrong into its own.
    except (OSError, ValueError, ssh.Error) as error:
        log.debug("no host key", address=address, port=port, error=f"{type(error).__name__}: {error}")
        return None
    return str(key.get_fingerprint("sha256")) if key is not None else None


def _load() -> ModuleType:
    """Return asyncssh, which says nothing in the log of its own."""
    ssh = importlib.import_module("asyncssh")
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL + 1)
    return ssh
