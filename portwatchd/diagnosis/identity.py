"""Whose answer it is, without a login: one certificate for the school's name, on whichever port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portwatchd.diagnosis.port import Identity, connected

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from portwatchd.model import Family, Observation, Target


def identify(
    seen: Mapping[Target, Observation],
    named: AbstractSet[tuple[Family, str]],
) -> dict[Target, Identity]:
    """Return the identity behind each port.

    `named` are the ports that once showed the right name. One odd certificate among right ones is another machine's;
    wrong names everywhere are a badly named server as long as the right name was never seen. An address that shows
    only strange certificates is a stranger's: nothing that answers there is the school's.
    """
    right_somewhere = any(_matches(observation) for observation in seen.values())
    verdicts = {target: _of(observation, right_somewhere, bool(named)) for target, observation in seen.items()}
    for address in {target.address for target in seen}:
        here = {verdicts[target] for target in seen if target.address == address}
        if Identity.OTHER in here and Identity.RIGHT not in here:
            for target, observation in seen.items():
                if target.address == address and connected(observation):
                    verdicts[target] = Identity.OTHER
    _aliases(seen, verdicts)
    return verdicts


def _matches(observation: Observation) -> bool:
    return observation.certificate is not None and observation.certificate.names_match


def _of(observation: Observation, right_somewhere: bool, named_before: bool) -> Identity:  # noqa: FBT001 - two plain facts
    if observation.certificate is None:
        return Identity.NOT_KNOWN
    if observation.certificate.names_match:
        return Identity.RIGHT
    return Identity.OTHER if right_somewhere or named_before else Identity.NOT_KNOWN


def _aliases(seen: Mapping[Target, Observation], verdicts: dict[Target, Identity]) -> None:
    """An alias must show the very certificate of the service it stands for, where that one shows one."""
    shown = {(t.address, t.service.name): o.certificate for t, o in seen.items()}
    for target, observation in seen.items():
        original = shown.get((target.address, target.service.alias_of or ""))
        if original is None or observation.certificate is None:
            continue
        same = original.fingerprint_sha256 == observation.certificate.fingerprint_sha256
        if not same and verdicts[target] is not Identity.RIGHT:
            verdicts[target] = Identity.OTHER
