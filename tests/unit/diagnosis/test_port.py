from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from portwatchd.diagnosis.port import Facts, Identity, Scene, connected, expired_at_router, forwarded, judge
from portwatchd.model import (
    Answer,
    Distance,
    Family,
    HopEvidence,
    HopMethod,
    HopReply,
    Observation,
    Outcome,
    Proof,
    Service,
    Stage,
    Verdict,
    VerdictKind,
)
from tests.unit.diagnosis.facts import (
    ADDRESS,
    ALIAS,
    NO_CONNECTION,
    OPTIONAL,
    PROVIDER,
    ROUTER6,
    SERVICES,
    SMTP,
    all_facts,
    seen,
)

V4, V6 = Family.IPV4, Family.IPV6
OWN4, OWN6 = ADDRESS[V4], ADDRESS[V6]
NEAR = PROVIDER[V4]

EXCEEDED = Distance(3, 61, HopMethod.TIME_EXCEEDED, OWN4)
ANSWERS = Distance(3, 61, HopMethod.ANSWERS)
DISTANCE6 = Distance(3, 61, HopMethod.ANSWERS, ROUTER6)
ALIVE = Scene(server_answers=True, router_alive=True, distance=EXCEEDED)
"""A router that sends time-exceeded; the server answers on other ports."""
ALIVE_NO_ICMP = replace(ALIVE, distance=ANSWERS)
ALIVE6 = Scene(server_answers=True, router_alive=True, distance=DISTANCE6, router=ROUTER6)
OFF = Scene(forward_seen=True, router_alive=True, distance=EXCEEDED)
"""Nothing answers, though other ports are forwarded."""
ROUTER_LIVES = Scene(router_alive=True, distance=EXCEEDED)
DEAD = Scene(distance=EXCEEDED)

EXPIRED = HopReply(Answer.EXPIRED, OWN4)
SILENT = HopReply(Answer.SILENT)
CONNECTED = HopReply(Answer.CONNECTED)
RESET = HopReply(Answer.RESET)
REJECTED = HopReply(Answer.REJECTED, OWN4)
NOTHING = HopEvidence()

OK = seen(Outcome.OK)
REFUSED = seen(Outcome.REFUSED)
REJECTED_BY_OWN = seen(Outcome.REJECTED, offender=OWN4)
TIMEOUT = seen(Outcome.TIMEOUT)
UNREACHABLE = seen(Outcome.UNREACHABLE, offender=OWN4)


class Row(NamedTuple):
    """A row of the table of proofs: what a port showed, and what is to be said of it."""

    says: str
    observation: Observation
    hop: HopEvidence
    scene: Scene
    kind: VerdictKind
    proof: Proof


HOP, ICMP, CONTRAST, ANSWER = Proof.HOP, Proof.ICMP, Proof.CONTRAST, Proof.ANSWER
K = VerdictKind

