"""Owns the table of what can befall a school, and what the monitor must say of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .rules import ALIASED, FTP_DATA, SERVICES, Alias, Refusal
from .topology import Cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .lab import Lab, School

RANGE = "63000-63099"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that happens to a school which was well before, and the verdicts that follow.

    Ports are written like `4/25`; `4/*` stands for all ports of IPv4 that are not named (636 left out).
    """

    name: str
    happen: Callable[[Lab, School], None]
    diagnosis: str
    ports: Mapping[str, str] = field(default_factory=dict)
    boxed: bool = False
    """It happens to the school behind a provider's box."""
    everywhere: bool = False
    """It happens to every school at once: it is about the monitor."""
    range_lost: tuple[int, ...] | None = None
    exposed: bool | None = None
    method: str | None = None

    @property
    def expected(self) -> dict[str, str]:
        """The verdicts, with `ok` for the ports that are not named."""
        return {"4/*": "ok", "6/*": "ok", **self.ports}


def _lose(how: Refusal, *ports: int) -> Callable[[Lab, School], None]:
    def happen(_lab: Lab, school: School) -> None:
        school.router.set(unforwarded=how, forwarded=school.router.settings.forwarded - set(ports))

    return happen


def _close_v6(how: Refusal, *ports: int) -> Callable[[Lab, School], None]:
    def happen(_lab: Lab, school: School) -> None:
        school.router.set(ipv6_blocked=how, ipv6_opened=school.router.settings.ipv6_opened - set(ports))

    return happen


def _router(**changes: object) -> Callable[[Lab, School], None]:
    return lambda _lab, school: school.router.set(**changes)


def _lose_everything(how: Refusal) -> Callable[[Lab, School], None]:
    def happen(_lab: Lab, school: School) -> None:
        school.router.set(unforwarded=how, ipv6_blocked=how, forwarded=frozenset(), ipv6_opened=frozenset())

    return happen


def _mute_and_lose(how: Refusal) -> Callable[[Lab, School], None]:
    def happen(_lab: Lab, school: School) -> None:
        school.router.set(time_exceeded=False, unforwarded=how, forwarded=school.router.settings.forwarded - {25})

    return happen


def _alias_to_nas(_lab: Lab, school: School) -> None:
    web = school.nas_web
    web.set(tls_ports=(*web.settings.tls_ports, ALIASED))
    school.router.set(alias=Alias.NAS)


def _exposed_with(*, lost: bool) -> Callable[[Lab, School], None]:
    def happen(_lab: Lab, school: School) -> None:
        school.router.set(exposed_host=not lost)

    return happen


def _cut_line(how: Cut) -> Callable[[Lab, School], None]:
    return lambda _lab, school: school.cut_line(how)


def _cut_monitor(how: Cut) -> Callable[[Lab, School], None]:
    return lambda lab, _school: lab.provider.cut_monitor(how)


