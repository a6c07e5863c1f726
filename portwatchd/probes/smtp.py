"""SMTP, submission and SMTPS: greeting, EHLO, and STARTTLS with a second EHLO (RFC 5321, RFC 3207, RFC 8314)."""

from __future__ import annotations

from portwatchd.model import Outcome, Policy, Security, Stage, Target
from portwatchd.probes.conversation import Conversation, Failed
from portwatchd.probes.upgrade import Offer
from portwatchd.wire.replies import Reply, quoted, reply

OWN_NAME = "portwatchd.invalid"
"""A name that says who asks and that nobody owns (RFC 2606 2)."""

UNKNOWN_COMMAND = frozenset({500, 501, 502})


async def probe(talk: Conversation, target: Target) -> None:
    """The server greets, answers EHLO and offers STARTTLS where the target wants it; an audit goes into it."""
    with talk.stage(Stage.GREETING):
        greeting = await talk.hear(reply)
        talk.trace.banner = greeting.text
        greeting.expect(220)
    with talk.stage(Stage.DIALOGUE):
        async with talk.until("QUIT"):
            if target.known is not None:
                return
            features = await _introduce(talk)
            if target.service.security is not Security.TLS:
                _note_plain_logins(talk, features)
            if target.service.security is Security.STARTTLS:
                offer = Offer("STARTTLS", "EHLO", listed=features.offers("STARTTLS"))
                if offer.wants_handshake(talk, target):
                    answer = await talk.ask("STARTTLS", reply)
                    offer.require_accepted(
                        talk, f"{answer.code} {quoted(answer.text.raw)}", accepted=answer.code == 220
                    )
                    await talk.start_tls(target)
                    await _introduce(talk)  # what was said before the handshake is forgotten (RFC 3207 4.2)


async def _introduce(talk: Conversation) -> Reply:
    """Return the answer to EHLO, or to HELO where the server knows no EHLO (RFC 5321 3.2)."""
    answer = await talk.ask(f"EHLO {OWN_NAME}", reply)
    if answer.code in UNKNOWN_COMMAND:
        answer = await talk.ask(f"HELO {OWN_NAME}", reply)
        if answer.code in UNKNOWN_COMMAND:
            # An FTP server greets with 220 too; that it is none of ours shows only here.
            raise Failed(
                Outcome.WRONG_PROTOCOL, f"knows neither EHLO nor HELO: {answer.code} {quoted(answer.text.raw)}"
            )
    return answer.expect(250)


def _note_plain_logins(talk: Conversation, features: Reply) -> None:
    mechanisms = features.features().get("AUTH")
    if mechanisms is None:
        talk.trace.note(Policy.PLAINTEXT_REFUSED, holds=True, reason="no AUTH before TLS")
    else:
        talk.trace.note(Policy.PLAINTEXT_REFUSED, holds=False, reason=f"AUTH before TLS: {quoted(mechanisms.encode())}")
