"""The way into TLS that SMTP, FTP, POP3 and IMAP share: it is offered, accepted, and the handshake is done."""

from __future__ import annotations

from dataclasses import dataclass

from portwatchd.model import Depth, Outcome, Policy, Target
from portwatchd.probes.conversation import Conversation, Failed


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server says of its upgrade before it is asked for it."""

    command: str
    listing: str
    """The command whose answer lists it."""
    listed: bool | None
    """None: the server keeps its list to itself, so that only asking shows."""

    def wants_handshake(self, talk: Conversation, target: Target) -> bool:
        """Whether to go on into TLS; for a watch a listed offer is enough. Raises `Failed` where it is not offered."""
        if self.listed is False:
            words = f"{self.listing} does not list {self.command}"
            talk.trace.note(Policy.TLS_OFFERED, holds=False, reason=words)
            raise Failed(Outcome.STARTTLS_MISSING, words)
        if self.listed and target.depth is Depth.WATCH:
            talk.trace.note(Policy.TLS_OFFERED, holds=True, reason=f"{self.listing} lists {self.command}")
            return False
        # The handshake turns this into True, its failure into False.
        talk.trace.note(Policy.TLS_OFFERED, holds=None, reason="offered, but the handshake was not done")
        return True

    def require_accepted(self, talk: Conversation, answer: str, *, accepted: bool) -> None:
        """Return if the command was accepted. Raises `Failed` where it was refused, as by 454 (RFC 3207 4)."""
        if accepted:
            return
        if self.listed:
            outcome, words = Outcome.TLS_FAILED, f"{self.command} is offered and then refused: {answer}"
        else:
            outcome, words = Outcome.STARTTLS_MISSING, f"{self.command} is refused: {answer}"
        talk.trace.note(Policy.TLS_OFFERED, holds=False, reason=words)
        raise Failed(outcome, words)
