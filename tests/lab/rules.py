"""Owns the packet filters: frozen settings of each machine, and pure functions from settings to an nft ruleset."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from .addresses import BOX_ROUTER, LAN_NAS, LAN_SERVER

if TYPE_CHECKING:
    from collections.abc import Collection

SERVICES = frozenset({21, 22, 25, 80, 110, 143, 443, 465, 587, 993, 995, 10636})
FTP_DATA = frozenset(range(63000, 63100))
ALL_PORTS = SERVICES | FTP_DATA
ALIAS = 636
ALIASED = 10636
TO_ITSELF = "meta nfproto ipv4 fib daddr type local"
"""A forward counts for the address that the router has now, not for one that it had."""


class Refusal(Enum):
    """How a machine turns a connection away."""

    DROP = "drop"
    RESET = "reset"
    REJECT = "reject"


class Alias(Enum):
    """Where the router leads port 636."""

    OFF = "off"
    SERVER = "server"
    NAS = "nas"


Filter = frozenset[tuple[int, Refusal]]
"""Single ports, and how each is turned away."""


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """What the school's router does; the defaults are a router on which all is well."""

    forwarded: frozenset[int] = ALL_PORTS
    """TCP ports led to the server (IPv4)."""
    to_nas: frozenset[int] = frozenset()
    """TCP ports led to the other machine instead (IPv4)."""
    alias: Alias = Alias.OFF
    exposed_host: bool = False
    """Everything but the router's own ports is led to the server (IPv4)."""
    own: frozenset[int] = frozenset()
    """TCP ports on which the router answers itself: it has a web interface on 80 and 443 and SSH on 22."""
    unforwarded: Refusal = Refusal.REJECT
    """What happens to any other port; a FRITZ!Box rejects by ICMP."""
    filtered: Filter = frozenset()
    """Ports turned away after the address translation, on the way to the server (both families)."""
    time_exceeded: bool = True
    answers_ping: bool = True
    ipv6_opened: frozenset[int] = ALL_PORTS
    """TCP ports that the IPv6 firewall opens to the server's own address."""
    ipv6_exposed_host: bool = False
    ipv6_blocked: Refusal = Refusal.REJECT


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the server's own firewall does."""

    filtered: Filter = frozenset()


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What the provider between monitor and schools does; the sets hold its interfaces towards schools."""

    dead: frozenset[str] = frozenset()
    without_ipv4: frozenset[str] = frozenset()
    without_ipv6: frozenset[str] = frozenset()
    monitor_cut: bool = False
    monitor_blocked_ports: frozenset[int] = frozenset()
    """TCP ports that the monitor may not reach anywhere outside, as clouds block 25."""


def _ports(ports: Collection[int]) -> str:
    """Return an nft set of ports, neighbours joined to ranges."""
    spans: list[list[int]] = []
    for port in sorted(ports):
        if spans and port == spans[-1][1] + 1:
            spans[-1][1] = port
        else:
            spans.append([port, port])
    return "{ " + ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in spans) + " }"


def _names(names: Collection[str]) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in sorted(names)) + " }"


def _refuse(refusal: Refusal, match: str, icmp: str = "port-unreachable") -> list[str]:
    """Return the rules that turn `match` away."""
    if refusal is Refusal.RESET:
        return [f"{match} meta l4proto tcp reject with tcp reset", f"{match} drop"]
    if refusal is Refusal.REJECT:
        return [f"{match} reject with icmpx type {icmp}"]
    return [f"{match} drop"]


def _filter(filtered: Filter) -> list[str]:
    rules: list[str] = []
    for port, refusal in sorted(filtered, key=lambda entry: entry[0]):
        rules += _refuse(refusal, f"tcp dport {port}")
    return rules


def _ruleset(**chains: tuple[str, list[str]]) -> str:
    """Return the text that replaces a whole ruleset; each chain is its hook and its rules."""
    lines = ["flush ruleset", "table inet lab {"]
    for name, (hook, rules) in chains.items():
        lines += [f"chain {name} {{", f"type {hook}; policy accept;", *rules, "}"]
    return "\n".join([*lines, "}", ""])


def router_rules(settings: RouterSettings, server_v6: str) -> str:
    """Return the ruleset of a school's router."""
    outside = 'iifname "wan"'
    outside_v4 = f"{outside} {TO_ITSELF}"
    leads: list[str] = []
    if settings.own:
        leads.append(f"{outside_v4} tcp dport {_ports(settings.own)} accept")
    if settings.alias is not Alias.OFF:
        machine = LAN_SERVER if settings.alias is Alias.SERVER else LAN_NAS
        leads.append(f"{outside_v4} tcp dport {ALIAS} dnat ip to {machine}:{ALIASED}")
    if settings.to_nas:
        leads.append(f"{outside_v4} tcp dport {_ports(settings.to_nas)} dnat ip to {LAN_NAS}")
    if settings.exposed_host:
        leads.append(f"{outside_v4} meta l4proto {{ tcp, udp }} dnat ip to {LAN_SERVER}")
    elif settings.forwarded:
        leads.append(f"{outside_v4} tcp dport {_ports(settings.forwarded)} dnat ip to {LAN_SERVER}")

    to_router = ['iifname != "wan" accept', "ct state established,related accept"]
    if not settings.answers_ping:
        to_router += ["icmp type echo-request drop", "icmpv6 type echo-request drop"]
    to_router.append("meta l4proto { icmp, ipv6-icmp } accept")
    if settings.own:
        to_router.append(f"tcp dport {_ports(settings.own)} accept")
    to_router += _refuse(settings.unforwarded, "meta nfproto ipv4")
    to_router += _refuse(settings.ipv6_blocked, "meta nfproto ipv6", "admin-prohibited")

    through = _filter(settings.filtered)
    through += ["ct state established,related accept", 'iifname != "wan" accept', "ct status dnat accept"]
    through.append("meta l4proto ipv6-icmp accept")
    if settings.ipv6_exposed_host:
        through.append(f"ip6 daddr {server_v6} accept")
    elif settings.ipv6_opened:
        through.append(f"ip6 daddr {server_v6} tcp dport {_ports(settings.ipv6_opened)} accept")
    through += [*_refuse(settings.ipv6_blocked, "meta nfproto ipv6", "admin-prohibited"), "drop"]

    own_icmp: list[str] = []
    if not settings.time_exceeded:
        own_icmp = ["icmp type time-exceeded drop", "icmpv6 type time-exceeded drop"]
    return _ruleset(
        prerouting=("nat hook prerouting priority dstnat", leads),
        postrouting=("nat hook postrouting priority srcnat", ['oifname "wan" meta nfproto ipv4 masquerade']),
        input=("filter hook input priority filter", to_router),
        forward=("filter hook forward priority filter", through),
        output=("filter hook output priority filter", own_icmp),
    )


