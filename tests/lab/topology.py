"""Owns the machines whose packet filter tests change while they run, and the provider between monitor and schools."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import addresses as at
from .netns import Namespace, connect
from .rules import (
    ALL_PORTS,
    ProviderSettings,
    Refusal,
    RouterSettings,
    ServerSettings,
    provider_rules,
)

if TYPE_CHECKING:
    from collections.abc import Callable

S = TypeVar("S", RouterSettings, ServerSettings, ProviderSettings)


class Cut(Enum):
    """How a line fails: its plug is pulled, or the provider swallows every packet."""

    LINK = "link"
    BLACKHOLE = "blackhole"


class Filtered(Generic[S]):
    """A namespace whose packet filter follows a frozen settings value."""

    def __init__(self, namespace: Namespace, well: S, render: Callable[[S], str]) -> None:
        """Install the filter of a machine on which all is well."""
        self.namespace = namespace
        self._well: S = well
        self._render: Callable[[S], str] = render
        self.settings: S = well
        namespace.nft(render(well))

    def set(self, **changes: Any) -> None:  # noqa: ANN401 - the fields of the settings, checked by replace()
        """Change some settings; the others stay. The new filter holds when this returns."""
        self._apply(dataclasses.replace(self.settings, **changes))

    def reset(self) -> None:
        """Make all well again."""
        self._apply(self._well)

    def _apply(self, settings: S) -> None:
        if settings != self.settings:
            self.namespace.nft(self._render(settings))
            self.settings = settings


class Router(Filtered[RouterSettings]):
    """The school's router; `set(...)` takes the fields of `RouterSettings`."""

    def lose(self, *ports: int) -> None:
        """Take the forwards of these ports away, IPv4 only."""
        self.set(forwarded=self.settings.forwarded - set(ports))

    def lose_all(self) -> None:
        """Take every forward away, IPv4 only."""
        self.set(forwarded=frozenset(), exposed_host=False)

    def close_ipv6(self, *ports: int) -> None:
        """Close these ports in the IPv6 firewall; without ports, all of them."""
        self.set(ipv6_opened=self.settings.ipv6_opened - (set(ports) or ALL_PORTS), ipv6_exposed_host=False)

    def filter(self, *ports: int, refusal: Refusal = Refusal.DROP) -> None:
        """Turn these ports away after the translation, on the way to the server."""
        self.set(filtered=self.settings.filtered | {(port, refusal) for port in ports})


class Server(Filtered[ServerSettings]):
    """The server's own firewall; `set(...)` takes the fields of `ServerSettings`."""

    def filter(self, *ports: int, refusal: Refusal = Refusal.DROP) -> None:
        """Turn these ports away in the server's own firewall."""
        self.set(filtered=self.settings.filtered | {(port, refusal) for port in ports})


class Provider(Filtered[ProviderSettings]):
    """The provider between the monitor and the schools."""

    def __init__(self, prefix: str, monitor: Namespace, external: Namespace) -> None:
        """Make the provider's hop and connect the monitor and the host outside to it."""
        namespace = Namespace(f"{prefix}isp", at.EXTERNAL_V4)
        namespace.create()
        namespace.forward_packets()
        super().__init__(namespace, ProviderSettings(), provider_rules)
        self.monitor = monitor
        self.prefix = prefix
        """With it begin the names of all namespaces of this lab."""
        self._uplink_off = False
        for host, cable in ((monitor, "mon"), (external, "ext")):
            host.create()
            host.sysctl({"net.ipv6.conf.all.keep_addr_on_down": 1})
            connect(host, "eth0", namespace, cable)
        namespace.ip(
            f"addr replace {at.MONITOR_GATEWAY_V4}/25 dev mon",
            f"addr replace {at.MONITOR_GATEWAY_V6}/64 dev mon nodad",
            f"addr replace {at.EXTERNAL_GATEWAY_V4}/25 dev ext",
            f"addr replace {at.EXTERNAL_GATEWAY_V6}/64 dev ext nodad",
        )
        external.ip(
            f"addr replace {at.EXTERNAL_V4}/25 dev eth0",
            f"addr replace {at.EXTERNAL_V6}/64 dev eth0 nodad",
            f"route replace default via {at.EXTERNAL_GATEWAY_V4}",
            f"route replace default via {at.EXTERNAL_GATEWAY_V6}",
        )
        self._connect_monitor()

    def _connect_monitor(self) -> None:
        self.monitor.ip(
            "link set eth0 up",
            f"addr replace {at.MONITOR_V4}/25 dev eth0",
            f"addr replace {at.MONITOR_V6}/64 dev eth0 nodad",
            f"route replace default via {at.MONITOR_GATEWAY_V4}",
            f"route replace default via {at.MONITOR_GATEWAY_V6}",
        )

    def cut_monitor(self, how: Cut) -> None:
        """Cut the monitor off from everything."""
        if how is Cut.LINK:
            self.monitor.ip("link set eth0 down")
            self._uplink_off = True
        else:
            self.set(monitor_cut=True)

    def block_monitor(self, *ports: int) -> None:
        """Drop the monitor's connections to these ports, wherever they lead."""
        self.set(monitor_blocked_ports=frozenset(ports))

    def reset(self) -> None:
        """Make all well again: the filter, and the monitor's cable."""
        super().reset()
        if self._uplink_off:
            self._connect_monitor()
            self.namespace.ip("neigh flush dev mon")
            self._uplink_off = False
