"""Owns the wiring of monitor, provider and schools, and the knobs that change it while it runs."""

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
    box_rules,
    provider_rules,
    router_rules,
    server_rules,
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
    """The school's server as a machine: its own firewall and its cable."""

    _off = False

    def filter(self, *ports: int, refusal: Refusal = Refusal.DROP) -> None:
        """Turn these ports away in the server's own firewall."""
        self.set(filtered=self.settings.filtered | {(port, refusal) for port in ports})


class Provider(Filtered[ProviderSettings]):
    """The provider between the monitor and the schools."""

    def __init__(self, monitor: Namespace, external: Namespace) -> None:
        """Make the provider's hop and connect the monitor and the host outside to it."""
        namespace = Namespace("pw-isp", at.EXTERNAL_V4)
        namespace.create()
        namespace.forward_packets()
        super().__init__(namespace, ProviderSettings(), provider_rules)
        self.monitor = monitor
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
            self._uplink_off = False


class Site:
    """One school's machines, its line and its LAN, with all knobs."""

    def __init__(self, plan: at.SchoolPlan, provider: Provider) -> None:
        """Build the school and connect it to the provider; all is well afterwards."""
        self.plan = plan
        self.provider = provider
        spaces = {kind: Namespace(f"pw-{kind}{plan.index}", at.EXTERNAL_V4) for kind in ("rtr", "srv", "nas", "box")}
        self._rtr, self._srv, self._nas, box = spaces["rtr"], spaces["srv"], spaces["nas"], spaces["box"]
        self.box = box if plan.box else None
        for space in spaces.values():
            if space is not box or plan.box:
                space.create()
                space.sysctl({"net.ipv6.conf.all.keep_addr_on_down": 1})
        self._rtr.forward_packets()
        self._edge = box if plan.box else self._rtr
        connect(provider.namespace, plan.cable, self._edge, "wan")
        if plan.box:
            box.forward_packets()
            connect(box, "lan", self._rtr, "wan")
            box.nft(box_rules())
        self._rtr.ip("link add lan type bridge mcast_snooping 0")
        connect(self._rtr, "srv", self._srv, "eth0")
        connect(self._rtr, "nas", self._nas, "eth0")
        self._rtr.ip("link set srv master lan", "link set nas master lan", "link set lan up")
        self._line_off = self._server_off = self._redialled = False
        self._address_line()
        self._address_lan()
        self.router = Router(self._rtr, RouterSettings(), lambda settings: router_rules(settings, plan.server_v6))
        self.server = Server(self._srv, ServerSettings(), server_rules)

    @property
    def router_space(self) -> Namespace:
        """Return the router's namespace."""
        return self._rtr

    @property
    def server_space(self) -> Namespace:
        """Return the server's namespace."""
        return self._srv

    @property
    def nas_space(self) -> Namespace:
        """Return the other machine's namespace."""
        return self._nas

    @property
    def address_v4(self) -> str:
        """Return the public IPv4 address that the school has now."""
        return self.plan.redialled_v4 if self._redialled else self.plan.public_v4

    def _address_line(self) -> None:
        plan = self.plan
        self._edge.ip(
            "link set wan up",
            "addr flush dev wan scope global",
            f"addr replace {plan.public_v4}/30 dev wan",
            f"addr replace {plan.wan_v6}/64 dev wan nodad",
            f"route replace default via {plan.provider_v4}",
            f"route replace default via {plan.provider_v6}",
        )
        self.provider.namespace.ip(
            f"addr replace {plan.provider_v4}/30 dev {plan.cable}",
            f"addr replace {plan.provider_v6}/64 dev {plan.cable} nodad",
            f"route replace {plan.lan_v6} via {plan.wan_v6}",
            f"route replace 2001:db8:110:{plan.index + 1:x}::/64 via {plan.wan_v6}",
        )
        if self.box:
            self.box.ip(
                f"addr replace {at.BOX_INSIDE}/24 dev lan",
                f"addr replace {plan.box_inside_v6}/64 dev lan nodad",
                f"route replace {plan.lan_v6} via {plan.box_router_v6}",
            )
            self._rtr.ip(
                f"addr replace {at.BOX_ROUTER}/24 dev wan",
                f"addr replace {plan.box_router_v6}/64 dev wan nodad",
                f"route replace default via {at.BOX_INSIDE}",
                f"route replace default via {plan.box_inside_v6}",
            )

    def _address_lan(self) -> None:
        self._rtr.ip(f"addr replace {at.LAN_ROUTER}/24 dev lan", f"addr replace {self.plan.router_v6}/64 dev lan nodad")
        for space, v4, v6 in (
            (self._srv, at.LAN_SERVER, self.plan.server_v6),
            (self._nas, at.LAN_NAS, self.plan.nas_v6),
        ):
            space.ip(
                "link set eth0 up",
                f"addr replace {v4}/24 dev eth0",
                f"addr replace {v6}/64 dev eth0 nodad",
                f"route replace default via {at.LAN_ROUTER}",
                f"route replace default via {self.plan.router_v6}",
            )

    def cut_line(self, how: Cut) -> None:
        """Cut the school's line, both families."""
        if how is Cut.LINK:
            self._edge.ip("link set wan down")
            self._line_off = True
        else:
            self.provider.set(dead=self.provider.settings.dead | {self.plan.cable})

    def lose_ipv4(self) -> None:
        """Let no IPv4 reach the school any more, as after a change to DS-Lite."""
        self.provider.set(without_ipv4=self.provider.settings.without_ipv4 | {self.plan.cable})

    def lose_ipv6(self) -> None:
        """Let no IPv6 reach the school any more."""
        self.provider.set(without_ipv6=self.provider.settings.without_ipv6 | {self.plan.cable})

    def redial(self) -> None:
        """Give the school another public IPv4 address; the old one is nobody's afterwards."""
        self._edge.ip(f"addr add {self.plan.redialled_v4}/32 dev wan", f"addr del {self.plan.public_v4}/30 dev wan")
        self._edge.ip(
            f"addr replace {self.plan.redialled_v4} peer {self.plan.provider_v4} dev wan",
            f"route replace default via {self.plan.provider_v4}",
        )
        self.provider.namespace.ip(f"route replace {self.plan.redialled_v4} dev {self.plan.cable}")
        self._redialled = True

    def switch_server_off(self) -> None:
        """Pull the server's cable; the router forgets at once where the server was."""
        self._srv.ip("link set eth0 down")
        self._rtr.ip("neigh flush dev lan")
        self._server_off = True

    def switch_server_on(self) -> None:
        """Plug the server's cable in again."""
        self._address_lan()
        self._rtr.ip("neigh flush dev lan")
        self._server_off = False

    def reset(self) -> None:
        """Make everything of the school's network well again; the provider resets itself."""
        self.router.reset()
        self.server.reset()
        if self._server_off:
            self.switch_server_on()
        if self._line_off or self._redialled:
            if self._redialled:
                self.provider.namespace.ip(f"route del {self.plan.redialled_v4}")
            self._address_line()
            self._line_off = self._redialled = False

    def destroy(self) -> None:
        """Remove the school's namespaces and every process in them."""
        for space in (self._rtr, self._srv, self._nas, self.box):
            if space:
                space.destroy()