IPV4_ROWS = [
    Row("open", OK, NOTHING, ALIVE, K.OK, ANSWER),
    Row("open, and proven", OK, HopEvidence(EXPIRED, True), ALIVE, K.OK, ANSWER),
    Row("server closed, by time-exceeded", REFUSED, HopEvidence(EXPIRED), ALIVE, K.SERVICE_DOWN, HOP),
    Row("server closed, by arriving TTL", REFUSED, HopEvidence(None, True), ALIVE_NO_ICMP, K.SERVICE_DOWN, HOP),
    Row("server closed, both", REFUSED, HopEvidence(EXPIRED, True), ALIVE, K.SERVICE_DOWN, HOP),
    Row("closed, silent at n", REFUSED, HopEvidence(SILENT, None, True), ALIVE_NO_ICMP, K.SERVICE_DOWN, HOP),
    Row("closed, silent at n, no control", REFUSED, HopEvidence(SILENT), ALIVE_NO_ICMP, K.FORWARD_LOST, CONTRAST),
    Row("router filters after DNAT by RST", REFUSED, HopEvidence(EXPIRED, False), ALIVE, K.SERVER_FILTERED, HOP),
    Row(
        "the same without time-exceeded",
        REFUSED,
        HopEvidence(SILENT, False, True),
        ALIVE_NO_ICMP,
        K.SERVER_FILTERED,
        HOP,
    ),
    Row("server drops", TIMEOUT, HopEvidence(EXPIRED), ALIVE, K.SERVER_FILTERED, HOP),
    Row(
        "server drops, no time-exceeded",
        TIMEOUT,
        HopEvidence(SILENT, None, True),
        ALIVE_NO_ICMP,
        K.FORWARD_LOST,
        CONTRAST,
    ),
    Row("server rejects", REJECTED_BY_OWN, HopEvidence(EXPIRED), ALIVE, K.SERVER_FILTERED, HOP),
    Row(
        "server rejects, no time-exceeded",
        REJECTED_BY_OWN,
        HopEvidence(SILENT, None, True),
        ALIVE_NO_ICMP,
        K.SERVER_FILTERED,
        HOP,
    ),
    Row("server off", TIMEOUT, HopEvidence(EXPIRED), OFF, K.SERVER_DOWN, HOP),
    Row("server off, unreachable and expired", UNREACHABLE, HopEvidence(EXPIRED), OFF, K.SERVER_DOWN, HOP),
    Row("server off, by ICMP alone", UNREACHABLE, NOTHING, DEAD, K.SERVER_DOWN, ICMP),
    Row("server off, other ports show it", TIMEOUT, NOTHING, OFF, K.SERVER_DOWN, CONTRAST),
    Row("forwarded to nobody", UNREACHABLE, NOTHING, ALIVE, K.WRONG_DEVICE, ICMP),
    Row("forwarded to nobody, and expired", UNREACHABLE, HopEvidence(EXPIRED), ALIVE, K.WRONG_DEVICE, HOP),
    Row("router's own service", OK, HopEvidence(CONNECTED, False), ALIVE, K.ROUTER_ANSWERS, HOP),
    Row("router's own service, same start", OK, HopEvidence(CONNECTED), ALIVE, K.ROUTER_ANSWERS, HOP),
    Row(
        "router's own, which then fails", seen(Outcome.TLS_FAILED), HopEvidence(CONNECTED), ALIVE, K.ROUTER_ANSWERS, HOP
    ),
    Row("router's own, slow", TIMEOUT, HopEvidence(CONNECTED), ALIVE, K.ROUTER_ANSWERS, HOP),
    Row("another machine behind", OK, HopEvidence(EXPIRED, False), ALIVE, K.WRONG_DEVICE, HOP),
    Row("another machine behind, no ICMP", OK, HopEvidence(SILENT, False), ALIVE_NO_ICMP, K.WRONG_DEVICE, HOP),
    Row("router resets", REFUSED, HopEvidence(RESET, False), ALIVE, K.FORWARD_LOST, HOP),
    Row("router resets, by n alone", REFUSED, HopEvidence(RESET), ALIVE, K.FORWARD_LOST, HOP),
    Row("router resets, by arriving TTL alone", REFUSED, HopEvidence(None, False), ALIVE, K.FORWARD_LOST, HOP),
    Row("router resets, nothing known", REFUSED, NOTHING, ALIVE, K.FORWARD_LOST, CONTRAST),
    Row("router resets all", REFUSED, HopEvidence(RESET), ROUTER_LIVES, K.FORWARD_LOST, HOP),
    Row("router resets all, nothing known", REFUSED, NOTHING, ROUTER_LIVES, K.FORWARD_LOST, CONTRAST),
    Row("router rejects", REJECTED_BY_OWN, HopEvidence(REJECTED), ALIVE, K.FORWARD_LOST, HOP),
    Row("router rejects, by sender", REJECTED_BY_OWN, NOTHING, ALIVE, K.FORWARD_LOST, ICMP),
    Row("router rejects, its limit reached", REJECTED_BY_OWN, HopEvidence(SILENT), ALIVE, K.FORWARD_LOST, ICMP),
    Row("router drops", TIMEOUT, HopEvidence(SILENT, None, True), ALIVE, K.FORWARD_LOST, HOP),
    Row("router drops, no control", TIMEOUT, HopEvidence(SILENT), ALIVE, K.UNKNOWN, Proof.NONE),
    Row("router drops, not asked", TIMEOUT, NOTHING, ALIVE, K.UNKNOWN, Proof.NONE),
    Row("router drops all, and lives", TIMEOUT, HopEvidence(SILENT), ROUTER_LIVES, K.FORWARD_LOST, CONTRAST),
    Row("rejected on the way", seen(Outcome.REJECTED, offender=NEAR), NOTHING, ALIVE, K.BLOCKED_HERE, ICMP),
    Row("no way to the school", seen(Outcome.UNREACHABLE, offender=NEAR), NOTHING, DEAD, K.LINE_DOWN, ICMP),
    Row("line dead, and n was known", TIMEOUT, HopEvidence(SILENT), DEAD, K.LINE_DOWN, HOP),
    Row("line dead", TIMEOUT, NOTHING, DEAD, K.LINE_DOWN, CONTRAST),
    Row("IPv4 silent, IPv6 answers", TIMEOUT, NOTHING, Scene(other_family_alive=True), K.FORWARD_LOST, CONTRAST),
    Row("expired at the provider's", TIMEOUT, HopEvidence(HopReply(Answer.EXPIRED, NEAR)), DEAD, K.LINE_DOWN, CONTRAST),
    Row("answers wrongly", seen(Outcome.WRONG_PROTOCOL), HopEvidence(EXPIRED, True), ALIVE, K.SERVICE_FAULTY, ANSWER),
    Row("greets too late", seen(Outcome.TIMEOUT, Stage.GREETING), NOTHING, ALIVE, K.SERVICE_FAULTY, ANSWER),
    Row("hangs up", seen(Outcome.CLOSED, Stage.GREETING), NOTHING, ALIVE, K.SERVICE_FAULTY, ANSWER),
    Row("STARTTLS missing", seen(Outcome.STARTTLS_MISSING), NOTHING, ALIVE, K.SERVICE_FAULTY, ANSWER),
    Row("expired certificate", seen(Outcome.CERTIFICATE_INVALID, Stage.TLS), NOTHING, ALIVE, K.OK, ANSWER),
]
REJECTED6 = seen(Outcome.REJECTED, offender=ROUTER6)
UNREACHABLE6 = seen(Outcome.UNREACHABLE, offender=ROUTER6)
DEAD6 = Scene(distance=DISTANCE6, router=ROUTER6)
AT_ROUTER6 = HopReply(Answer.EXPIRED, ROUTER6)
IPV6_ROWS = [
    Row("open", OK, NOTHING, ALIVE6, K.OK, ANSWER),
    Row("server closed", REFUSED, HopEvidence(None, True), ALIVE6, K.SERVICE_DOWN, HOP),
    Row("server drops, or router drops", TIMEOUT, NOTHING, ALIVE6, K.FORWARD_LOST, CONTRAST),
    Row("expired says nothing", TIMEOUT, HopEvidence(AT_ROUTER6, None, True), ALIVE6, K.FORWARD_LOST, CONTRAST),
    Row("server rejects", seen(Outcome.REJECTED, offender=OWN6), NOTHING, ALIVE6, K.SERVER_FILTERED, ICMP),
    Row("router resets", REFUSED, HopEvidence(None, False), ALIVE6, K.FORWARD_LOST, HOP),
    Row("router resets, nothing known", REFUSED, NOTHING, ALIVE6, K.FORWARD_LOST, CONTRAST),
    Row("router rejects", REJECTED6, NOTHING, ALIVE6, K.FORWARD_LOST, ICMP),
    Row("another machine", OK, HopEvidence(None, False), ALIVE6, K.WRONG_DEVICE, HOP),
    Row("server off", UNREACHABLE6, NOTHING, DEAD6, K.SERVER_DOWN, ICMP),
    Row(
        "server off, other ports show it", TIMEOUT, NOTHING, replace(DEAD6, forward_seen=True), K.SERVER_DOWN, CONTRAST
    ),
    Row("no way", seen(Outcome.UNREACHABLE, offender=PROVIDER[V6]), NOTHING, DEAD6, K.LINE_DOWN, ICMP),
    Row("line dead", TIMEOUT, NOTHING, DEAD6, K.LINE_DOWN, CONTRAST),
    Row("IPv6 silent, IPv4 answers", TIMEOUT, NOTHING, Scene(other_family_alive=True), K.FORWARD_LOST, CONTRAST),
    Row("answers wrongly", seen(Outcome.MALFORMED), HopEvidence(None, True), ALIVE6, K.SERVICE_FAULTY, ANSWER),
]
CASES = [pytest.param(V4, row, id=f"ipv4 {row.says}") for row in IPV4_ROWS] + [
    pytest.param(V6, row, id=f"ipv6 {row.says}") for row in IPV6_ROWS
]


