"""Who answers at an address: a closer look where nothing shows the right machine, the SSH host key, and what is learnt.

A right certificate settles it, so most rounds ask nothing here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from portwatchd.diagnosis.faces import face_of
from portwatchd.diagnosis.identity import Key, Learnt, compare, identify, shows_right, software
from portwatchd.diagnosis.port import connected
from portwatchd.model import Depth, Outcome, Proof, Protocol, Security, Transition, VerdictKind
from portwatchd.rounds.memory import SeenKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from portwatchd.diagnosis.port import Identity
    from portwatchd.model import Observation, Service, Target
    from portwatchd.rounds.memory import Memory
    from portwatchd.rounds.reporting import Judged
    from portwatchd.rounds.tools import Round

HOST_KEY_EVERY = 300.0
"""Seconds between two questions for a host key to one school: OpenSSH punishes clients that never log in."""
HOST_KEY_HOLDS = 600.0
"""Seconds for which a host key vouches for answers that show nothing else: two addresses are asked in turn."""
HOST_KEY_TIMEOUT = 8.0
"""Seconds for one key exchange."""
FINGERPRINTS_LIMIT = 64
"""Certificates learnt of one school: more than it has TLS ports."""

ANOTHERS = frozenset({VerdictKind.WRONG_DEVICE, VerdictKind.ROUTER_ANSWERS})

Seen = dict["Target", "Observation"]


def learnt(running: Round) -> Learnt:
    """Return what is known of the right machine."""
    memory = running.memory
    by_name = bool(memory.named) and bool(running.school.server_name)
    return Learnt(by_name, memory.host_key, memory.software, frozenset(memory.fingerprints))


async def look_closer(running: Round, seen: Seen, depth: Depth) -> Seen:
    """Ask more where an address shows no right certificate though one was learnt, before anything there counts as up.

    Services with an upgrade are asked for their certificate, and SSH for its host key. In an audit one host key is
    asked for in any case.
    """
    known = learnt(running)
    doubtful = {t.address for t in seen if t.family not in running.cut} if known.anything else set()
    doubtful -= {t.address for t, o in seen.items() if shows_right(t, o, known)}
    if doubtful:
        seen = await _certificates(running, seen, doubtful)
        doubtful -= {t.address for t, o in seen.items() if shows_right(t, o, known)}
    doubtful |= _to_compare(running.memory, known)
    await _host_key(running, seen, doubtful, audit=depth is Depth.AUDIT)
    return seen


def nothing_to_ask(running: Round, seen: Mapping[Target, Observation]) -> bool:
    """Whether a closer look would ask nothing of what was seen, and so nothing of the same seen again."""
    known = learnt(running)
    right = {t.address for t, o in seen.items() if shows_right(t, o, known)}
    certain = not known.anything or all(target.address in right for target in seen)
    return certain and not _to_compare(running.memory, known)


def _to_compare(memory: Memory, known: Learnt) -> set[str]:
    """Return the addresses with a new host key, and those that showed the learnt one before: perhaps they still do."""
    new = {address: one for address, one in memory.host_keys.items() if compare(one.fingerprint, known) is Key.CHANGED}
    latest = max((one.since for one in new.values()), default=0.0)
    before = {a for a, one in memory.host_keys.items() if one.fingerprint == known.host_key and one.at <= latest}
    return before | new.keys()


async def _certificates(running: Round, seen: Seen, doubtful: Iterable[str]) -> Seen:
    """Ask services that offer an upgrade for the certificate behind it; an answer that is none changes nothing."""
    deeper: Seen = {}
    for target, observation in seen.items():
        deeper[target] = observation
        upgrades = target.service.security is Security.STARTTLS and target.depth is Depth.WATCH
        if target.address not in doubtful or not upgrades or observation.outcome is not Outcome.OK:
            continue
        deep = replace(target, depth=Depth.AUDIT, known=None)
        again = await running.observe(deep)
        if connected(again):
            del deeper[target]
            deeper[deep] = again
    return deeper


async def _host_key(running: Round, seen: Seen, doubtful: set[str], *, audit: bool) -> None:
    """Ask one address for its host key, where that is due: a doubtful one first, then the one not asked for longest."""
    memory, clock = running.memory, running.tools.clock
    now = clock.wall()
    for address in [a for a in memory.host_keys if a not in {t.address for t in seen}]:
        del memory.host_keys[address]
    wanted = {t: o for t, o in seen.items() if _speaks_ssh(t, o) and (audit or t.address in doubtful)}
    if not wanted or (memory.host_key_at is not None and 0 <= now - memory.host_key_at < HOST_KEY_EVERY):
        return

    def turn(target: Target) -> tuple[bool, float]:
        last = memory.host_keys.get(target.address)
        return target.address not in doubtful, last.at if last else 0.0

    target = min(wanted, key=turn)
    pace = running.tools.settings.ssh_pace
    await clock.sleep(min(pace, max(0.0, wanted[target].at + pace - now)))
    memory.host_key_at = clock.wall()
    async with running.permits, running.tools.waiters:
        key = await running.tools.network.host_key(target.address, target.port, seconds=HOST_KEY_TIMEOUT)
    if key is not None:
        last = memory.host_keys.get(target.address)
        since = last.since if last is not None and last.fingerprint == key else memory.host_key_at
        memory.host_keys[target.address] = SeenKey(key, memory.host_key_at, wanted[target].banner.shown(), since)


def _speaks_ssh(target: Target, observation: Observation) -> bool:
    return target.service.protocol is Protocol.SSH and observation.outcome is Outcome.OK


def recognise(running: Round, seen: Mapping[Target, Observation]) -> dict[Target, Identity]:
    """Return whose answers they are."""
    known = learnt(running)
    keys = _keys(running, seen, known)
    memory = running.memory
    changed = {address for address, key in keys.items() if compare(key, known) is Key.CHANGED}
    contradicted = {address for address in changed if _contradicted(memory, address, known)}
    return identify(seen, known, keys, contradicted)


def _keys(running: Round, seen: Mapping[Target, Observation], known: Learnt) -> dict[str, str]:
    """Return the host keys that hold now, by address: while the same identification comes with them.

    A key that was right vouches for a while only; one that was wrong counts until another is seen.
    """
    now, keys = running.tools.clock.wall(), {}
    for target, observation in seen.items():
        last = running.memory.host_keys.get(target.address)
        if last is None or not _speaks_ssh(target, observation) or observation.banner.shown() != last.banner:
            continue
        changed = compare(last.fingerprint, known) is Key.CHANGED
        if changed or 0 <= now - last.at <= HOST_KEY_HOLDS:
            keys[target.address] = last.fingerprint
    return keys


def _contradicted(memory: Memory, address: str, known: Learnt) -> bool:
    """Whether another address showed the learnt key after another one appeared at this address."""
    since = memory.host_keys[address].since
    others = [one for other, one in memory.host_keys.items() if other != address]
    return any(one.fingerprint == known.host_key and one.at > since for one in others)


def learn(running: Round, judged: Sequence[Judged], depth: Depth) -> None:
    """Learn what the right machine shows, at each address where an audit found all that answers to be the school's."""
    addresses = dict.fromkeys(one.address for one in judged) if depth is Depth.AUDIT else {}
    for address in addresses:
        here = {o.service.name: o for o in judged if o.address == address and o.observation is not None}
        if not any(one.verdict.kind in ANOTHERS for one in here.values()):
            _learn(running, address, [one for one in here.values() if one.verdict.kind is VerdictKind.OK])


