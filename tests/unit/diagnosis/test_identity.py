import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.diagnosis.identity import Learnt, identify
from portwatchd.diagnosis.port import Identity
from portwatchd.model import Family, Observation, Outcome, Protocol, Service, Stage, Target
from tests.unit.diagnosis.facts import ALIAS, LDAPS, certificate

V4 = Family.IPV4
HTTPS = Service("https", Protocol.HTTPS, 443, 443)
IMAPS = Service("imaps", Protocol.IMAPS, 993, 993)
SSH = Service("ssh", Protocol.SSH, 22, 22)
NAMED = {(V4, "https"), (V4, "imaps")}
HOME, AWAY = "198.51.100.2", "198.51.100.9"

RIGHT = Observation(0.0, Outcome.OK, certificate=certificate())
RENEWED = Observation(0.0, Outcome.OK, certificate=certificate(fingerprint="bb"))
OVERDUE = Observation(0.0, Outcome.CERTIFICATE_INVALID, Stage.TLS, certificate=certificate(valid=False))
STRANGE = Observation(
    0.0,
    Outcome.CERTIFICATE_INVALID,
    Stage.TLS,
    certificate=certificate(names_match=False, valid=False, fingerprint="cc"),
)
BARE = Observation(0.0, Outcome.OK)
REFUSED = Observation(0.0, Outcome.REFUSED, Stage.CONNECT)


def target(service: Service, address: str = HOME) -> Target:
    return Target(service, V4, address, service.first, "gym-nord.example.org")


@pytest.mark.parametrize(
    ("seen", "named", "expected"),
    [
        pytest.param(
            {HTTPS: RIGHT, IMAPS: RIGHT, SSH: BARE},
            set(),
            (Identity.RIGHT, Identity.RIGHT, Identity.NOT_KNOWN),
            id="well",
        ),
        pytest.param({HTTPS: RIGHT, IMAPS: RENEWED}, NAMED, (Identity.RIGHT, Identity.RIGHT), id="renewed certificate"),
        pytest.param(
            {HTTPS: OVERDUE, IMAPS: OVERDUE}, NAMED, (Identity.RIGHT, Identity.RIGHT), id="expired, of the right name"
        ),
        pytest.param(
            {HTTPS: STRANGE, IMAPS: RIGHT}, set(), (Identity.OTHER, Identity.RIGHT), id="one odd among right ones"
        ),
        pytest.param(
            {HTTPS: STRANGE, IMAPS: STRANGE}, set(), (Identity.NOT_KNOWN, Identity.NOT_KNOWN), id="badly named server"
        ),
        pytest.param(
            {HTTPS: STRANGE, IMAPS: STRANGE},
            NAMED,
            (Identity.OTHER, Identity.OTHER),
            id="a stranger, for the name was seen",
        ),
        pytest.param(
            {HTTPS: STRANGE, SSH: BARE}, NAMED, (Identity.OTHER, Identity.OTHER), id="whatever a stranger answers"
        ),
        pytest.param(
            {HTTPS: STRANGE, SSH: REFUSED}, NAMED, (Identity.OTHER, Identity.NOT_KNOWN), id="a refusal has no identity"
        ),
        pytest.param(
            {HTTPS: STRANGE, IMAPS: RIGHT, SSH: BARE},
            NAMED,
            (Identity.OTHER, Identity.RIGHT, Identity.NOT_KNOWN),
            id="one port elsewhere",
        ),
        pytest.param({SSH: BARE}, NAMED, (Identity.DOUBTFUL,), id="nothing shows the name that was learnt"),
        pytest.param({SSH: BARE}, set(), (Identity.NOT_KNOWN,), id="nothing shows a name"),
        pytest.param(
            {HTTPS: REFUSED, SSH: BARE}, NAMED, (Identity.NOT_KNOWN, Identity.DOUBTFUL), id="plain ports left"
        ),
        pytest.param(
            {LDAPS: RIGHT, ALIAS: RIGHT}, set(), (Identity.RIGHT, Identity.RIGHT), id="alias of the same server"
        ),
        pytest.param(
            {LDAPS: RIGHT, ALIAS: RENEWED}, set(), (Identity.RIGHT, Identity.RIGHT), id="alias of the right name"
        ),
        pytest.param(
            {LDAPS: RIGHT, ALIAS: STRANGE}, set(), (Identity.RIGHT, Identity.OTHER), id="alias to another machine"
        ),
        pytest.param(
            {LDAPS: STRANGE, ALIAS: STRANGE}, set(), (Identity.NOT_KNOWN, Identity.NOT_KNOWN), id="alias as badly named"
        ),
        pytest.param(
            {LDAPS: REFUSED, ALIAS: RIGHT}, set(), (Identity.NOT_KNOWN, Identity.RIGHT), id="alias without its original"
        ),
    ],
)
def test_whose_answers_they_are(
    seen: dict[Service, Observation],
    named: set[tuple[Family, str]],
    expected: tuple[Identity, ...],
) -> None:
    found = identify({target(service): observation for service, observation in seen.items()}, Learnt(bool(named)))
    assert tuple(found.values()) == expected


def test_a_badly_named_alias_of_another_key_is_another_machines() -> None:
    odd = Observation(0.0, Outcome.OK, certificate=certificate(names_match=False, fingerprint="dd"))
    assert identify({target(LDAPS): STRANGE, target(ALIAS): odd}, Learnt())[target(ALIAS)] is Identity.OTHER


def test_a_strangers_address_takes_nothing_from_the_schools_other_one() -> None:
    seen = {
        target(HTTPS): RIGHT,
        target(SSH): BARE,
        target(HTTPS, AWAY): STRANGE,
        target(SSH, AWAY): BARE,
    }
    assert tuple(identify(seen, Learnt(by_name=True)).values()) == (
        Identity.RIGHT,
        Identity.NOT_KNOWN,
        Identity.OTHER,
        Identity.OTHER,
    )


@given(
    st.dictionaries(
        st.builds(target, st.sampled_from([HTTPS, IMAPS, SSH, LDAPS, ALIAS]), st.sampled_from([HOME, AWAY])),
        st.sampled_from([RIGHT, RENEWED, OVERDUE, STRANGE, BARE, REFUSED]),
    ),
    st.sampled_from([set(), NAMED]),
)
def test_every_observation_has_an_identity_and_the_right_name_is_always_right(
    seen: dict[Target, Observation], named: set[tuple[Family, str]]
) -> None:
    found = identify(seen, Learnt(bool(named)))
    assert found.keys() == seen.keys()
    for which, observation in seen.items():
        if observation.certificate is not None and observation.certificate.names_match:
            assert found[which] is Identity.RIGHT
        if observation is REFUSED:
            assert found[which] is Identity.NOT_KNOWN