def facts(family: Family, row: Row, service: Service = SMTP) -> Facts:
    return Facts(service, family, ADDRESS[family], row.observation, row.hop, scene=row.scene)


@pytest.mark.parametrize(("family", "row"), CASES)
def test_each_situation_has_its_verdict_and_proof(family: Family, row: Row) -> None:
    verdict = judge(facts(family, row))
    assert (verdict.kind, verdict.proof) == (row.kind, row.proof)


@pytest.mark.parametrize(("family", "row"), CASES)
def test_an_optional_port_that_is_not_forwarded_is_unused(family: Family, row: Row) -> None:
    verdict = judge(facts(family, row, OPTIONAL))
    expected = K.UNUSED if row.kind is K.FORWARD_LOST else row.kind
    assert (verdict.kind, verdict.proof) == (expected, row.proof)


@pytest.mark.parametrize(("family", "row"), CASES)
def test_an_alias_that_leads_elsewhere_than_its_original_is_unused(family: Family, row: Row) -> None:
    expected = K.UNUSED if row.kind in {K.FORWARD_LOST, K.SERVICE_DOWN, K.SERVER_FILTERED} else row.kind
    assert judge(facts(family, row, ALIAS)).kind is expected


@pytest.mark.parametrize(("family", "row"), CASES)
def test_a_lost_control_explains_every_failed_connection(family: Family, row: Row) -> None:
    verdict = judge(replace(facts(family, row), control_lost=True))
    if connected(row.observation):
        assert verdict.kind is row.kind
    else:
        assert (verdict.kind, verdict.proof) == (K.BLOCKED_HERE, CONTRAST)


