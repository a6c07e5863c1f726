"""Memories and reports for the tests of what keeps them, by hand and by hypothesis, and a clock that is set."""

from hypothesis import strategies as st

from portwatchd.model import (
    Certificate,
    Diagnosis,
    DiagnosisKind,
    Distance,
    Family,
    HopMethod,
    Outcome,
    Policy,
    PolicyFact,
    Profile,
    Proof,
    Report,
    School,
    Standing,
    Transition,
    VerdictKind,
)
from portwatchd.rounds.memory import Memory, SeenKey

NOON = 1_790_000_000.0
SMTP = (Family.IPV4, "smtp")


class SetClock:
    """Two clocks that stand still until they are moved."""

    def __init__(self, wall: float = NOON) -> None:
        self._monotonic = 1000.0
        self._wall = wall

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        return self._wall

    async def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self._monotonic += seconds
        self._wall += seconds


def change(
    at: float,
    school: str = "gym-nord",
    before: str | None = "ok",
    after: str = "forward_lost",
    service: str = "smtp",
) -> Transition:
    return Transition(at, school, Family.IPV4, service, "25", before, after, Proof.HOP, "refused")


def memory_of(kind: VerdictKind = VerdictKind.OK, since: float = NOON) -> Memory:
    return Memory(standings={SMTP: Standing(kind, since)}, outcomes={SMTP: Outcome.OK})


def report_of(school: str = "gym-nord", *changes: Transition) -> Report:
    profile = Profile("iserv", ())
    diagnosis = Diagnosis(DiagnosisKind.OK)
    return Report(School(school, "h", "h", profile), NOON, 0.1, diagnosis, NOON, transitions=changes)


times = st.floats(0, 4e9)
texts = st.text(max_size=30)
families = st.sampled_from(Family)
keys = st.tuples(families, st.text(min_size=1, max_size=12))
numbers = st.integers(0, 65535)


def standings(kinds: type[VerdictKind] | type[DiagnosisKind]) -> st.SearchStrategy[Standing[VerdictKind]]:
    kind = st.none() | st.sampled_from(kinds)
    return st.builds(Standing, kind, times, kind, times)


certificates = st.builds(
    Certificate,
    subject=texts,
    issuer=texts,
    san=st.lists(texts, max_size=3).map(tuple),
    not_before=times,
    not_after=times,
    fingerprint_sha256=texts,
    valid=st.booleans(),
    reason=texts,
    names_match=st.booleans(),
)
policy_facts = st.builds(PolicyFact, st.sampled_from(Policy), st.none() | st.booleans(), texts)
distances = st.builds(Distance, st.none() | numbers, st.none() | numbers, st.sampled_from(HopMethod), st.none() | texts)
memories = st.builds(
    Memory,
    standings=st.dictionaries(keys, standings(VerdictKind), max_size=4),
    outcomes=st.dictionaries(keys, st.sampled_from(Outcome), max_size=4),
    diagnosis=st.none() | standings(DiagnosisKind),
    addresses=st.dictionaries(families, st.lists(texts, max_size=3).map(tuple)),
    changes=st.dictionaries(families, numbers),
    distances=st.dictionaries(texts, distances, max_size=3),
    ranges=st.dictionaries(keys, st.dictionaries(numbers, st.booleans(), min_size=1), max_size=2),
    cursors=st.dictionaries(keys, numbers, max_size=2),
    searched_at=st.none() | times,
    swept_at=st.none() | times,
    canaries_at=st.dictionaries(families, times),
    exposed=st.dictionaries(families, st.booleans()),
    named=st.sets(keys, max_size=4),
    host_key=st.none() | texts,
    host_key_at=st.none() | times,
    host_keys=st.dictionaries(texts, st.builds(SeenKey, texts, times, texts), max_size=2),
    software=texts,
    fingerprints=st.sets(texts, max_size=3),
    policies=st.dictionaries(keys, st.lists(policy_facts, max_size=4).map(tuple), max_size=4),
    certificates=st.dictionaries(keys, certificates, max_size=4),
    audit_due=st.none() | times,
)
