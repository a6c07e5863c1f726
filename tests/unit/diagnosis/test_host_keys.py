"""What a host key adds to certificates: the same machine, another one, or one that nobody can tell."""

from dataclasses import replace

import pytest

from portwatchd.diagnosis.identity import Learnt, identify
from portwatchd.diagnosis.port import Identity
from portwatchd.model import Family, Foreign, Observation, Outcome, Protocol, Service, Stage, Target
from tests.unit.diagnosis.facts import certificate

OLD, NEW = "SHA256:old", "SHA256:new"
HOME, AWAY = "198.51.100.2", "2001:db8::2"
DEBIAN, OTHER_SSH = b"SSH-2.0-OpenSSH_9.2p1 Debian-2", b"SSH-2.0-OpenSSH_8.2"
KNOWN = Learnt(by_name=True, host_key=OLD, software="OpenSSH Debian")
NAMELESS = Learnt(host_key=OLD, software="OpenSSH Debian", fingerprints=frozenset({"aa"}))

HTTPS = Service("https", Protocol.HTTPS, 443, 443)
HTTP = Service("http", Protocol.HTTP, 80, 80)
SSH = Service("ssh", Protocol.SSH, 22, 22)
RIGHT = Observation(0.0, Outcome.OK, certificate=certificate())
STRANGE = Observation(
    0.0, Outcome.CERTIFICATE_INVALID, Stage.TLS, certificate=certificate(names_match=False, fingerprint="cc")
)
BOX = replace(STRANGE, certificate=replace(certificate(names_match=False, fingerprint="dd"), subject="CN=fritz.box"))
PLAIN = Observation(0.0, Outcome.OK)
GREETS = Observation(0.0, Outcome.OK, banner=Foreign(DEBIAN))
GREETS_OTHERWISE = Observation(0.0, Outcome.OK, banner=Foreign(OTHER_SSH))
REFUSED = Observation(0.0, Outcome.REFUSED, Stage.CONNECT)

Is = Identity


def found(
    learnt: Learnt,
    key: str | None,
    https: Observation,
    http: Observation,
    ssh: Observation,
    name: str = "gym-nord.example.org",
    *,
    contradicted: bool = False,
) -> tuple[Identity, ...]:
    seen = {
        Target(service, Family.IPV4, HOME, service.first, name): observation
        for service, observation in ((HTTPS, https), (HTTP, http), (SSH, ssh))
    }
    keys = {} if key is None else {HOME: key}
    return tuple(identify(seen, learnt, keys, {HOME} if contradicted else set()).values())


@pytest.mark.parametrize(
    ("key", "https", "ssh", "expected"),
    [
        pytest.param(OLD, RIGHT, GREETS, (Is.RIGHT, Is.NOT_KNOWN, Is.RIGHT), id="well"),
        pytest.param(NEW, RIGHT, GREETS, (Is.RIGHT, Is.NOT_KNOWN, Is.CHANGED), id="a new key of the right machine"),
        pytest.param(NEW, RIGHT, GREETS_OTHERWISE, (Is.RIGHT, Is.NOT_KNOWN, Is.OTHER), id="another SSH server on 22"),
        pytest.param(NEW, STRANGE, GREETS, (Is.OTHER, Is.OTHER, Is.OTHER), id="another machine on all ports"),
        pytest.param(None, STRANGE, GREETS, (Is.OTHER, Is.OTHER, Is.OTHER), id="a stranger, as far as anybody knows"),
        pytest.param(OLD, STRANGE, GREETS, (Is.NOT_KNOWN, Is.NOT_KNOWN, Is.RIGHT), id="a wrong certificate"),
        pytest.param(NEW, REFUSED, GREETS, (Is.NOT_KNOWN, Is.OTHER, Is.OTHER), id="only plain ports, and a new key"),
        pytest.param(OLD, REFUSED, GREETS, (Is.NOT_KNOWN, Is.NOT_KNOWN, Is.RIGHT), id="only plain ports, and the key"),
        pytest.param(
            None, REFUSED, GREETS, (Is.NOT_KNOWN, Is.DOUBTFUL, Is.DOUBTFUL), id="only plain ports, and no key"
        ),
        pytest.param(OLD, BOX, GREETS, (Is.OTHER, Is.NOT_KNOWN, Is.RIGHT), id="a router on one port"),
        pytest.param(None, BOX, REFUSED, (Is.OTHER, Is.DOUBTFUL, Is.NOT_KNOWN), id="a router, and who is behind it"),
    ],
)
def test_names_and_host_key_together(
    key: str | None, https: Observation, ssh: Observation, expected: tuple[Identity, ...]
) -> None:
    assert found(KNOWN, key, https, PLAIN, ssh) == expected


def test_a_new_key_is_another_machines_while_the_other_family_shows_the_learnt_one() -> None:
    assert found(KNOWN, NEW, RIGHT, PLAIN, GREETS, contradicted=True)[2] is Is.OTHER


@pytest.mark.parametrize(
    ("key", "https", "expected"),
    [
        pytest.param(OLD, RIGHT, (Is.RIGHT, Is.NOT_KNOWN, Is.RIGHT), id="well"),
        pytest.param(OLD, STRANGE, (Is.NOT_KNOWN, Is.NOT_KNOWN, Is.RIGHT), id="renewed"),
        pytest.param(NEW, RIGHT, (Is.RIGHT, Is.NOT_KNOWN, Is.CHANGED), id="a new key"),
        pytest.param(NEW, STRANGE, (Is.OTHER, Is.OTHER, Is.OTHER), id="both new: another machine"),
        pytest.param(
            None, STRANGE, (Is.NOT_KNOWN, Is.NOT_KNOWN, Is.NOT_KNOWN), id="renewed, and the key not asked for"
        ),
    ],
)
def test_without_a_name_both_must_change(key: str | None, https: Observation, expected: tuple[Identity, ...]) -> None:
    assert found(NAMELESS, key, https, PLAIN, GREETS, name="") == expected


def test_a_wrong_certificate_vouched_for_at_one_address_is_the_same_machines_at_the_other() -> None:
    seen = {
        Target(HTTPS, Family.IPV4, HOME, 443, "gym-nord.example.org"): STRANGE,
        Target(SSH, Family.IPV4, HOME, 22, "gym-nord.example.org"): GREETS,
        Target(HTTPS, Family.IPV6, AWAY, 443, "gym-nord.example.org"): STRANGE,
    }
    assert tuple(identify(seen, KNOWN, {HOME: OLD}).values()) == (Is.NOT_KNOWN, Is.RIGHT, Is.NOT_KNOWN)
