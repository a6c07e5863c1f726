"""Who answers at an address: a closer look where nothing shows the right machine, the SSH host key, and what is learnt.

A right certificate settles it, so most rounds ask nothing here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from portwatchd.diagnosis.faces import face_of
from portwatchd.diagnosis.identity import Key, Learnt, compare, identify, shows_right, software
from portwatchd.diagnosis.port import Identity, connected
from portwatchd.model import Depth, Outcome, Proof, Protocol, Security, Transition
from portwatchd.rounds.memory import SeenKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from portwatchd.model import Observation, Target
    from portwatchd.rounds.tools import Round

HOST_KEY_EVERY = 300.0
"""Seconds between two questions for a host key to one school: OpenSSH punishes clients that never log in."""
HOST_KEY_HOLDS = 600.0
"""Seconds for which a host key vouches for answers that show nothing else: two addresses are asked in turn."""
SSH_PACE = 5.0
"""Seconds after another connection to an SSH server; faster ones add up to a penalty (PerSourcePenalties)."""
HOST_KEY_TIMEOUT = 8.0
"""Seconds for one key exchange."""
FINGERPRINTS_LIMIT = 64
"""Certificates learnt of one school: more than it has TLS ports."""

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
    await _host_key(running, seen, doubtful, audit=depth is Depth.AUDIT)
    return seen


async def _certificates(running: Round, seen: Seen, doubtful: Iterable[str]) -> Seen:
    """Ask services that offer an upgrade for the certificate behind it; an answer that is none changes nothing."""
    deeper: Seen = {}
    for target, observation in seen.items():
        deeper[target] = observation
        upgrades = target.service.security is Security.STARTTLS and target.depth is Depth.WATCH
        if target.address not in doubtful or not upgrades or observation.outcome is not Outcome.OK:
            continue
        deep = replace(target, depth=Depth.AUDIT)
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
    await clock.sleep(min(SSH_PACE, max(0.0, wanted[target].at + SSH_PACE - now)))
    memory.host_key_at = clock.wall()
    async with running.permits, running.tools.permits:
        key = await running.tools.network.host_key(target.address, target.port, seconds=HOST_KEY_TIMEOUT)
    if key is not None:
        memory.host_keys[target.address] = SeenKey(key, memory.host_key_at, wanted[target].banner.shown())


def _speaks_ssh(target: Target, observation: Observation) -> bool:
    return target.service.protocol is Protocol.SSH and observation.outcome is Outcome.OK


def recognise(running: Round, seen: Mapping[Target, Observation], depth: Depth) -> dict[Target, Identity]:
    """Return whose answers they are, and learn from an audit what the right machine shows."""
    known = learnt(running)
    keys = _keys(running, seen, known)
    identities = identify(seen, known, keys)
    if depth is not Depth.AUDIT:
        return identities
    for address in dict.fromkeys(target.address for target in seen):
        here = {target: observation for target, observation in seen.items() if target.address == address}
        if _learn(running, here, identities, known):
            return identify(seen, learnt(running), keys)
    return identities


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


def _learn(running: Round, here: Seen, identities: Mapping[Target, Identity], known: Learnt) -> bool:
    """Learn host key and certificates of an address in an audit that found it healthy; whether anything is new."""
    memory = running.memory
    ssh = next((target for target, observation in here.items() if _speaks_ssh(target, observation)), None)
    certified = {t: o for t, o in here.items() if o.certificate is not None and face_of(o) is None}
    last = memory.host_keys.get(ssh.address) if ssh is not None else None
    if ssh is None or last is None or last.at != memory.host_key_at or not certified:
        return False
    if Identity.OTHER in {identities[target] for target in here} or face_of(here[ssh]) is not None:
        return False
    named = {t for t, o in certified.items() if t.server_name and o.certificate and o.certificate.names_match}
    right = any(shows_right(t, o, known) for t, o in certified.items())
    # By name where there is one; else the first sight is taken for the right machine, then what vouches for the other.
    if not named and (known.by_name or (known.anything and not right and last.fingerprint != known.host_key)):
        return False
    if known.host_key not in {None, last.fingerprint}:
        running.events.append(_changed(running, ssh, known.host_key, last.fingerprint))
    before = (memory.host_key, memory.software, set(memory.fingerprints))
    memory.host_key, memory.software = last.fingerprint, software(here[ssh].banner)
    if not named:
        shown = {o.certificate.fingerprint_sha256 for o in certified.values() if o.certificate is not None}
        memory.fingerprints = set(sorted(shown)[:FINGERPRINTS_LIMIT])
    return before != (memory.host_key, memory.software, memory.fingerprints)


def _changed(running: Round, ssh: Target, before: str | None, after: str) -> Transition:
    """The event of a host key that changed on the right machine: no family, for it is the machine's."""
    detail = "the SSH host key has changed, the certificates are still the school's"
    name, service = running.school.name, ssh.service
    return Transition(
        running.tools.clock.wall(), name, None, service.name, service.port, before, after, Proof.IDENTITY, detail
    )
