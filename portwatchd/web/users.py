"""Passwords against bcrypt hashes: off the loop, one at a time, in the same time for users that there are not."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from portwatchd.web.access import HASH

CACHE = 100
"""Right passwords that are remembered, as keyed digests. Wrong ones are not, so nobody can drive the right ones out."""
WAITING = 50
"""Passwords that wait for their turn; more are turned away."""
DECOY_COST = 10
"""Where there is no hash to go by."""
PASSWORD_BYTES = 72
"""What bcrypt looks at."""


class Busy(Exception):
    """So many passwords wait that one more cannot be looked at."""


class Users:
    """Owns the thread that hashes, and what it found."""

    def __init__(self) -> None:
        # One thread: whoever guesses passwords gets one core, and never all of them.
        self._thread = ThreadPoolExecutor(1, "passwords")
        self._key = os.urandom(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._waiting = 0
        self._decoys: dict[int, bytes] = {}

    async def may(self, authorization: str, hashes: Mapping[str, str]) -> bool:
        """Whether the header names a user with the right password. Raises Busy."""
        user, password = credentials(authorization)
        known = hashes.get(user)
        place = hashlib.blake2b(f"{known}\0{user}\0{password}".encode(), key=self._key).digest()
        if known is not None and place in self._right:
            self._right.move_to_end(place)
            return True
        if self._waiting >= WAITING:
            raise Busy
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(
                self._thread, self._check, password, known, self._decoy_cost(user, hashes)
            )
        finally:
            self._waiting -= 1
        if right:
            self._right[place] = None
            while len(self._right) > CACHE:
                self._right.popitem(last=False)
        return right

    def _check(self, password: str, known: str | None, decoy_cost: int) -> bool:
        """Runs in the thread. An unknown user's password is held against a hash that no password has."""
        hashed = self._decoy(decoy_cost) if known is None else known.encode()
        right = bcrypt.checkpw(password.encode()[:PASSWORD_BYTES], hashed)
        return right and known is not None

    def _decoy_cost(self, user: str, hashes: Mapping[str, str]) -> int:
        """The cost of one of the hashes, the same for a name as long as they are: as if the name were a user's."""
        number = int.from_bytes(hashlib.blake2b(user.encode(), key=self._key, digest_size=8).digest())
        costs = sorted(int(match[1]) for match in map(HASH.fullmatch, hashes.values()) if match)
        return costs[number % len(costs)] if costs else DECOY_COST

    def _decoy(self, rounds: int) -> bytes:
        if rounds not in self._decoys:
            # A salt and any digest: nobody has to be able to find a password for it.
            self._decoys[rounds] = bcrypt.gensalt(rounds) + b"." * 31
        return self._decoys[rounds]

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def credentials(authorization: str) -> tuple[str, str]:
    """The user and the password of a header; empty ones, which nobody has, where it names none."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, colon, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return (user, password) if colon else ("", "")
