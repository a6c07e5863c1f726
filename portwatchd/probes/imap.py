"""IMAP and IMAPS: greeting, CAPABILITY, and STARTTLS (RFC 9051, RFC 2595). No login is ever tried."""

from __future__ import annotations

from portwatchd.model import Policy, Security, Stage, Target
from portwatchd.probes.conversation import Conversation
from portwatchd.probes.upgrade import Offer
from portwatchd.wire.replies import ImapReply, imap_answer, imap_greeting, quoted

PLAIN_MECHANISMS = frozenset({"AUTH=PLAIN", "AUTH=LOGIN"})
"""SASL mechanisms that send the password as it is; LOGINDISABLED does not speak of them (RFC 9051 6.2.2)."""


async def probe(talk: Conversation, target: Target) -> None:
    """The server greets and offers STARTTLS where the target wants it; an audit goes into it and asks once more."""
    with talk.stage(Stage.GREETING):
        greeting = await talk.hear(imap_greeting)
        talk.trace.banner = greeting.text
        greeting.expect("OK", "PREAUTH")
    with talk.stage(Stage.DIALOGUE):
        async with talk.until("z LOGOUT"):
            if target.service.security is Security.TLS or target.known is not None:
                return
            if target.service.security is Security.PLAIN and Policy.PLAINTEXT_REFUSED not in talk.trace.wanted:
                return
            capabilities = await _capabilities(talk, greeting)
            _note_plain_logins(talk, greeting, capabilities)
            if target.service.security is Security.STARTTLS:
                offer = Offer("STARTTLS", "CAPABILITY", listed="STARTTLS" in capabilities)
                if offer.wants_handshake(talk, target):
                    answer = await talk.ask("b STARTTLS", imap_answer("b"))
                    words = f"{answer.status} {quoted(answer.text.raw)}"
                    offer.require_accepted(talk, words, accepted=answer.status == "OK")
                    await talk.start_tls(target)
                    # Capabilities from before the handshake are not to be believed (RFC 9051 6.2.1).
                    (await talk.ask("c CAPABILITY", imap_answer("c"))).expect("OK")


async def _capabilities(talk: Conversation, greeting: ImapReply) -> frozenset[str]:
    """Return what the server lists: in its greeting, as Dovecot does, or when it is asked."""
    listed = greeting.capabilities()
    if not listed:
        listed = (await talk.ask("a CAPABILITY", imap_answer("a"))).expect("OK").capabilities()
    return listed


def _note_plain_logins(talk: Conversation, greeting: ImapReply, capabilities: frozenset[str]) -> None:
    plain = sorted(PLAIN_MECHANISMS & capabilities)
    if greeting.status == "PREAUTH":
        talk.trace.note(Policy.PLAINTEXT_REFUSED, holds=False, reason="the connection is logged in from the start")
    elif "LOGINDISABLED" not in capabilities:
        talk.trace.note(Policy.PLAINTEXT_REFUSED, holds=False, reason="no LOGINDISABLED before TLS")
    elif plain:
        talk.trace.note(Policy.PLAINTEXT_REFUSED, holds=False, reason=f"{', '.join(plain)} before TLS")
    else:
        talk.trace.note(Policy.PLAINTEXT_REFUSED, holds=True, reason="LOGINDISABLED before TLS")
