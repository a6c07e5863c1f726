"""Which probe speaks which protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from portwatchd.model import Policy, Protocol, Target
from portwatchd.probes import connect, ftp, http, imap, ldap, pop3, smtp, ssh
from portwatchd.probes.conversation import Conversation

Probe: TypeAlias = Callable[[Conversation, Target], Awaitable[None]]
"""It returns when the service answered as its protocol says, or raises."""


class Aside(NamedTuple):
    """A question of an audit that needs a connection of its own, for it may cost the server's patience."""

    policy: Policy
    ask: Probe


PROBES: dict[Protocol, Probe] = {
    Protocol.TCP: connect.probe,
    Protocol.RANGE: connect.probe,
    Protocol.TLS: connect.probe,
    Protocol.HTTP: http.probe,
    Protocol.HTTPS: http.probe,
    Protocol.SSH: ssh.probe,
    Protocol.FTP: ftp.probe,
    Protocol.SMTP: smtp.probe,
    Protocol.SMTPS: smtp.probe,
    Protocol.POP3: pop3.probe,
    Protocol.POP3S: pop3.probe,
    Protocol.IMAP: imap.probe,
    Protocol.IMAPS: imap.probe,
    Protocol.LDAPS: ldap.probe,
}

ASIDES: dict[Protocol, Aside] = {
    Protocol.HTTP: Aside(Policy.ACME_REACHABLE, http.ask_challenge),
    Protocol.FTP: Aside(Policy.PLAINTEXT_REFUSED, ftp.ask_plain_login),
    Protocol.POP3: Aside(Policy.PLAINTEXT_REFUSED, pop3.ask_plain_login),
}
