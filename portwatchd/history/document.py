"""The memory of one school as one compact JSON text, and back: what of it outlives the process, and what does not.

Not kept: evidence and healthy ports, which hold for a round or two, and monotonic times, which end with the machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from portwatchd.history import fields
from portwatchd.history.fields import Unknown, entries, maybe, number, text, truth, whole_number, word
from portwatchd.model import Certificate, DiagnosisKind, Distance, HopMethod, Outcome, Standing, VerdictKind
from portwatchd.rounds.memory import Key, Memory, SeenKey

VERSION = 1
"""Raised only when an older daemon could no longer read the fields it knows; a new field does not raise it."""

ROW = 6
"""Facts in the row of a port; two more while a veil hides what is believed."""

_OUTCOMES: Mapping[str, Outcome] = {kind.value: kind for kind in Outcome}
_VERDICTS: Mapping[str, VerdictKind] = {kind.value: kind for kind in VerdictKind}
_DIAGNOSES: Mapping[str, DiagnosisKind] = {kind.value: kind for kind in DiagnosisKind}
_METHODS: Mapping[str, HopMethod] = {kind.value: kind for kind in HopMethod}
RANGE_STEP = 10
"""Ports of a range that are newly known, and forwarded, before a memory is worth writing for their sake."""


class Damaged(Exception):
    """A text that is no memory of a school."""


def write(memory: Memory) -> str:
    """Return what is kept of a memory. What is empty is left out, and what ports have in common is written once."""
    certificates: dict[Certificate, int] = {}
    policies: dict[tuple[str, ...], int] = {}
    kept = {
        "version": VERSION,
        "ports": {fields.key_text(key): _row(memory, key, certificates, policies) for key in _keys(memory)},
        "certificates": [_certificate_facts(certificate) for certificate in certificates],
        "policies": list(policies),
        "diagnosis": _standing(memory.diagnosis) if memory.diagnosis else None,
        "addresses": memory.addresses,
        "changes": memory.changes,
        "distances": {
            address: (one.hops, one.arriving, one.method, one.router) for address, one in memory.distances.items()
        },
        "ranges": {fields.key_text(key): fields.runs(state) for key, state in memory.ranges.items()},
        "cursors": {fields.key_text(key): cursor for key, cursor in memory.cursors.items()},
        "searched_at": memory.searched_at,
        "swept_at": memory.swept_at,
        "canaries_at": memory.canaries_at,
        "exposed": memory.exposed,
        "host_key": memory.host_key,
        "host_key_at": memory.host_key_at,
        "host_keys": {
            address: (one.fingerprint, one.at, one.banner, one.since) for address, one in memory.host_keys.items()
        },
        "software": memory.software or None,
        "fingerprints": sorted(memory.fingerprints),
        "audit_due": memory.audit_due,
    }
    return json.dumps(
        {name: value for name, value in kept.items() if value is not None and value not in ({}, [])},
        separators=(",", ":"),
    )


def mark(memory: Memory) -> tuple[object, ...]:
    """Return what tells whether a memory is worth writing again, in a few microseconds and little space.

    Equal marks mean an equal text but for the cursors of ranges, the times of host keys, and the last few ports of a
    range that were seen to be forwarded. They move every few minutes, and are written along with the rest, an audit
    later at most: most of the disk's work.
    """
    dicts: tuple[Mapping[Any, object], ...] = (
        memory.standings,
        memory.outcomes,
        memory.addresses,
        memory.changes,
        memory.distances,
        memory.canaries_at,
        memory.exposed,
        memory.policies,
        memory.certificates,
    )
    return (
        *((*one, *one.values()) for one in dicts),
        *(
            (key, len(state) // RANGE_STEP, *(port for port, forwarded in state.items() if not forwarded))
            for key, state in memory.ranges.items()
        ),
        *((address, one.fingerprint) for address, one in memory.host_keys.items()),
        tuple(memory.named),
        tuple(memory.fingerprints),
        memory.diagnosis,
        memory.searched_at,
        memory.swept_at,
        memory.host_key,
        memory.software,
        memory.audit_due,
    )


def veils(memory: Memory) -> dict[Key | None, float]:
    """Return since when it is hidden what is believed of ports (None: of all), because the fault is the monitor's."""
    whole = memory.diagnosis.veiled_since if memory.diagnosis and memory.diagnosis.veil else None
    found: dict[Key | None, float] = {
        key: one.veiled_since
        for key, one in memory.standings.items()
        if one.veil is not None and one.veiled_since != whole
    }
    return found if whole is None else {None: whole, **found}


def read(document: str) -> Memory:
    """Return the memory that a text holds, or raise Damaged. What only a newer version knows is left out."""
    try:
        raw = json.loads(document, parse_constant=_no_number)
        if whole_number(raw["version"]) < 1:
            raise ValueError(f"version {raw['version']}")
        return _memory(raw)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error


