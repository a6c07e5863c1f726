"""Ports of which only the way in is asked: `tcp` and ranges connect, `tls` shakes hands as well."""

from __future__ import annotations

from portwatchd.model import Target
from portwatchd.probes.conversation import Conversation


async def probe(_talk: Conversation, _target: Target) -> None:
    """That the runner got here is the answer: it has connected and, where the protocol wants TLS, shaken hands."""
