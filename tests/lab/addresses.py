"""Owns the lab's plan of addresses: documentation ranges outside, a private LAN behind each router."""

from __future__ import annotations

from dataclasses import dataclass

MONITOR_V4 = "192.0.2.2"
MONITOR_V6 = "2001:db8:0:1::2"
MONITOR_GATEWAY_V4 = "192.0.2.1"
MONITOR_GATEWAY_V6 = "2001:db8:0:1::1"
EXTERNAL_V4 = "192.0.2.130"
EXTERNAL_V6 = "2001:db8:0:2::2"
EXTERNAL_GATEWAY_V4 = "192.0.2.129"
EXTERNAL_GATEWAY_V6 = "2001:db8:0:2::1"
EXTERNAL_HOST = "ext.example.org"

LAN_ROUTER = "192.168.178.1"
LAN_SERVER = "192.168.178.2"
LAN_NAS = "192.168.178.3"
BOX_INSIDE = "192.168.0.1"
BOX_ROUTER = "192.168.0.2"

_NAMES = ("gym-nord", "gs-sued", "kgs-west", "igs-ost")


@dataclass(frozen=True, slots=True)
class SchoolPlan:
    """Every name and address of one school, by its index; `box` puts a provider's box before its router."""

    index: int
    box: bool = False

    @property
    def name(self) -> str:
        """Return the school's name in a configuration."""
        return _NAMES[self.index] if self.index < len(_NAMES) else f"school-{self.index}"

    @property
    def host(self) -> str:
        """Return the school's name in the DNS."""
        return f"{self.name}.example.org"

    @property
    def cable(self) -> str:
        """Return the name of the provider's interface towards the school."""
        return f"sch{self.index}"

    @property
    def provider_v4(self) -> str:
        """Return the provider's end of the school's line."""
        return f"198.51.100.{4 * self.index + 1}"

    @property
    def public_v4(self) -> str:
        """Return the school's public IPv4 address: its router's WAN address, or the box's where there is one."""
        return f"198.51.100.{4 * self.index + 2}"

    @property
    def redialled_v4(self) -> str:
        """Return the public IPv4 address that the school has after its line dialled in anew."""
        return f"203.0.113.{self.index + 1}"

    @property
    def provider_v6(self) -> str:
        """Return the provider's end of the school's line."""
        return f"2001:db8:100:{self.index + 1:x}::1"

    @property
    def wan_v6(self) -> str:
        """Return the IPv6 address at the school's end of the line."""
        return f"2001:db8:100:{self.index + 1:x}::2"

    @property
    def box_inside_v6(self) -> str:
        """Return the box's IPv6 address towards the school's router."""
        return f"2001:db8:110:{self.index + 1:x}::1"

    @property
    def box_router_v6(self) -> str:
        """Return the router's IPv6 address towards the box."""
        return f"2001:db8:110:{self.index + 1:x}::2"

    @property
    def lan_v6(self) -> str:
        """Return the network that the provider delegated to the school."""
        return f"2001:db8:200:{self.index + 1:x}::/64"

    @property
    def router_v6(self) -> str:
        """Return the router's IPv6 address in the LAN."""
        return f"2001:db8:200:{self.index + 1:x}::1"

    @property
    def server_v6(self) -> str:
        """Return the server's IPv6 address, reachable from outside where the router's firewall has an opening."""
        return f"2001:db8:200:{self.index + 1:x}::2"

    @property
    def new_card_v6(self) -> str:
        """Return the server's IPv6 address with another network card."""
        return f"2001:db8:200:{self.index + 1:x}::12"

    @property
    def nas_v6(self) -> str:
        """Return the other machine's IPv6 address."""
        return f"2001:db8:200:{self.index + 1:x}::3"

    @property
    def hops(self) -> int:
        """Return the distance from the monitor to the last router before the server."""
        return 3 if self.box else 2