def _memory(raw: dict[str, Any]) -> Memory:
    memory = Memory(
        diagnosis=_diagnosis(raw.get("diagnosis")),
        addresses=entries(raw.get("addresses", {}), fields.family, lambda one: tuple(map(text, one))),
        changes=entries(raw.get("changes", {}), fields.family, whole_number),
        distances=entries(raw.get("distances", {}), text, _distance),
        ranges=entries(raw.get("ranges", {}), fields.key, fields.ports),
        cursors=entries(raw.get("cursors", {}), fields.key, whole_number),
        searched_at=maybe(raw.get("searched_at"), number),
        swept_at=maybe(raw.get("swept_at"), number),
        canaries_at=entries(raw.get("canaries_at", {}), fields.family, number),
        exposed=entries(raw.get("exposed", {}), fields.family, truth),
        host_key=maybe(raw.get("host_key"), text),
        host_key_at=maybe(raw.get("host_key_at"), number),
        host_keys=entries(raw.get("host_keys", {}), text, _seen_key),
        software=text(raw.get("software", "")),
        fingerprints=set(map(text, raw.get("fingerprints", ()))),
        audit_due=maybe(raw.get("audit_due"), number),
    )
    certificates = [_certificate(one) for one in raw.get("certificates", ())]
    policies = [fields.facts(one) for one in raw.get("policies", ())]
    for name, row in raw.get("ports", {}).items():
        try:
            key = fields.key(name)
        except Unknown:
            continue
        believed, since, outcome, certificate, policy, named = row[:ROW]
        # The usual row needs no more than this; half a second for 10,000 schools.
        kind = _VERDICTS.get(believed)
        if kind is not None and type(since) is float and len(row) == ROW:
            memory.standings[key] = Standing(kind, since)
        elif since is not None:
            _believe(memory, key, (believed, since, *row[ROW:]))
        if outcome in _OUTCOMES:
            memory.outcomes[key] = _OUTCOMES[outcome]
        if certificate is not None:
            memory.certificates[key] = certificates[certificate]
        if policy is not None:
            memory.policies[key] = policies[policy]
        if named:
            memory.named.add(key)
    return memory


def _keys(memory: Memory) -> Iterable[Key]:
    """Every key that a row is written for, the usual ones first."""
    return dict.fromkeys([*memory.standings, *memory.outcomes, *memory.certificates, *memory.policies, *memory.named])


def _row(
    memory: Memory,
    key: Key,
    certificates: dict[Certificate, int],
    policies: dict[tuple[str, ...], int],
) -> tuple[object, ...]:
    """Return what is kept of a port: belief, since, outcome, number of certificate and of policies, named; a veil."""
    standing, certificate, facts = (
        memory.standings.get(key),
        memory.certificates.get(key),
        memory.policies.get(key),
    )
    believed, since, *veil = _standing(standing) if standing else (None, None)
    return (
        believed,
        since,
        memory.outcomes.get(key),
        None if certificate is None else certificates.setdefault(certificate, len(certificates)),
        None if facts is None else policies.setdefault(tuple(map(fields.fact_text, facts)), len(policies)),
        int(key in memory.named),
        *veil,
    )


def _standing(one: Standing[VerdictKind] | Standing[DiagnosisKind]) -> tuple[object, ...]:
    if one.veil is None and not one.veiled_since:
        return one.believed, one.since
    return one.believed, one.since, one.veil, one.veiled_since


def _believe(memory: Memory, key: Key, raw: tuple[Any, ...]) -> None:
    try:
        memory.standings[key] = _belief(raw, _VERDICTS)
    except Unknown:
        return


def _diagnosis(raw: list[Any] | None) -> Standing[DiagnosisKind] | None:
    try:
        return None if raw is None else _belief(raw, _DIAGNOSES)
    except Unknown:
        return None


def _belief(raw: tuple[Any, ...] | list[Any], words: Mapping[str, fields.Kind]) -> Standing[Any]:
    believed = None if raw[0] is None else word(words, raw[0])
    if len(raw) == 2:
        return Standing(believed, number(raw[1]))
    return Standing(believed, number(raw[1]), None if raw[2] is None else word(words, raw[2]), number(raw[3]))


def _distance(raw: list[Any]) -> Distance:
    hops, arriving, method, router = raw[:4]
    return Distance(
        maybe(hops, whole_number),
        maybe(arriving, whole_number),
        word(_METHODS, method),
        maybe(router, text),
    )


def _seen_key(raw: list[Any]) -> SeenKey:
    fingerprint, at, banner, since = raw[:4]
    return SeenKey(text(fingerprint), number(at), text(banner), number(since))


def _certificate_facts(c: Certificate) -> tuple[object, ...]:
    facts = (c.subject, c.issuer, c.san, c.not_before, c.not_after, c.fingerprint_sha256)
    return *facts, c.valid, c.reason, c.names_match


def _certificate(raw: list[Any]) -> Certificate:
    subject, issuer, san, begins, ends, fingerprint, valid, reason, names_match = raw[:9]
    return Certificate(
        subject=text(subject),
        issuer=text(issuer),
        san=tuple(map(text, san)),
        not_before=number(begins),
        not_after=number(ends),
        fingerprint_sha256=text(fingerprint),
        valid=truth(valid),
        reason=text(reason),
        names_match=truth(names_match),
    )


def _no_number(raw: str) -> NoReturn:
    raise ValueError(f"{raw} is no number")