@pytest.mark.parametrize(("family", "row"), CASES)
@pytest.mark.parametrize("outcome", [Outcome.LOCAL_ERROR, Outcome.UNRESOLVED])
def test_the_monitors_own_fault_hides_every_situation(family: Family, row: Row, outcome: Outcome) -> None:
    spoilt = replace(facts(family, row), observation=replace(row.observation, outcome=outcome))
    assert judge(spoilt).kind is K.UNKNOWN
    void = replace(facts(family, row), observation=replace(row.observation, void=True))
    assert judge(void).kind is K.UNKNOWN


@pytest.mark.parametrize(
    ("observation", "hop", "kind", "proof"),
    [
        (OK, NOTHING, K.WRONG_DEVICE, Proof.IDENTITY),
        (seen(Outcome.CERTIFICATE_INVALID), NOTHING, K.WRONG_DEVICE, Proof.IDENTITY),
        (OK, HopEvidence(None, True), K.WRONG_DEVICE, Proof.IDENTITY),
        (OK, HopEvidence(EXPIRED, False), K.WRONG_DEVICE, Proof.HOP),
        (OK, HopEvidence(CONNECTED, False), K.ROUTER_ANSWERS, Proof.HOP),
        (TIMEOUT, HopEvidence(SILENT, None, True), K.FORWARD_LOST, Proof.HOP),
    ],
)
def test_a_strangers_name_tells_another_device_where_no_hop_tells_more(
    observation: Observation, hop: HopEvidence, kind: VerdictKind, proof: Proof
) -> None:
    verdict = judge(Facts(SMTP, V4, OWN4, observation, hop, Identity.OTHER, scene=ALIVE))
    assert (verdict.kind, verdict.proof) == (kind, proof)


@pytest.mark.parametrize(
    ("outcome", "stopped", "expected"),
    [
        *((outcome, Stage.CONNECT, False) for outcome in NO_CONNECTION),
        (Outcome.TIMEOUT, None, False),
        (Outcome.TIMEOUT, Stage.RESOLVE, False),
        *((Outcome.TIMEOUT, stage, True) for stage in (Stage.TLS, Stage.GREETING, Stage.DIALOGUE, Stage.TOTAL)),
        (Outcome.LOCAL_ERROR, Stage.CONNECT, False),
        (Outcome.UNRESOLVED, Stage.RESOLVE, False),
        (Outcome.OK, None, True),
        (Outcome.CLOSED, Stage.GREETING, True),
        (Outcome.SERVICE_REFUSES, Stage.GREETING, True),
    ],
)
def test_whether_somebody_accepted_the_connection(outcome: Outcome, stopped: Stage | None, expected: bool) -> None:
    assert connected(Observation(0.0, outcome, stopped)) is expected


@pytest.mark.parametrize(
    ("kind", "proof", "expected"),
    [
        (K.OK, ANSWER, True),
        (K.SERVICE_FAULTY, ANSWER, True),
        (K.WRONG_DEVICE, Proof.IDENTITY, True),
        (K.SERVICE_DOWN, HOP, True),
        (K.SERVER_DOWN, ICMP, True),
        (K.SERVER_DOWN, CONTRAST, None),
        (K.SERVER_FILTERED, HOP, True),
        (K.FORWARD_LOST, CONTRAST, False),
        (K.ROUTER_ANSWERS, HOP, False),
        (K.UNUSED, HOP, False),
        (K.LINE_DOWN, ICMP, None),
        (K.BLOCKED_HERE, CONTRAST, None),
        (K.UNKNOWN, Proof.NONE, None),
    ],
)
def test_a_verdict_says_whether_the_port_is_forwarded(kind: VerdictKind, proof: Proof, expected: bool | None) -> None:
    assert forwarded(Verdict(kind, proof)) is expected


