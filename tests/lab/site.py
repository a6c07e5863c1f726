"""Owns the wiring of one school: its line, its router, its LAN, and the knobs that change them while they run."""

from __future__ import annotations

from . import addresses as at
from .netns import Namespace, connect
from .rules import RouterSettings, ServerSettings, box_rules, router_rules, server_rules
from .topology import Cut, Provider, Router, Server


class Site:
    """One school's machines, its line and its LAN, with all knobs."""

    def __init__(self, plan: at.SchoolPlan, provider: Provider) -> None:
        """Build the school and connect it to the provider; all is well afterwards."""
        self.plan = plan
        self.provider = provider
        kinds = ("rtr", "srv", "nas", "box")
        spaces = {kind: Namespace(f"{provider.prefix}{kind}{plan.index}", at.EXTERNAL_V4) for kind in kinds}
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
        self._line_off = self._redialled = False
        self._server_off = self._nas_took = self._new_card = False
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

    @property
    def address_v6(self) -> str:
        """Return the IPv6 address that the server has now."""
        return self.plan.new_card_v6 if self._new_card else self.plan.server_v6

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
            f"neigh flush dev {plan.cable}",
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

    def give_nas_the_servers_address(self) -> None:
        """Let the other machine take the server's IPv4 address in the LAN, while the server is off."""
        self.switch_server_off()
        self._nas.ip(f"addr add {at.LAN_SERVER}/24 dev eth0")
        self._nas_took = True

    def fit_new_card(self) -> None:
        """Give the server another interface ID, so that the router's IPv6 openings lead nowhere."""
        self._srv.ip(
            f"addr add {self.plan.new_card_v6}/64 dev eth0 nodad", f"addr del {self.plan.server_v6}/64 dev eth0"
        )
        self._new_card = True

    def reset(self) -> None:
        """Make everything of the school's network well again; the provider resets itself."""
        self.router.reset()
        self.server.reset()
        if self._nas_took:
            self._nas.ip(f"addr del {at.LAN_SERVER}/24 dev eth0")
            self._nas_took = False
        if self._new_card:
            self._srv.ip(f"addr del {self.plan.new_card_v6}/64 dev eth0")
        if self._server_off or self._new_card:
            self.switch_server_on()
            self._new_card = False
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
