"""From the facts of one port to its verdict: one pure function that reads like the table of proofs.

The proofs are those of a TCP SYN whose TTL expires on the last router before the server, and of the TTL with which
answers arrive: who answers, and from how far, tells whether the router forwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from portwatchd.model import (
    Answer,
    Distance,
    Family,
    HopEvidence,
    HopMethod,
    Outcome,
    Proof,
    Stage,
    Verdict,
    VerdictKind,
)

if TYPE_CHECKING:
    from portwatchd.diagnosis.faces import Face
    from portwatchd.model import Observation, Service


class Identity(StrEnum):
    """Whose answer it is, by certificate name and host key."""

    RIGHT = "right"
    OTHER = "other"
    NOT_KNOWN = "not_known"
    CHANGED = "changed"
    """The right machine by all other ports, and yet its SSH host key is a new one."""
    DOUBTFUL = "doubtful"
    """Nothing at this address shows the right machine, though it is known by what it would show itself."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the other ports say: a cause is read from their contrast."""

    server_answers: bool = False
    """Another port at this address was answered by the school's server."""
    forward_seen: bool = False
    """The router is seen to forward another port, behind which nothing answers."""
    silence_means_lost: bool = False
    """Silent ports of this address were proven, and all of them are not forwarded."""
    router_alive: bool = False
    """Something shows that the router lives: its own RST or ICMP, a time-exceeded, a ping."""
    stranger: bool = False
    """All that answers at this address is another machine's."""
    other_family_alive: bool = False
    """The server answers over the other address family."""
    distance: Distance = field(default_factory=Distance)
    router: str | None = None
    """The address of the last router before the server, where IPv6 showed it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one port when it is judged."""

    service: Service
    family: Family
    address: str
    observation: Observation
    hop: HopEvidence = field(default_factory=HopEvidence)
    identity: Identity = Identity.NOT_KNOWN
    control_lost: bool = False
    """The monitor cannot reach this port at a host that surely answers on it."""
    scene: Scene = field(default_factory=Scene)
    sibling: VerdictKind | None = None
    """What was proven of the same service over the other address family."""
    face: Face | None = None
    """The known device that the answer looks like; only where it is not the right machine's."""


_CLOSED = frozenset({VerdictKind.SERVICE_DOWN, VerdictKind.SERVER_FILTERED})
"""What an alias meets where every port is forwarded: the server has nothing on that port."""


_NOT_ACCEPTED = {Outcome.REFUSED, Outcome.REJECTED, Outcome.UNREACHABLE, Outcome.UNRESOLVED, Outcome.LOCAL_ERROR}


def connected(observation: Observation) -> bool:
    """Whether somebody accepted the connection, whatever was said afterwards."""
    if observation.outcome is Outcome.TIMEOUT:
        return observation.stopped not in {None, Stage.RESOLVE, Stage.CONNECT}
    return observation.outcome not in _NOT_ACCEPTED


def unanswered(observation: Observation) -> bool:
    """Whether a connect met silence, or a router's word that nobody is there."""
    early = observation.outcome is Outcome.TIMEOUT and not connected(observation)
    return early or observation.outcome is Outcome.UNREACHABLE


def judge(facts: Facts) -> Verdict:
    """Return the verdict on a port, with its proof. Total: every combination of facts has one."""
    seen = facts.observation
    if seen.void or seen.outcome in {Outcome.LOCAL_ERROR, Outcome.UNRESOLVED}:
        return Verdict(VerdictKind.UNKNOWN, Proof.NONE, seen.detail)
    verdict = _answered(facts) if connected(seen) else _failed(facts)
    if verdict.kind is VerdictKind.FORWARD_LOST and not facts.service.required:
        return Verdict(VerdictKind.UNUSED, verdict.proof, verdict.detail)
    if verdict.kind in _CLOSED and facts.service.alias_of is not None:
        return Verdict(VerdictKind.UNUSED, verdict.proof, "forwarded, but not to the port it is an alias of")
    return verdict


def forwarded(verdict: Verdict) -> bool | None:
    """Return whether the router forwards the port, as far as the verdict knows it."""
    match verdict.kind:
        case VerdictKind.FORWARD_LOST | VerdictKind.ROUTER_ANSWERS | VerdictKind.UNUSED:
            return False
        case VerdictKind.OK | VerdictKind.SERVICE_FAULTY | VerdictKind.WRONG_DEVICE:
            return True
        case VerdictKind.SERVICE_DOWN | VerdictKind.SERVER_FILTERED | VerdictKind.SERVER_DOWN:
            return True if verdict.proof in {Proof.HOP, Proof.ICMP} else None
        case VerdictKind.LINE_DOWN | VerdictKind.BLOCKED_HERE | VerdictKind.UNKNOWN:
            return None
        case _ as never:
            assert_never(never)


def expired_at_router(facts: Facts) -> bool:
    """Whether a time-exceeded came from the probed address itself: the router forwards the port (IPv4 only)."""
    reply = facts.hop.at_router
    return (
        facts.family is Family.IPV4
        and reply is not None
        and reply.answer is Answer.EXPIRED
        and reply.offender == facts.address
    )