def box_rules() -> str:
    """Return the ruleset of a provider's box, which leads everything to the school's router."""
    return _ruleset(
        prerouting=(
            "nat hook prerouting priority dstnat",
            [f'iifname "wan" {TO_ITSELF} meta l4proto {{ tcp, udp }} dnat ip to {BOX_ROUTER}'],
        ),
        postrouting=("nat hook postrouting priority srcnat", ['oifname "wan" meta nfproto ipv4 masquerade']),
    )


def server_rules(settings: ServerSettings) -> str:
    """Return the ruleset of the server's own firewall."""
    return _ruleset(input=("filter hook input priority filter", _filter(settings.filtered)))


def provider_rules(settings: ProviderSettings) -> str:
    """Return the ruleset of the provider."""
    through: list[str] = []
    for side in ("iifname", "oifname"):
        if settings.dead:
            through.append(f"{side} {_names(settings.dead)} drop")
        if settings.without_ipv4:
            through.append(f"{side} {_names(settings.without_ipv4)} meta nfproto ipv4 drop")
        if settings.without_ipv6:
            through.append(f"{side} {_names(settings.without_ipv6)} meta nfproto ipv6 drop")
        if settings.monitor_cut:
            through.append(f'{side} "mon" drop')
    if settings.monitor_blocked_ports:
        through.append(f'iifname "mon" tcp dport {_ports(settings.monitor_blocked_ports)} drop')
    return _ruleset(forward=("filter hook forward priority filter", through))
