"""Owns names to addresses: a cache over c-ares that keeps the answers' TTLs and serves what it knew while DNS fails."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import aiodns
import pycares

from portwatchd.model import Family
from portwatchd.net.names import TYPE_OF, ascii_name, bare_address
from portwatchd.world import Clock, Resolution, Resolved

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_TTL = 5.0
"""Seconds an answer is kept at least: the probes of one round ask for one name; /etc/hosts answers with 0."""
MAX_TTL = 3600.0
"""Seconds an answer is kept at most: a TTL of a day or a week is a mistake that an hour is enough for."""
NEGATIVE_TTL = 30.0
"""Seconds that a missing name is believed to be missing: within one interval of 60 s it is asked for again."""
FAILURE_TTL = 5.0
"""Seconds until a failed look-up is tried again: a dead resolver costs one look-up of a name in that time."""
CACHE_LIMIT = 50_000
"""Names times families kept: 10,000 schools in both families, and as much again for names that went away."""
TRY_SECONDS = 2.0
TRIES = 2
LOOK_UP_SECONDS = 4.8
"""Seconds of one look-up in all: c-ares would double the patience of its second try."""
WITNESS_SECONDS = 60.0
"""Seconds in which the answer to another name shows that the resolver itself works."""
RESOLV_CONF = Path("/etc/resolv.conf")

_NOT_THERE = frozenset({aiodns.error.ARES_ENOTFOUND, aiodns.error.ARES_ENODATA, aiodns.error.ARES_ENONAME})
_FLAGS = pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_EDNS


class _State(StrEnum):
    ANSWERED = "answered"
    NOT_THERE = "not there"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class _Entry:
    """The last look-up of one name in one family. A failed one keeps the addresses that were known before it."""

    state: _State
    addresses: tuple[str, ...]
    until: float
    detail: str = ""


class CachingResolver:
    """The names that this monitor knows. It belongs to the loop that runs at its first look-up."""

    def __init__(self, clock: Clock, servers: Sequence[str] = (), resolv_conf: Path = RESOLV_CONF) -> None:
        """`servers` (address, or address:port) stand in for those of resolv.conf."""
        self._clock = clock
        self._servers = list(servers)
        self._resolv_conf = resolv_conf
        self._entries: OrderedDict[tuple[str, Family], _Entry] = OrderedDict()
        self._running: dict[tuple[str, Family], asyncio.Task[_Entry]] = {}
        self._witnesses: dict[str, float] = {}
        self._source: aiodns.DNSResolver | None = None
        self._retired: set[aiodns.DNSResolver] = set()
        self._born = 0.0
        self._written = 0

    async def resolve(self, host: str, families: Sequence[Family], *, fresh: bool = False) -> Resolution:
        """The addresses, by family as asked, then by number. Never raises; done in LOOK_UP_SECONDS.

        `fresh` passes over the cache; the answer is MIN_TTL seconds old at most. Names are taken as absolute: the
        search list of resolv.conf would find a stranger under a name that is gone.
        """
        literal = bare_address(host)
        if literal is not None:
            if literal[0] in families:
                return Resolution(Resolved.FRESH, (literal,))
            return Resolution(Resolved.NO_SUCH_NAME, (), f"{literal[1]} is of a family that is not watched")
        try:
            name = ascii_name(host)
        except ValueError as error:
            return Resolution(Resolved.NO_SUCH_NAME, (), str(error))
        now = self._clock.monotonic()
        kept = {family: self._entries.get((name, family)) for family in families if not fresh}
        found = {family: entry for family, entry in kept.items() if entry is not None and now < entry.until}
        missing = [family for family in families if family not in found]
        if missing:
            found |= zip(
                missing,
                await asyncio.gather(*(self._look_up((name, one), fresh=fresh) for one in missing)),
                strict=True,
            )
        return self._merge(name, {family: found[family] for family in families})

    async def close(self) -> None:
        """No look-up runs any more, and the sockets of c-ares are closed. May be called twice."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        sources = [*self._retired, *([self._source] if self._source else [])]
        self._retired.clear()
        self._source = None
        for source in sources:
            await source.close()

    async def _look_up(self, key: tuple[str, Family], *, fresh: bool) -> _Entry:
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(self._ask(key, fresh=fresh))
            task.add_done_callback(lambda _: self._running.pop(key, None))
        # A caller that gives up must not take the answer from those who share it.
        return await asyncio.shield(task)

    async def _ask(self, key: tuple[str, Family], *, fresh: bool) -> _Entry:
        name, family = key
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                result = await self._channel(fresh=fresh).getaddrinfo(name, family=TYPE_OF[family])
        except TimeoutError:
            entry = self._failed(key, "no answer in time")
        except aiodns.error.DNSError as error:
            if error.args[0] in _NOT_THERE:
                entry = _Entry(_State.NOT_THERE, (), self._clock.monotonic() + NEGATIVE_TTL, str(error.args[-1]))
                self._bear_witness(name)
            else:
                entry = self._failed(key, str(error.args[-1]))
        except (OSError, pycares.AresError) as error:  # no descriptors for a channel
            entry = self._failed(key, str(error))
        else:
            entry = self._answered(name, family, result.nodes)
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > CACHE_LIMIT:
            self._entries.popitem(last=False)
        return entry

    def _answered(self, name: str, family: Family, nodes: Sequence[pycares.AddrInfoNode]) -> _Entry:
        ttls = [node.ttl for node in nodes]
        if any(ttls):  # 0: from /etc/hosts, which witnesses nothing
            self._bear_witness(name)
        kept = min(max(min(ttls, default=0), MIN_TTL), MAX_TTL)
        addresses = {spelt for node in nodes if (spelt := _spelling(node, family)) is not None}
        state = _State.ANSWERED if addresses else _State.NOT_THERE
        ordered = tuple(sorted(addresses, key=ipaddress.ip_address))
        return _Entry(state, ordered, self._clock.monotonic() + kept)

    def _failed(self, key: tuple[str, Family], detail: str) -> _Entry:
        known = self._entries.get(key)
        addresses = known.addresses if known is not None else ()
        return _Entry(_State.FAILED, addresses, self._clock.monotonic() + FAILURE_TTL, detail)

    def _merge(self, name: str, found: dict[Family, _Entry]) -> Resolution:
        addresses = tuple((family, address) for family, entry in found.items() for address in entry.addresses)
        failed = [entry for entry in found.values() if entry.state is _State.FAILED]
        detail = "; ".join(
            f"{family}: {entry.detail}" for family, entry in found.items() if entry.state is not _State.ANSWERED
        )
        if any(entry.state is _State.ANSWERED for entry in found.values()):
            return Resolution(Resolved.FRESH, addresses, detail)
        if not failed:
            return Resolution(Resolved.NO_SUCH_NAME, (), detail)
        if addresses:
            return Resolution(Resolved.STALE, addresses, detail)
        if self._works_without(name):
            return Resolution(Resolved.NAME_SERVER_FAILED, (), detail)
        return Resolution(Resolved.RESOLVER_FAILED, (), detail)

    def _bear_witness(self, name: str) -> None:
        """Keep the last two names that were answered: one of them is another one, whoever asks."""
        self._witnesses.pop(name, None)
        self._witnesses[name] = self._clock.monotonic()
        if len(self._witnesses) > 2:
            del self._witnesses[next(iter(self._witnesses))]

    def _works_without(self, name: str) -> bool:
        now = self._clock.monotonic()
        return any(other != name and now - at <= WITNESS_SECONDS for other, at in self._witnesses.items())

    def _channel(self, *, fresh: bool) -> aiodns.DNSResolver:
        """The channel to ask. c-ares has a cache of its own that nothing empties but a new channel, so for fresh
        answers, and after resolv.conf changed, there is a new one; at most one in MIN_TTL seconds.
        """
        now = self._clock.monotonic()
        if self._source is None or (now - self._born >= MIN_TTL and (fresh or self._changed())):
            if self._source is not None:
                self._retired.add(self._source)
                asyncio.get_running_loop().call_later(LOOK_UP_SECONDS + 1, self._retired.discard, self._source)
            self._changed()
            self._born = now
            self._source = aiodns.DNSResolver(
                self._servers or None,
                timeout=TRY_SECONDS,
                tries=TRIES,
                flags=_FLAGS,
                resolvconf_path=str(self._resolv_conf),
            )
        return self._source

    def _changed(self) -> bool:
        """Whether resolv.conf was written since the last time this was asked."""
        try:
            written = self._resolv_conf.stat().st_mtime_ns
        except OSError:
            written = 0
        changed, self._written = written != self._written, written
        return changed


def _spelling(node: pycares.AddrInfoNode, family: Family) -> str | None:
    """The address of a node, with its scope where it has one; None where it is no address of the family."""
    raw = node.addr[0]
    text = raw.decode("ascii") if isinstance(raw, bytes) else str(raw)
    scope = node.addr[3] if len(node.addr) > 3 else 0
    spelt = bare_address(f"{text}%{scope}" if scope else text)
    return spelt[1] if spelt is not None and spelt[0] is family else None
