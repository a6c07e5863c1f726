"""FTP: greeting, FEAT, and AUTH TLS (RFC 959, RFC 2389, RFC 4217). No password is ever sent."""

from __future__ import annotations

from portwatchd.model import Outcome, Policy, Security, Stage, Target
from portwatchd.probes.conversation import Conversation, Failed
from portwatchd.probes.upgrade import Offer
from portwatchd.wire.replies import Reply, ftp_reply, quoted

UNKNOWN_COMMAND = frozenset({500, 501, 502, 503})


async def probe(talk: Conversation, target: Target) -> None:
    """The server greets and offers AUTH TLS where the target wants it; an audit goes into it and asks once more."""
    await _greet(talk)
    with talk.stage(Stage.DIALOGUE):
        async with talk.until("QUIT"):
            if target.known is not None:
                return
            features = await talk.ask("FEAT", ftp_reply)
            if features.code == 421:  # "closing control connection" may answer any command (RFC 959 5.4)
                features.expect(211)
            if features.code in UNKNOWN_COMMAND:
                await _require_ftp(talk)
            if target.service.security is Security.STARTTLS:
                # A server may know no FEAT, or keep its features to itself before a login (RFC 2389 3.2).
                offer = Offer("AUTH TLS", "FEAT", listed=_offers_tls(features) if features.code == 211 else None)
                if offer.wants_handshake(talk, target):
                    answer = await talk.ask("AUTH TLS", ftp_reply)
                    offer.require_accepted(
                        talk, f"{answer.code} {quoted(answer.text.raw)}", accepted=answer.code == 234
                    )
                    await talk.start_tls(target)
                    await talk.ask("FEAT", ftp_reply)


async def ask_plain_login(talk: Conversation, _target: Target) -> None:
    """Note whether USER is refused before TLS. On a connection of its own: vsftpd and pure-ftpd hang up after it."""
    await _greet(talk)
    with talk.stage(Stage.DIALOGUE):
        async with talk.until("QUIT"):
            answer = await talk.ask("USER portwatchd", ftp_reply)
            words = f"USER before TLS is answered {answer.code} {quoted(answer.text.raw)}"
            # 421 is how pure-ftpd refuses; any other 4xx is a passing trouble (RFC 959 4.2.1), which is no refusal.
            talk.trace.note(Policy.PLAINTEXT_REFUSED, holds=answer.code >= 500 or answer.code == 421, reason=words)


async def _greet(talk: Conversation) -> None:
    with talk.stage(Stage.GREETING):
        greeting = await talk.hear(ftp_reply)
        while greeting.code == 120:  # "ready in some minutes": the real greeting follows (RFC 959 5.4)
            greeting = await talk.hear(ftp_reply)
        talk.trace.banner = greeting.text
        greeting.expect(220)


async def _require_ftp(talk: Conversation) -> None:
    """Tell an FTP server without FEAT from an SMTP server, which greets with 220 as well.

    Every FTP server knows TYPE (RFC 959 5.1), before a login too, if only to refuse it. Raises `Failed`.
    """
    answer = await talk.ask("TYPE A", ftp_reply)
    if answer.code in UNKNOWN_COMMAND:
        raise Failed(Outcome.WRONG_PROTOCOL, f"knows neither FEAT nor TYPE: {answer.code} {quoted(answer.text.raw)}")


def _offers_tls(features: Reply) -> bool:
    """Whether FEAT lists AUTH TLS: on a line of its own, or in a list as in `AUTH TLS;SSL` (RFC 4217 6)."""
    listed = features.features().get("AUTH", "").replace(";", " ").replace(",", " ").split()
    return not {"TLS", "TLS-C"}.isdisjoint(listed)