def _is_unproven(found: Facts) -> bool:
    """Whether a silence could be proven and is not: the router shows its forwards, and not what became of this one."""
    reply, scene = found.hop.at_router, found.scene
    if found.family is not V4 or found.observation.outcome is not Outcome.TIMEOUT or connected(found.observation):
        return False
    proven = reply is not None and (
        reply.answer in {Answer.CONNECTED, Answer.RESET}
        or (reply.answer in {Answer.EXPIRED, Answer.REJECTED} and reply.offender == found.address)
        or (reply.answer is Answer.SILENT and found.hop.controlled)
    )
    shows = scene.server_answers and scene.distance.method is HopMethod.TIME_EXCEEDED and not scene.silence_means_lost
    return shows and not proven and not found.control_lost and found.sibling is not K.SERVER_FILTERED


@given(all_facts())
@settings(max_examples=2000)
@example(Facts(SMTP, V4, OWN4, REFUSED))
@example(Facts(SMTP, V4, OWN4, TIMEOUT, HopEvidence(SILENT, None, True), scene=ALIVE_NO_ICMP))
@example(
    Facts(SMTP, V4, OWN4, TIMEOUT, scene=Scene(server_answers=True, distance=Distance(method=HopMethod.TIME_EXCEEDED)))
)
def test_every_combination_of_facts_keeps_the_laws(found: Facts) -> None:
    verdict, observation = judge(found), found.observation
    kind = verdict.kind
    own_fault = observation.void or observation.outcome in {Outcome.LOCAL_ERROR, Outcome.UNRESOLVED}
    doubtful = kind is K.UNKNOWN and found.identity is Identity.DOUBTFUL and observation.outcome is Outcome.OK
    unproven = _is_unproven(found)
    assert (kind is K.UNKNOWN) is (own_fault or doubtful or unproven)
    assert (verdict.proof is Proof.NONE) is (own_fault or doubtful or unproven)
    if own_fault or doubtful or unproven:
        return
    if expired_at_router(found):
        assert kind not in {K.FORWARD_LOST, K.ROUTER_ANSWERS, K.LINE_DOWN}
        assert kind is not K.UNUSED or found.service.alias_of, "only an alias may be forwarded and unused"
    if connected(observation):
        assert kind in {K.OK, K.SERVICE_FAULTY, K.WRONG_DEVICE, K.ROUTER_ANSWERS}
    else:
        assert kind not in {K.OK, K.SERVICE_FAULTY}
        if found.control_lost:
            assert kind is K.BLOCKED_HERE
    if observation.outcome in {Outcome.REFUSED, Outcome.REJECTED}:
        assert kind is not K.LINE_DOWN, "somebody answered"
    if found.service.required:
        assert kind is not K.UNUSED
    else:
        assert kind is not K.FORWARD_LOST


@given(all_facts())
@settings(max_examples=1000)
def test_a_hop_is_named_as_proof_only_where_one_was_asked(found: Facts) -> None:
    if judge(found).proof is HOP:
        assert found.hop.at_router is not None or found.hop.same_machine is not None
    if judge(found).proof is ICMP:
        assert found.observation.outcome in {Outcome.REJECTED, Outcome.UNREACHABLE}
    if judge(found).proof is Proof.IDENTITY:
        assert found.identity is Identity.OTHER


@given(all_facts())
@settings(max_examples=1000)
def test_an_optional_port_differs_from_a_required_one_in_what_is_unused_only(found: Facts) -> None:
    required, optional = judge(replace(found, service=SMTP)), judge(replace(found, service=OPTIONAL))
    if required.kind is K.FORWARD_LOST:
        assert optional == replace(required, kind=K.UNUSED)
    else:
        assert optional == required


@given(all_facts(), st.sampled_from(SERVICES))
def test_a_silence_at_the_router_proves_nothing_without_a_control(found: Facts, service: Service) -> None:
    hop = HopEvidence(SILENT, None, controlled=False)
    verdict = judge(replace(found, service=service, hop=hop))
    assert verdict.proof is not HOP or verdict.kind is K.LINE_DOWN
