"""Who answers, round after round: the host key is asked for seldom, learnt once, and compared between the families."""

import itertools

import pytest

from portwatchd.model import Depth, Family, Proof, VerdictKind
from tests.unit.rounds.outside import NOWHERE, Situation, Who
from tests.unit.rounds.simulated import LISTED, Watching, port, says, well

V4, V6 = Family.IPV4, Family.IPV6
OURS, NEW = "SHA256:server", "SHA256:new"
PLAIN = (22, 80, 25)

pytestmark = pytest.mark.looptime


async def audits(watching: Watching, count: int, pause: float = 900.0) -> None:
    for _turn in range(count):
        await watching.round(depth=Depth.AUDIT)
        await watching.clock.sleep(pause)


def keys_changed(watching: Watching) -> list[tuple[str | None, str]]:
    """The events of a changed host key."""
    return [(t.before, t.after) for t in watching.transitions if t.service is not None and t.family is None]


async def test_the_key_is_learnt_in_an_audit_and_asked_for_once_in_five_minutes() -> None:
    watching = Watching(well(V4), well(V6))
    await watching.round()
    assert watching.network.keys_asked == []
    await audits(watching, 12, pause=60)
    times = [at for at, _address in watching.network.keys_asked]
    assert min(later - sooner for sooner, later in itertools.pairwise(times)) >= 300
    assert {address for _at, address in watching.network.keys_asked} == {NOWHERE[V4], NOWHERE[V6]}
    assert watching.memory.host_key == OURS
    assert keys_changed(watching) == []


async def test_the_key_is_not_asked_for_at_once_after_another_connection_to_ssh() -> None:
    watching = Watching(well())
    await watching.round(depth=Depth.AUDIT)
    ((asked, _address),) = watching.network.keys_asked
    assert asked >= watching.tools.settings.ssh_pace


async def test_a_changed_key_of_the_right_machine_is_an_event_and_no_outage() -> None:
    watching = Watching(well(V4), well(V6))
    await audits(watching, 3)
    watching.network.host_keys[Who.SERVER] = NEW
    await audits(watching, 5)
    assert keys_changed(watching) == [(OURS, NEW)]
    assert watching.memory.host_key == NEW
    assert {t.after for t in watching.transitions if t.service == "ssh" and t.family} == {VerdictKind.OK}


async def test_ssh_that_leads_to_another_machine_is_told_by_the_key_of_the_other_family() -> None:
    line = well(V4)
    watching = Watching(line, well(V6))
    await audits(watching, 3)
    line.ports[22] = Situation.NAS
    await audits(watching, 4)
    assert says(watching.reports[-1], "ssh", V4) == (VerdictKind.WRONG_DEVICE, Proof.IDENTITY)
    assert says(watching.reports[-1], "ssh", V6)[0] is VerdictKind.OK
    assert keys_changed(watching) == []
    line.ports[22] = Situation.OPEN
    await audits(watching, 2)
    assert says(watching.reports[-1], "ssh", V4)[0] is VerdictKind.OK


async def test_plain_ports_alone_count_as_up_only_with_the_host_key() -> None:
    line = well()
    watching = Watching(line)
    await audits(watching, 1)
    for number in set(LISTED) - set(PLAIN):
        line.ports[number] = Situation.LOST
    for _turn in range(12):
        found = await watching.round()
        assert port(found, "http").up
        await watching.clock.sleep(60)


async def test_a_stranger_never_counts_as_up_on_its_plain_ports_either() -> None:
    line = well()
    watching = Watching(line)
    await audits(watching, 1)
    for number in LISTED:
        line.ports[number] = Situation.NAS if number in PLAIN else Situation.LOST
    found = await watching.round()
    for _turn in range(12):
        assert not port(found, "http").up
        assert not port(found, "ftp-data").up
        await watching.clock.sleep(60)
        found = await watching.round()
    assert says(found, "ssh") == (VerdictKind.WRONG_DEVICE, Proof.IDENTITY)
