"""A glance at a port that speaks TLS from the first byte: does it still show the certificate that was verified before.

The server shows its certificate and signs; nothing is derived and nothing verified, for the certificate is known.
Whatever else comes makes the runner ask in full.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

from portwatchd.model import Stage
from portwatchd.wire.lines import Malformed
from portwatchd.wire.tls import FAREWELL, RANDOM_SIZE, client_hello, first_flight

if TYPE_CHECKING:
    from portwatchd.model import Certificate, Target
    from portwatchd.probes.conversation import Conversation


async def glance(talk: Conversation, target: Target, known: Certificate) -> None:
    """Return when the server shows this certificate. Raises `Malformed` where it shows another one, or none."""
    with talk.stage(Stage.TLS):
        await talk.send(client_hello(target.server_name, os.urandom(RANDOM_SIZE)))
        if sha256(await talk.hear(first_flight)).hexdigest() != known.fingerprint_sha256:
            raise Malformed("another certificate than before")
    await talk.send(FAREWELL)
