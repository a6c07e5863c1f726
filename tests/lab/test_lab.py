"""Proves the lab's network before any code of portwatchd runs in it: how lines and routers behave."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from . import addresses as at
from .dns import Record
from .rules import SERVICES, Alias, Refusal
from .topology import Cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab import Lab, School


class Allowance:
    """The ICMP errors that a router still sends: Linux grants one peer six at once, then one a second."""

    left = 5.0
    counted = 0.0

    def wait(self) -> None:
        """Return when one more ICMP error would be sent."""
        now = time.monotonic()
        self.left = min(5.0, self.left + now - self.counted)
        self.counted = now
        if self.left < 1:
            time.sleep(1.05 - self.left)


ALLOWANCE = Allowance()


def connect(lab: Lab, address: str, port: int, **limits: float) -> dict[str, Any]:
    """Connect once from the monitor, never faster than ICMP errors are sent: a silence is a silence."""
    ALLOWANCE.wait()
    found = lab.monitor.sound({"kind": "connect", "address": address, "port": port, **limits})[0]
    if found["icmp"]:  # one for each SYN, and a waiting connect sends one a second
        ALLOWANCE.left -= 1 + int(found["seconds"])
    return found


def short(found: dict[str, Any]) -> str:
    """What happened, and the ICMP error with its sender: `time-exceeded from 192.0.2.1`."""
    if found["icmp"]:
        return f"{found['icmp'][0]['kind']} from {found['icmp'][0]['from']}"
    outcome: str = found["outcome"]
    return outcome


def own_https(school: School) -> None:
    school.router.set(own=frozenset({443}))


def unforwarded(refusal: Refusal) -> Callable[[School], None]:
    return lambda school: school.router.set(forwarded=SERVICES, unforwarded=refusal)


def filtered(refusal: Refusal) -> Callable[[School], None]:
    return lambda school: school.router.filter(25, refusal=refusal)


def nothing(school: School) -> None:
    """Leave all well."""


FROM_SCHOOL = "from 198.51.100.2"
EXPIRED = f"time-exceeded {FROM_SCHOOL}"
REJECTED = f"unreachable {FROM_SCHOOL}"

SITUATIONS = [
    pytest.param(nothing, 25, "connected", EXPIRED, id="service open"),
    pytest.param(nothing, 63042, "refused", EXPIRED, id="server closed"),
    pytest.param(lambda school: school.server.filter(25), 25, "silent", EXPIRED, id="server's firewall drops"),
    pytest.param(filtered(Refusal.DROP), 25, "silent", EXPIRED, id="router's filter drops"),
    pytest.param(filtered(Refusal.RESET), 25, "refused", EXPIRED, id="router's filter resets"),
    pytest.param(lambda school: school.switch_server_off(), 25, REJECTED, EXPIRED, id="server off"),
    pytest.param(lambda school: school.mail.stop(), 25, "refused", EXPIRED, id="daemon stopped"),
    pytest.param(own_https, 443, "connected", "connected", id="the router's own service"),
    pytest.param(unforwarded(Refusal.RESET), 63042, "refused", "refused", id="router resets"),
    pytest.param(unforwarded(Refusal.REJECT), 63042, REJECTED, REJECTED, id="router rejects by ICMP"),
    pytest.param(unforwarded(Refusal.DROP), 63042, "silent", "silent", id="router drops"),
]


@pytest.mark.parametrize(("arrange", "port", "full", "limited"), SITUATIONS)
def test_what_full_and_limited_ttl_find(
    lab: Lab, arrange: Callable[[School], None], port: int, full: str, limited: str
) -> None:
    school = lab.school
    arrange(school)
    timeout = 5 if full.startswith("unreachable") else 0.5
    assert short(connect(lab, school.plan.public_v4, port, timeout=timeout)) == full
    assert short(connect(lab, school.plan.public_v4, port, ttl=school.plan.hops)) == limited


def test_the_provider_answers_in_its_own_name(lab: Lab) -> None:
    assert short(connect(lab, lab.school.plan.public_v4, 25, ttl=1)) == f"time-exceeded from {at.MONITOR_GATEWAY_V4}"


def test_a_router_without_time_exceeded_leaves_only_its_own_answers(lab: Lab) -> None:
    lab.school.router.set(time_exceeded=False, own=frozenset({443}))
    assert short(connect(lab, lab.school.plan.public_v4, 25, ttl=2)) == "silent"
    assert short(connect(lab, lab.school.plan.public_v4, 25, ttl=3)) == "connected"
    assert short(connect(lab, lab.school.plan.public_v4, 443, ttl=2)) == "connected"


def test_two_routers_in_a_row_both_speak_from_the_schools_address(lab: Lab) -> None:
    school = lab.boxed()
    address = school.plan.public_v4
    seen = [short(connect(lab, address, 25, ttl=ttl)) for ttl in (2, 3, 4)]
    assert seen == [f"time-exceeded from {address}", f"time-exceeded from {address}", "connected"]
    school.router.set(forwarded=SERVICES - {25}, unforwarded=Refusal.DROP)
    assert [short(connect(lab, address, 25, ttl=ttl)) for ttl in (2, 3)] == [seen[0], "silent"]


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("boxed", [False, True])
def test_a_minimum_ttl_tells_the_server_from_the_router(lab: Lab, family: str, boxed: bool) -> None:
    school = lab.boxed() if boxed else lab.school
    address = school.plan.public_v4 if family == "ipv4" else school.plan.server_v6
    arrives = 64 - school.plan.hops
    for port, outcome in ((443, "connected"), (63042, "refused")):
        assert short(connect(lab, address, port, min_ttl=arrives)) == outcome
        assert short(connect(lab, address, port, min_ttl=arrives + 1)) == "silent"
    if family == "ipv4":
        school.router.set(forwarded=SERVICES, unforwarded=Refusal.RESET)
    else:
        school.router.set(ipv6_opened=SERVICES, ipv6_blocked=Refusal.RESET)
    assert short(connect(lab, address, 63042, min_ttl=arrives + 1)) == "refused"
    assert short(connect(lab, address, 63042, min_ttl=arrives + 2)) == "silent"


@pytest.mark.parametrize(
    ("blocked", "answer"),
    [
        (Refusal.DROP, "silent"),
        (Refusal.RESET, "refused"),
        (Refusal.REJECT, "unreachable from 2001:db8:100:1::2"),
    ],
)
def test_ipv6_expires_at_the_router_whether_the_port_is_open_or_not(lab: Lab, blocked: Refusal, answer: str) -> None:
    school = lab.school
    address = school.plan.server_v6
    expired = f"time-exceeded from {school.plan.wan_v6}"
    school.router.set(ipv6_blocked=blocked)
    school.router.close_ipv6(25)
    assert [short(connect(lab, address, port, ttl=2)) for port in (25, 443)] == [expired, expired]
    assert [short(connect(lab, address, port, ttl=3)) for port in (25, 443)] == [answer, "connected"]


def test_forwards_may_lead_elsewhere(lab: Lab) -> None:
    school = lab.school
    address = school.plan.public_v4
    assert short(connect(lab, address, 636)) == f"unreachable from {address}"
    school.router.set(alias=Alias.SERVER, to_nas=frozenset({22, 5001, 25}))
    assert [short(connect(lab, address, port)) for port in (636, 22, 5001)] == ["connected"] * 3
    assert short(connect(lab, address, 25)) == "refused"
    school.router.set(alias=Alias.NAS)
    assert short(connect(lab, address, 636)) == "refused"
    school.router.reset()
    school.give_nas_the_servers_address()
    assert short(connect(lab, address, 443)) == "connected"
    assert short(connect(lab, address, 993)) == "refused"


def test_an_exposed_host_gets_everything_but_the_routers_own_ports(lab: Lab) -> None:
    school = lab.school
    school.router.set(exposed_host=True, own=frozenset({443}))
    assert short(connect(lab, school.plan.public_v4, 47011)) == "refused"
    assert short(connect(lab, school.plan.public_v4, 47011, ttl=2)) == EXPIRED
    assert short(connect(lab, school.plan.public_v4, 443, ttl=2)) == "connected"


def ends(lab: Lab) -> list[bool]:
    """Which of these answers: the host outside, the school's IPv4, its IPv6."""
    addresses = (at.EXTERNAL_V4, lab.school.address_v4, lab.school.address_v6)
    return [connect(lab, address, 443)["outcome"] == "connected" for address in addresses]


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        pytest.param(lambda lab: lab.school.cut_line(Cut.LINK), [True, False, False], id="school's plug"),
        pytest.param(lambda lab: lab.school.cut_line(Cut.BLACKHOLE), [True, False, False], id="school's provider"),
        pytest.param(lambda lab: lab.school.lose_ipv4(), [True, False, True], id="DS-Lite"),
        pytest.param(lambda lab: lab.school.lose_ipv6(), [True, True, False], id="IPv6 lost"),
        pytest.param(lambda lab: lab.school.router.lose_all(), [True, False, True], id="all forwards lost"),
        pytest.param(lambda lab: lab.school.router.close_ipv6(), [True, True, False], id="all of IPv6 closed"),
        pytest.param(lambda lab: lab.school.fit_new_card(), [True, True, False], id="new network card"),
        pytest.param(lambda lab: lab.provider.cut_monitor(Cut.LINK), [False] * 3, id="monitor's plug"),
        pytest.param(lambda lab: lab.provider.cut_monitor(Cut.BLACKHOLE), [False] * 3, id="monitor's provider"),
    ],
)
def test_lines_fail_and_recover(lab: Lab, cut: Callable[[Lab], None], left: list[bool]) -> None:
    cut(lab)
    assert ends(lab) == left
    lab.reset()
    assert ends(lab) == [True, True, True]