HOLES = (63017, 63040, 63041, 63042)
SCENARIOS = (
    Scenario("all is well", lambda _lab, _school: None, "ok", method="time_exceeded", exposed=False),
    *(
        Scenario(
            f"forward of 25 lost, router {how.value}s", _lose(how, 25), "forwards_lost", {"4/25": "forward_lost hop"}
        )
        for how in Refusal
    ),
    Scenario(
        "two forwards lost, router drops",
        _lose(Refusal.DROP, 25, 993),
        "forwards_lost",
        {"4/25": "forward_lost hop", "4/993": "forward_lost hop"},
    ),
    *(
        Scenario(
            f"every IPv4 forward lost, router {how.value}s",
            _lose(how, *SERVICES, *FTP_DATA),
            "ipv4_lost",
            {"4/*": "forward_lost"},
        )
        for how in Refusal
    ),
    *(
        Scenario(
            f"every forward lost in both families, router {how.value}s",
            _lose_everything(how),
            "all_forwards_lost",
            {"4/*": "forward_lost", "6/*": "forward_lost"},
        )
        for how in (Refusal.RESET, Refusal.REJECT)
    ),
    Scenario(
        "Exim is stopped",
        lambda _lab, school: school.mail.stop(),
        "services_down",
        {f"{family}/{port}": "service_down hop" for family in (4, 6) for port in (25, 465, 587)},
    ),
    Scenario(
        "the server's firewall drops 25",
        lambda _lab, school: school.server.filter(25, refusal=Refusal.DROP),
        "services_down",
        {"4/25": "server_filtered hop", "6/25": "server_filtered contrast"},
    ),
    Scenario(
        "the server's firewall rejects 25 by ICMP",
        lambda _lab, school: school.server.filter(25, refusal=Refusal.REJECT),
        "services_down",
        {"4/25": "server_filtered hop", "6/25": "server_filtered icmp"},
    ),
    Scenario(
        "the router filters 25 after the translation, dropping",
        lambda _lab, school: school.router.filter(25, refusal=Refusal.DROP),
        "services_down",
        {"4/25": "server_filtered hop", "6/25": "server_filtered contrast"},
    ),
    Scenario(
        "the router filters 25 after the translation, resetting",
        lambda _lab, school: school.router.filter(25, refusal=Refusal.RESET),
        "forwards_lost",
        {"4/25": "server_filtered hop", "6/25": "forward_lost hop"},
    ),
    Scenario(
        "the router's own web interface on 443",
        _router(own=frozenset({443})),
        "forwards_lost",
        {"4/443": "router_answers hop"},
    ),
    Scenario(
        "443 leads to a NAS",
        lambda _lab, school: school.router.set(
            to_nas=frozenset({443}), forwarded=school.router.settings.forwarded - {443}
        ),
        "wrong_device",
        {"4/443": "wrong_device identity"},
    ),
    Scenario(
        "the server is off",
        lambda _lab, school: school.switch_server_off(),
        "server_down",
        {"4/*": "server_down", "6/*": "server_down"},
    ),
    Scenario(
        "the line's plug is pulled",
        _cut_line(Cut.LINK),
        "line_down",
        {"4/*": "line_down", "6/*": "line_down"},
    ),
    Scenario(
        "the line is dead without a word",
        _cut_line(Cut.BLACKHOLE),
        "line_down",
        {"4/*": "line_down", "6/*": "line_down"},
    ),
    Scenario(
        "no IPv4 any more (DS-Lite)", lambda _lab, school: school.lose_ipv4(), "ipv4_lost", {"4/*": "forward_lost"}
    ),
    Scenario("no IPv6 any more", lambda _lab, school: school.lose_ipv6(), "ipv6_lost", {"6/*": "forward_lost"}),
    Scenario(
        "the server has a new network card",
        lambda _lab, school: school.fit_new_card(),
        "ipv6_lost",
        {"6/*": "server_down"},
    ),
    *(
        Scenario(
            f"25 blocked over IPv6, router {how.value}s",
            _close_v6(how, 25),
            "forwards_lost",
            {"6/25": f"forward_lost {by}"},
        )
        for how, by in ((Refusal.DROP, "contrast"), (Refusal.RESET, "hop"), (Refusal.REJECT, "icmp"))
    ),
    *(
        Scenario(
            f"IPv6 blocked for all ports, router {how.value}s",
            _close_v6(how, *SERVICES, *FTP_DATA),
            "ipv6_lost",
            {"6/*": "forward_lost"},
        )
        for how in Refusal
    ),
    Scenario(
        "holes in the range, router rejects",
        _lose(Refusal.REJECT, *HOLES),
        "forwards_lost",
        {f"4/{RANGE}": "forward_lost hop"},
        range_lost=HOLES,
    ),
    Scenario(
        "the whole range lost, router drops",
        _lose(Refusal.DROP, *FTP_DATA),
        "forwards_lost",
        {f"4/{RANGE}": "forward_lost hop"},
        range_lost=tuple(sorted(FTP_DATA)),
    ),
    Scenario("exposed host", _exposed_with(lost=False), "ok", {"4/636": "unused hop"}, exposed=True),
    Scenario("636 leads to 10636", _router(alias=Alias.SERVER), "ok", {"4/636": "ok answer"}),
    Scenario("636 leads to a NAS", _alias_to_nas, "wrong_device", {"4/636": "wrong_device identity"}),
    Scenario("two routers, all is well", lambda _lab, _school: None, "ok", boxed=True, method="time_exceeded"),
    Scenario(
        "two routers, the inner one lost 25 and drops",
        _lose(Refusal.DROP, 25),
        "forwards_lost",
        {"4/25": "forward_lost hop"},
        boxed=True,
    ),
    Scenario(
        "two routers, the inner one lost 25 and resets",
        _lose(Refusal.RESET, 25),
        "forwards_lost",
        {"4/25": "forward_lost hop"},
        boxed=True,
    ),
    Scenario(
        "25 blocked at the monitor",
        lambda lab, _school: lab.provider.block_monitor(25),
        "ok",
        {"4/25": "blocked_here contrast", "6/25": "blocked_here contrast"},
        everywhere=True,
    ),
    Scenario(
        "the name is gone",
        lambda lab, school: lab.dns.remove(school.plan.host),
        "dns_failed",
        {"4/*": "unknown", "6/*": "unknown"},
    ),
    Scenario("the resolver is dead", lambda lab, _school: lab.dns.kill(), "ok", everywhere=True),
    *(
        Scenario(
            f"the monitor's uplink is cut ({how.value})",
            _cut_monitor(how),
            "unknown",
            {"4/*": "unknown", "6/*": "unknown"},
            everywhere=True,
        )
        for how in Cut
    ),
)
FIRST_CONTACT = (
    Scenario("router without time-exceeded, all is well", _router(time_exceeded=False), "ok", method="answers"),
    Scenario(
        "router without time-exceeded, 25 lost, router resets",
        _mute_and_lose(Refusal.RESET),
        "forwards_lost",
        {"4/25": "forward_lost hop"},
        method="answers",
    ),
    Scenario(
        "router without time-exceeded, 25 lost, router drops",
        _mute_and_lose(Refusal.DROP),
        "forwards_lost",
        {"4/25": "forward_lost contrast"},
        method="answers",
    ),
)
"""What the monitor meets at a school that it has never seen well."""
NO_PORTS = {"4/*": "", "6/*": ""}
"""Nothing is said of ports of which no address is known."""
BY_CHECK = (
    *FIRST_CONTACT,
    *(
        dataclasses.replace(
            scenario, ports={"4/*": "", "6/*": ""} if scenario.diagnosis == "dns_failed" else scenario.ports
        )
        for scenario in SCENARIOS
        if scenario.name
        in {
            "all is well",
            "forward of 25 lost, router drops",
            "forward of 25 lost, router resets",
            "the server is off",
            "the line is dead without a word",
            "holes in the range, router rejects",
            "every forward lost in both families, router resets",
            "the router's own web interface on 443",
            "443 leads to a NAS",
            "the name is gone",
        }
    ),
)
"""The same at first sight, as `portwatchd check` meets it."""
