"""A scrape as a test makes it: all of it at once."""

import subprocess

from portwatchd.metrics.negotiation import Wish
from portwatchd.metrics.store import MetricStore

PLAIN = Wish()


async def scraped(store: MetricStore, wish: Wish = PLAIN) -> bytes:
    return b"".join([piece async for piece in store.scrape(wish)])


def promtool(text: bytes) -> str:
    """What `promtool check metrics` complains of."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=10)
    return (done.stdout + done.stderr).decode()
