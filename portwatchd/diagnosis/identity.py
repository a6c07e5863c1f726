"""Whose answer it is, without a login: by the certificate's name, the SSH host key, and the faces of known devices."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from portwatchd.diagnosis.faces import face_of
from portwatchd.diagnosis.port import Identity, connected
from portwatchd.model import Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from portwatchd.diagnosis.faces import Face
    from portwatchd.model import Foreign, Observation, Target

_SOFTWARE = re.compile(rb"SSH-[0-9.]+-([A-Za-z]+)[^ ]*(?: ([A-Za-z]+))?")


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is known of the right machine."""

    by_name: bool = False
    """A certificate for the school's name was seen."""
    host_key: str | None = None
    software: str = ""
    """What spoke SSH there, as `software` tells it."""
    fingerprints: frozenset[str] = frozenset()
    """The certificates of a machine that shows no name of the school's."""

    @property
    def anything(self) -> bool:
        """Whether another machine could be told from the right one."""
        return self.by_name or bool(self.fingerprints)


class Key(Enum):
    """How the host key of an address compares with the learnt one."""

    SAME = auto()
    CHANGED = auto()
    NOT_KNOWN = auto()


class _Shown(Enum):
    """What the certificate of one port shows."""

    RIGHT = auto()
    STRANGE = auto()
    NOTHING = auto()


@dataclass(slots=True)
class _Place:
    """One address while its answers are compared."""

    seen: dict[Target, Observation] = field(default_factory=dict)
    shown: dict[Target, _Shown] = field(default_factory=dict)
    key: Key = Key.NOT_KNOWN
    contradicted: bool = False
    vouched: frozenset[str] = frozenset()
    """Wrong certificates of the right machine: an address shows them together with its host key."""

    def certificates(self) -> frozenset[str]:
        """Return the fingerprints shown here, where none of the certificates is right."""
        if self.right:
            return frozenset()
        return frozenset(o.certificate.fingerprint_sha256 for o in self.seen.values() if o.certificate is not None)

    @property
    def right(self) -> bool:
        return _Shown.RIGHT in self.shown.values()

    def face(self, target: Target) -> Face | None:
        """Return the face that a port shows, unless the right machine shows it too: somebody's server is a NAS."""
        face = face_of(self.seen[target])
        if face is None or any(face_of(o) is face for t, o in self.seen.items() if self.shown[t] is _Shown.RIGHT):
            return None
        return face


def software(banner: Foreign) -> str:
    """Return what speaks SSH, without versions, which every update changes: `OpenSSH Debian`, `dropbear`."""
    match = _SOFTWARE.match(banner.raw)
    return " ".join(part.decode() for part in match.groups() if part) if match else ""


def shows_right(target: Target, observation: Observation, learnt: Learnt) -> bool:
    """Whether a certificate is the school's: made for its name, or known where there is no name to go by."""
    certificate = observation.certificate
    if certificate is None:
        return False
    named = bool(target.server_name) and certificate.names_match
    return named or (not learnt.by_name and certificate.fingerprint_sha256 in learnt.fingerprints)


def compare(key: str | None, learnt: Learnt) -> Key:
    """Compare the host key of an address with the learnt one."""
    if key is None or learnt.host_key is None:
        return Key.NOT_KNOWN
    return Key.SAME if key == learnt.host_key else Key.CHANGED


def identify(
    seen: Mapping[Target, Observation],
    learnt: Learnt,
    keys: Mapping[str, str] | None = None,
    contradicted: AbstractSet[str] = frozenset(),
) -> dict[Target, Identity]:
    """Return the identity behind each port; `keys` are the SSH host keys that hold now, by address.

    `contradicted` are addresses with a new host key while another address went on showing the learnt one.

    One odd certificate among right ones is another machine's. Wrong names everywhere are a badly named server as long
    as the right name was never seen, or where the host key is still the learnt one; else they are a stranger's, and
    nothing that answers at that address is the school's. Without a name to go by, certificates and host key must have
    changed together. An answer at an address that shows neither certificate nor host key, though they were learnt,
    is doubtful.
    """
    places: dict[str, _Place] = {}
    for target, observation in seen.items():
        key = compare((keys or {}).get(target.address), learnt)
        place = places.setdefault(target.address, _Place(key=key, contradicted=target.address in contradicted))
        place.seen[target] = observation
        place.shown[target] = _show(target, observation, learnt)
    right_somewhere = any(place.right for place in places.values())
    vouched = frozenset(one for place in places.values() if place.key is Key.SAME for one in place.certificates())
    found: dict[Target, Identity] = {}
    for place in places.values():
        place.vouched = vouched
        here = {t: _of(t, o, place, learnt, right_somewhere=right_somewhere) for t, o in place.seen.items()}
        _whole_address(place, here, learnt)
        found |= here
    _aliases(seen, found)
    return {target: found[target] for target in seen}