def _learn(running: Round, address: str, well: Sequence[Judged]) -> None:
    memory, known = running.memory, learnt(running)
    ssh = next((one for one in well if one.service.protocol is Protocol.SSH), None)
    last = memory.host_keys.get(address)
    seen = [one.observation for one in well if one.observation is not None and face_of(one.observation) is None]
    certificates = [observation.certificate for observation in seen if observation.certificate is not None]
    if ssh is None or ssh.observation is None or last is None or not certificates:
        return
    if last.banner != ssh.observation.banner.shown() or ssh.observation not in seen:
        return
    named = bool(running.school.server_name) and any(one.names_match for one in certificates)
    shown = {one.fingerprint_sha256 for one in certificates}
    # By name where there is one; else the first sight is taken for the right machine, then what vouches for the other.
    if not named and (known.by_name or not _vouched(known, shown, last.fingerprint)):
        return
    if known.host_key not in {None, last.fingerprint}:
        if _unsettled(memory, address, known):
            return
        running.events.append(_changed(running, ssh.service, known.host_key, last.fingerprint))
    memory.host_key, memory.software = last.fingerprint, software(ssh.observation.banner)
    if not named:
        memory.fingerprints = set(sorted(shown)[:FINGERPRINTS_LIMIT])


def _unsettled(memory: Memory, address: str, known: Learnt) -> bool:
    """Whether an address that showed the learnt key was not asked again since another one appeared at this address."""
    since = memory.host_keys[address].since
    others = [one for other, one in memory.host_keys.items() if other != address]
    return any(one.fingerprint == known.host_key and one.at <= since for one in others)


def _vouched(known: Learnt, shown: set[str], host_key: str) -> bool:
    return not known.anything or bool(shown & known.fingerprints) or host_key == known.host_key


def _changed(running: Round, service: Service, before: str | None, after: str) -> Transition:
    """The event of a host key that changed on the right machine: no family, for it is the machine's."""
    detail = "the SSH host key has changed, the certificates are still the school's"
    now, name = running.tools.clock.wall(), running.school.name
    return Transition(now, name, None, service.name, service.port, before, after, Proof.IDENTITY, detail)
