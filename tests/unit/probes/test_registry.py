"""Every protocol has its probe, and each aside answers a policy."""

from __future__ import annotations

from portwatchd.model import Policy, Protocol
from portwatchd.probes import connect
from portwatchd.probes.registry import ASIDES, PROBES
from tests.unit.probes.script import a_target, converse


def test_every_protocol_has_a_probe() -> None:
    assert set(PROBES) == set(Protocol)


def test_a_connection_is_all_that_some_are_asked_for() -> None:
    for protocol in (Protocol.TCP, Protocol.TLS, Protocol.RANGE):
        assert PROBES[protocol] is connect.probe
        converse(connect.probe, a_target(protocol), [])


def test_asides() -> None:
    assert {protocol: aside.policy for protocol, aside in ASIDES.items()} == {
        Protocol.HTTP: Policy.ACME_REACHABLE,
        Protocol.FTP: Policy.PLAINTEXT_REFUSED,
        Protocol.POP3: Policy.PLAINTEXT_REFUSED,
    }