def _show(target: Target, observation: Observation, learnt: Learnt) -> _Shown:
    if observation.certificate is None:
        return _Shown.NOTHING
    return _Shown.RIGHT if shows_right(target, observation, learnt) else _Shown.STRANGE


def _of(
    target: Target,
    observation: Observation,
    place: _Place,
    learnt: Learnt,
    *,
    right_somewhere: bool,
) -> Identity:
    """Return the identity of one port beside the others of its address."""
    shown = place.shown[target]
    if shown is _Shown.RIGHT:
        return Identity.RIGHT
    if not connected(observation):
        return Identity.NOT_KNOWN
    face = place.face(target)
    if face is not None and (face.router or learnt.by_name or (right_somewhere and target.server_name)):
        return Identity.OTHER
    if shown is _Shown.STRANGE:
        if observation.certificate is not None and observation.certificate.fingerprint_sha256 in place.vouched:
            return Identity.OTHER if place.right else Identity.NOT_KNOWN
        return _strange(target, place, learnt, right_somewhere=right_somewhere)
    if target.service.protocol is not Protocol.SSH or place.key is Key.NOT_KNOWN:
        return Identity.NOT_KNOWN
    if place.key is Key.SAME:
        return Identity.RIGHT
    if not place.right:
        return Identity.NOT_KNOWN
    # A new key alone is what a reinstalled server shows; another software with another key is another machine.
    other = place.contradicted or software(observation.banner) != learnt.software
    return Identity.OTHER if other else Identity.CHANGED


def _strange(target: Target, place: _Place, learnt: Learnt, *, right_somewhere: bool) -> Identity:
    if not target.server_name or (not right_somewhere and not learnt.by_name):
        return Identity.OTHER if place.key is Key.CHANGED and not place.right else Identity.NOT_KNOWN
    if place.right:
        return Identity.OTHER
    return Identity.NOT_KNOWN if place.key is Key.SAME else Identity.OTHER


def _whole_address(place: _Place, here: dict[Target, Identity], learnt: Learnt) -> None:
    """What answers at a stranger's address is the stranger's, whatever it shows; and where nothing shows, doubtful."""
    if Identity.RIGHT in here.values():
        return
    answering = {target: observation for target, observation in place.seen.items() if connected(observation)}
    routers = {t for t, o in answering.items() if (face := face_of(o)) is not None and face.router}
    certified = any(o.certificate is not None for t, o in answering.items() if t not in routers)
    stranger = any(here[target] is Identity.OTHER for target in answering if target not in routers)
    if stranger or (learnt.by_name and place.key is Key.CHANGED):
        here |= dict.fromkeys(answering, Identity.OTHER)
    elif learnt.anything and not certified:
        here |= {t: Identity.DOUBTFUL for t in answering if here[t] is Identity.NOT_KNOWN}


def _aliases(seen: Mapping[Target, Observation], found: dict[Target, Identity]) -> None:
    """An alias must show the very certificate of the service it stands for, where that one shows one."""
    shown = {(t.address, t.service.name): o.certificate for t, o in seen.items()}
    for target, observation in seen.items():
        original = shown.get((target.address, target.service.alias_of or ""))
        if original is None or observation.certificate is None:
            continue
        same = original.fingerprint_sha256 == observation.certificate.fingerprint_sha256
        if not same and found[target] is not Identity.RIGHT:
            found[target] = Identity.OTHER