def _answered(facts: Facts) -> Verdict:
    """Somebody accepted the connection: whose answer is it, and is it a proper one."""
    seen, hop = facts.observation, facts.hop
    face = facts.face.said.en if facts.face is not None else ""
    if hop.at_router is not None and hop.at_router.answer is Answer.CONNECTED and facts.family is Family.IPV4:
        return Verdict(VerdictKind.ROUTER_ANSWERS, Proof.HOP, face or "the router accepts the connection itself")
    if hop.same_machine is False:
        if facts.family is Family.IPV4 and not expired_at_router(facts) and _nobody_behind(facts):
            return Verdict(VerdictKind.ROUTER_ANSWERS, Proof.HOP, face or "the answer does not come from the server")
        return Verdict(
            VerdictKind.WRONG_DEVICE, Proof.HOP, face or "the answer comes from another machine than the server"
        )
    if facts.identity is Identity.OTHER:
        kind = VerdictKind.ROUTER_ANSWERS if _looks_like_the_router(facts) else VerdictKind.WRONG_DEVICE
        return Verdict(kind, Proof.IDENTITY, face or seen.detail or "another machine answers")
    if facts.identity is Identity.DOUBTFUL and seen.outcome is Outcome.OK:
        return Verdict(VerdictKind.UNKNOWN, Proof.NONE, "answers, but nothing shows that it is the school's server")
    if seen.outcome in {Outcome.OK, Outcome.CERTIFICATE_INVALID}:
        return Verdict(VerdictKind.OK, Proof.ANSWER, seen.detail)
    return Verdict(VerdictKind.SERVICE_FAULTY, Proof.ANSWER, seen.detail)


def _looks_like_the_router(facts: Facts) -> bool:
    """Whether a router's face shows where the router stands in the way, and no probe shows it behind a forward."""
    known = facts.face is not None and facts.face.router and facts.family is Family.IPV4
    return known and not expired_at_router(facts) and facts.hop.same_machine is not True


def _nobody_behind(facts: Facts) -> bool:
    """Whether the SYN that expires on the router met an answer of the router's own, or was not sent."""
    return facts.hop.at_router is None or facts.hop.at_router.answer in {Answer.RESET, Answer.REJECTED}


def _failed(facts: Facts) -> Verdict:
    """No connection came about: by hop, by ICMP, or by contrast with the other ports."""
    if facts.control_lost:
        return Verdict(VerdictKind.BLOCKED_HERE, Proof.CONTRAST, "the control of this port cannot be reached either")
    return _by_hop(facts) or _by_icmp(facts) or _by_contrast(facts)


def _by_hop(facts: Facts) -> Verdict | None:
    """Rules 1, 2, 6 and 8 of the proof: who answers at which distance."""
    outcome, hop = facts.observation.outcome, facts.hop
    if expired_at_router(facts):
        return _forwarded_yet_failed(facts)
    if facts.family is Family.IPV4 and hop.at_router is not None:
        match hop.at_router.answer:
            case Answer.CONNECTED:
                return Verdict(VerdictKind.ROUTER_ANSWERS, Proof.HOP, "the router accepts the connection itself")
            case Answer.RESET:
                return Verdict(VerdictKind.FORWARD_LOST, Proof.HOP, "the router resets the connection itself")
            case Answer.REJECTED if hop.at_router.offender == facts.address:
                return Verdict(VerdictKind.FORWARD_LOST, Proof.HOP, "the router rejects the connection itself")
            case Answer.SILENT if outcome is Outcome.TIMEOUT and hop.controlled and _would_show(facts.scene):
                return Verdict(
                    VerdictKind.FORWARD_LOST, Proof.HOP, "the router drops the connection: no trace of a forward"
                )
            case Answer.SILENT if outcome is Outcome.REFUSED and hop.controlled and hop.same_machine is False:
                return Verdict(
                    VerdictKind.SERVER_FILTERED, Proof.HOP, "refused from behind the router, not by the server"
                )
            case Answer.SILENT if outcome is Outcome.REFUSED and hop.controlled:
                return Verdict(VerdictKind.SERVICE_DOWN, Proof.HOP, "refused from behind the router")
            case Answer.SILENT if outcome is Outcome.REJECTED and hop.controlled:
                return Verdict(VerdictKind.SERVER_FILTERED, Proof.HOP, "rejected from behind the router")
            case _:
                pass
    return _who_refused(facts)


def _who_refused(facts: Facts) -> Verdict | None:
    """Rule 8: by the TTL with which a refusal arrives."""
    if facts.observation.outcome is not Outcome.REFUSED or facts.hop.same_machine is None:
        return None
    if not facts.hop.same_machine:
        return Verdict(VerdictKind.FORWARD_LOST, Proof.HOP, "refused by another machine than the server: the router")
    if facts.scene.stranger:
        return Verdict(VerdictKind.WRONG_DEVICE, Proof.HOP, "forwarded to another machine, which refuses")
    return Verdict(VerdictKind.SERVICE_DOWN, Proof.HOP, "the server itself refuses the connection")


