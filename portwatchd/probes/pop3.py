"""POP3 and POP3S: greeting, CAPA, and STLS (RFC 1939, RFC 2449, RFC 2595). No password is ever sent."""

from __future__ import annotations

from portwatchd.model import Policy, Security, Stage, Target
from portwatchd.probes.conversation import Conversation
from portwatchd.probes.upgrade import Offer
from portwatchd.wire.replies import pop3_listing, pop3_reply, quoted


async def probe(talk: Conversation, target: Target) -> None:
    """The server greets and offers STLS where the target wants it; an audit goes into it and asks once more."""
    await _greet(talk)
    with talk.stage(Stage.DIALOGUE):
        async with talk.until("QUIT"):
            if target.service.security is Security.STARTTLS and target.known is None:
                capabilities = await talk.ask("CAPA", pop3_listing)
                # CAPA is optional (RFC 2449 1).
                offer = Offer("STLS", "CAPA", listed=capabilities.offers("STLS") if capabilities.ok else None)
                if offer.wants_handshake(talk, target):
                    answer = await talk.ask("STLS", pop3_reply)
                    offer.require_accepted(talk, quoted(answer.text.raw), accepted=answer.ok)
                    await talk.start_tls(target)
                    await talk.ask("CAPA", pop3_listing)


async def ask_plain_login(talk: Conversation, _target: Target) -> None:
    """Note whether USER is refused before TLS. On a connection of its own: an accepted USER leaves no way to STLS."""
    await _greet(talk)
    with talk.stage(Stage.DIALOGUE):
        async with talk.until("QUIT"):
            answer = await talk.ask("USER portwatchd", pop3_reply)
            words = f"USER before TLS is answered {'+OK' if answer.ok else '-ERR'} {quoted(answer.text.raw)}"
            talk.trace.note(Policy.PLAINTEXT_REFUSED, holds=not answer.ok, reason=words)


async def _greet(talk: Conversation) -> None:
    with talk.stage(Stage.GREETING):
        greeting = await talk.hear(pop3_reply)
        talk.trace.banner = greeting.text
        greeting.expect_ok()
