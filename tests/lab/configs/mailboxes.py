"""Owns the configuration of Dovecot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.daemons import Recipe

from .tls import CIPHERS, OPENSSL, Tls

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.certificates import Certificate


@dataclass(frozen=True, slots=True)
class MailboxSettings:
    """The defaults are a server on which all is well."""

    name: str
    certificate: Certificate
    plain_login: bool = False
    """Whether logins are taken outside TLS, so that IMAP does not say LOGINDISABLED."""
    tls: Tls = Tls.MODERN
    """With `Tls.NONE` neither STARTTLS nor STLS is offered, and nobody listens on 993 and 995."""


def mailboxes(settings: MailboxSettings, home: Path) -> Recipe:
    """Return how to start Dovecot."""
    plain_only = settings.tls is Tls.NONE
    config = f"""\
base_dir = {home}/run
state_dir = {home}/state
instance_name = {home.parent.name}-{home.name}
log_path = /dev/stderr
protocols = imap pop3
listen = *, ::
login_greeting = {settings.name} ready.
disable_plaintext_auth = {"no" if settings.plain_login else "yes"}
ssl = {"no" if plain_only else "yes"}
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
ssl_min_protocol = {"TLSv1" if settings.tls is Tls.LEGACY else "TLSv1.2"}
ssl_cipher_list = {CIPHERS}
mail_location = maildir:{home}/mail
import_environment = OPENSSL_CONF={home}/openssl.cnf
passdb {{
  driver = static
  args = nopassword=n password=never
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={home}
}}
"""
    return Recipe(
        argv=("/usr/sbin/dovecot", "-F", "-c", f"{home}/dovecot.conf"),
        ports=frozenset({110, 143} if plain_only else {110, 143, 993, 995}),
        files={
            "dovecot.conf": config,
            "openssl.cnf": OPENSSL[settings.tls],
            "cert.pem": settings.certificate.chain,
            "key.pem": settings.certificate.key,
        },
        directories={"run": "root", "state": "root"},
    )