def _would_show(scene: Scene) -> bool:
    """Whether a forwarded port would show a time-exceeded: from a router that sends none, silence says nothing."""
    return scene.server_answers and scene.distance.method is HopMethod.TIME_EXCEEDED


def _forwarded_yet_failed(facts: Facts) -> Verdict:
    """The router has the forward; what lies behind it fails."""
    match facts.observation.outcome:
        case Outcome.REFUSED if facts.hop.same_machine is False:
            return Verdict(VerdictKind.SERVER_FILTERED, Proof.HOP, "forwarded, and refused by a filter of the router")
        case Outcome.REFUSED if facts.scene.stranger:
            return Verdict(VerdictKind.WRONG_DEVICE, Proof.HOP, "forwarded to another machine, which refuses")
        case Outcome.REFUSED:
            return Verdict(VerdictKind.SERVICE_DOWN, Proof.HOP, "forwarded, and the server refuses")
        case Outcome.REJECTED:
            return Verdict(VerdictKind.SERVER_FILTERED, Proof.HOP, "forwarded, and rejected by a filter")
        case Outcome.UNREACHABLE if facts.scene.server_answers:
            return Verdict(VerdictKind.WRONG_DEVICE, Proof.HOP, "forwarded to an address where no machine answers")
        case _ if facts.scene.server_answers:
            return Verdict(VerdictKind.SERVER_FILTERED, Proof.HOP, "forwarded, and dropped behind the router")
        case _:
            return Verdict(VerdictKind.SERVER_DOWN, Proof.HOP, "forwarded, and no machine answers behind the router")


def _by_icmp(facts: Facts) -> Verdict | None:
    """What the ICMP answer and its sender prove alone."""
    seen, scene = facts.observation, facts.scene
    own = seen.offender == facts.address
    match seen.outcome:
        case Outcome.REJECTED if facts.family is Family.IPV6:
            if own:
                return Verdict(VerdictKind.SERVER_FILTERED, Proof.ICMP, "the server rejects the connection")
            return Verdict(VerdictKind.FORWARD_LOST, Proof.ICMP, f"rejected by the router {seen.offender}")
        case Outcome.REJECTED if own:
            return Verdict(VerdictKind.FORWARD_LOST, Proof.ICMP, "rejected from the router's address")
        case Outcome.REJECTED:
            return Verdict(VerdictKind.BLOCKED_HERE, Proof.ICMP, f"rejected on the way, by {seen.offender}")
        case Outcome.UNREACHABLE if facts.family is Family.IPV4 and own:
            if scene.server_answers:
                return Verdict(VerdictKind.WRONG_DEVICE, Proof.ICMP, "forwarded to an address where no machine answers")
            return Verdict(VerdictKind.SERVER_DOWN, Proof.ICMP, "the router says that the server cannot be reached")
        case Outcome.UNREACHABLE if not scene.server_answers:
            if facts.family is Family.IPV6 and (scene.router_alive or (scene.router and seen.offender == scene.router)):
                return Verdict(
                    VerdictKind.SERVER_DOWN, Proof.ICMP, f"the router {seen.offender} cannot reach the server"
                )
            return Verdict(VerdictKind.LINE_DOWN, Proof.ICMP, f"{seen.offender} on the way cannot reach the school")
        case _:
            return None


def _unproven(facts: Facts) -> bool:
    """Whether a silence could be proven, and is not: the router shows its forwards, but its ICMP is rate-limited."""
    silent = facts.family is Family.IPV4 and facts.observation.outcome is Outcome.TIMEOUT
    return silent and _would_show(facts.scene) and not facts.scene.silence_means_lost


def _by_contrast(facts: Facts) -> Verdict:
    """Only the other ports, and what was learnt before, are left to compare with."""
    scene = facts.scene
    if scene.server_answers and facts.sibling is VerdictKind.SERVER_FILTERED:
        return Verdict(VerdictKind.SERVER_FILTERED, Proof.CONTRAST, "dropped, as over the other address family")
    if _unproven(facts):
        return Verdict(VerdictKind.UNKNOWN, Proof.NONE, "silent, and not proven yet")
    if scene.server_answers:
        return Verdict(VerdictKind.FORWARD_LOST, Proof.CONTRAST, "other ports of the server answer, this one does not")
    if scene.forward_seen:
        return Verdict(VerdictKind.SERVER_DOWN, Proof.CONTRAST, "other ports are forwarded, and no machine answers")
    if scene.router_alive or facts.observation.outcome is Outcome.REFUSED:
        return Verdict(VerdictKind.FORWARD_LOST, Proof.CONTRAST, "the router lives, and nothing shows a forward")
    if scene.other_family_alive:
        return Verdict(
            VerdictKind.FORWARD_LOST, Proof.CONTRAST, "the server answers over the other address family only"
        )
    reply = facts.hop.at_router
    expected = scene.distance.method is HopMethod.TIME_EXCEEDED and reply is not None and reply.answer is Answer.SILENT
    return Verdict(VerdictKind.LINE_DOWN, Proof.HOP if expected else Proof.CONTRAST, "no sign of life from the router")
