"""Facts made by hand and at random for the tests of what judges them."""

from hypothesis import strategies as st

from portwatchd.diagnosis.faces import FACES
from portwatchd.diagnosis.port import Facts, Identity, Scene
from portwatchd.model import (
    Answer,
    Certificate,
    Distance,
    Family,
    HopEvidence,
    HopMethod,
    HopReply,
    Observation,
    Outcome,
    Protocol,
    Service,
    Stage,
    VerdictKind,
)

ADDRESS = {Family.IPV4: "198.51.100.2", Family.IPV6: "2001:db8::2"}
ROUTER6 = "2001:db8::1"
PROVIDER = {Family.IPV4: "203.0.113.1", Family.IPV6: "2001:db8:ffff::1"}
SMTP = Service("smtp", Protocol.SMTP, 25, 25)
LDAPS = Service("ldaps", Protocol.LDAPS, 10636, 10636)
OPTIONAL = Service("vpn", Protocol.TCP, 51443, 51443, required=False)
ALIAS = Service("ldaps-alias", Protocol.LDAPS, 636, 636, required=False, alias_of="ldaps")
SERVICES = (SMTP, OPTIONAL, ALIAS)

NO_CONNECTION = {Outcome.REFUSED, Outcome.REJECTED, Outcome.UNREACHABLE, Outcome.TIMEOUT}


def seen(
    outcome: Outcome, stopped: Stage | None = None, offender: str | None = None, *, void: bool = False
) -> Observation:
    """An observation that stopped where its outcome usually stops."""
    if stopped is None and outcome is not Outcome.OK:
        stopped = Stage.CONNECT if outcome in NO_CONNECTION else Stage.DIALOGUE
    return Observation(0.0, outcome, stopped, offender=offender, void=void)


def certificate(
    *,
    names_match: bool = True,
    valid: bool = True,
    fingerprint: str = "aa",
    not_before: float = 0.0,
    not_after: float = 90 * 86400.0,
) -> Certificate:
    """A certificate for the school's name, or for another one."""
    reason = "" if valid else "self-signed"
    return Certificate("CN=x", "CN=y", ("x",), not_before, not_after, fingerprint, valid, reason, names_match)


ANYBODY = [None, *ADDRESS.values(), *PROVIDER.values(), ROUTER6]

observations = st.builds(
    Observation,
    at=st.just(0.0),
    outcome=st.sampled_from(Outcome),
    stopped=st.sampled_from([None, *Stage]),
    offender=st.sampled_from(ANYBODY),
    void=st.booleans(),
)
replies = st.builds(HopReply, st.sampled_from(Answer), st.sampled_from(ANYBODY))
evidences = st.builds(
    HopEvidence,
    at_router=st.none() | replies,
    same_machine=st.sampled_from([None, True, False]),
    controlled=st.booleans(),
)
scenes = st.builds(
    Scene,
    server_answers=st.booleans(),
    forward_seen=st.booleans(),
    router_alive=st.booleans(),
    stranger=st.booleans(),
    other_family_alive=st.booleans(),
    distance=st.builds(Distance, hops=st.sampled_from([None, 0, 3]), method=st.sampled_from(HopMethod)),
    router=st.sampled_from([None, ROUTER6]),
)


@st.composite
def all_facts(draw: st.DrawFn) -> Facts:
    """Every combination of facts, possible or not."""
    family = draw(st.sampled_from(Family))
    return Facts(
        service=draw(st.sampled_from(SERVICES)),
        family=family,
        address=ADDRESS[family],
        observation=draw(observations),
        hop=draw(evidences),
        identity=draw(st.sampled_from(Identity)),
        control_lost=draw(st.booleans()),
        scene=draw(scenes),
        sibling=draw(st.sampled_from([None, *VerdictKind])),
        face=draw(st.sampled_from([None, *FACES])),
    )