def test_the_monitors_cloud_blocks_a_port_everywhere(lab: Lab) -> None:
    lab.provider.block_monitor(25)
    addresses = (at.EXTERNAL_V4, lab.school.plan.public_v4, lab.school.plan.server_v6)
    assert [short(connect(lab, address, 25)) for address in addresses] == ["silent"] * 3
    assert short(connect(lab, at.EXTERNAL_V4, 587)) == "connected"


def test_a_dialled_in_line_has_another_address(lab: Lab) -> None:
    school = lab.school
    school.redial()
    assert short(connect(lab, school.address_v4, 443)) == "connected"
    assert short(connect(lab, school.address_v4, 443, ttl=2)) == f"time-exceeded from {school.plan.redialled_v4}"
    assert connect(lab, school.plan.public_v4, 443)["outcome"] != "connected"


def resolve(lab: Lab, host: str) -> str:
    return lab.monitor.run(["getent", "ahosts", host]).stdout


def test_the_name_server_follows(lab: Lab) -> None:
    host = lab.school.plan.host
    assert lab.school.plan.public_v4 in resolve(lab, host)
    assert lab.school.plan.server_v6 in resolve(lab, host)
    lab.dns.set(host, Record(v4="203.0.113.77", ttl=60))
    assert set(resolve(lab, host).split()) & {"203.0.113.77", lab.school.plan.server_v6} == {"203.0.113.77"}
    lab.dns.remove(host)
    assert resolve(lab, host) == ""
    lab.dns.reset()
    for break_it in (lab.dns.kill, lab.dns.mute):
        break_it()
        assert resolve(lab, host) == ""
        lab.dns.reset()
        assert lab.school.plan.public_v4 in resolve(lab, host)


def test_several_schools_stand_side_by_side(lab: Lab) -> None:
    first, second = lab.need(2)
    first.router.lose(443)
    assert connect(lab, first.plan.public_v4, 443)["outcome"] == "refused"
    assert short(connect(lab, second.plan.public_v4, 443)) == "connected"
    assert lab.monitor.config().read_text().count("profile: iserv") >= 2


def test_programs_in_the_monitor_have_no_privileges(lab: Lab) -> None:
    raw = "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)"
    refused = lab.monitor.run(["python3", "-c", raw])
    assert "PermissionError" in refused.stderr
    assert lab.monitor.run(["sh", "-c", 'touch "$HOME/written" && pwd'], check=True).stdout.strip() == str(
        lab.monitor.home
    )
