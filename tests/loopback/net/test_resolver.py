"""The resolver against a name server on loopback whose answers the test decides, on both loops."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from portwatchd.model import Family
from portwatchd.net.resolver import FAILURE_TTL, MAX_TTL, MIN_TTL, NEGATIVE_TTL, WITNESS_SECONDS, CachingResolver
from portwatchd.world import Resolution, Resolved

pytestmark = pytest.mark.timeout(20, method="thread")

BOTH = (Family.IPV4, Family.IPV6)
V4, V6 = (Family.IPV4,), (Family.IPV6,)
NOERROR, SERVFAIL, NXDOMAIN, SILENCE = 0, 2, 3, -1
A, AAAA = 1, 28


@dataclass
class Zone(asyncio.DatagramProtocol):
    """A name server: what it says by name and type, and what it was asked."""

    answers: dict[tuple[str, int], tuple[int, list[str]]] = field(default_factory=dict)
    ttl: int = 300
    default: int = NXDOMAIN
    asked: list[tuple[str, int]] = field(default_factory=list)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport) or hasattr(transport, "sendto")
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        (kind,) = struct.unpack_from("!H", data, at + 1)
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        code, addresses = self.answers.get((name, kind), (self.default, []))
        if code == SILENCE:
            return
        family = socket.AF_INET if kind == A else socket.AF_INET6
        records = b"".join(
            struct.pack("!HHHIH", 0xC00C, kind, 1, self.ttl, len(raw)) + raw
            for raw in (socket.inet_pton(family, address) for address in addresses)
        )
        header = data[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(addresses), 0, 0)
        self.transport.sendto(header + data[12 : at + 5] + records, addr)

    def holds(self, name: str, *addresses: str) -> None:
        for kind, colon in ((A, False), (AAAA, True)):
            self.answers[name, kind] = (NOERROR, [a for a in addresses if (":" in a) == colon])

    def fails(self, name: str, code: int = SERVFAIL, kinds: tuple[int, ...] = (A, AAAA)) -> None:
        for kind in kinds:
            self.answers[name, kind] = (code, [])


@dataclass
class HandClock:
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Bench:
    zone: Zone
    clock: HandClock
    resolver: CachingResolver

    async def ask(self, host: str, families: tuple[Family, ...] = BOTH, *, fresh: bool = False) -> Resolution:
        return await self.resolver.resolve(host, families, fresh=fresh)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    zone, clock = Zone(), HandClock()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: zone, ("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    resolver = CachingResolver(clock, [f"127.0.0.1:{port}"], tmp_path / "resolv.conf")
    yield Bench(zone, clock, resolver)
    await resolver.close()
    transport.close()
    await asyncio.sleep(0)


async def test_addresses_come_by_family_sorted_once_each(bench: Bench) -> None:
    bench.zone.holds("a.example", "192.0.2.10", "192.0.2.9", "192.0.2.9", "2001:db8::2", "2001:db8::1")
    assert await bench.ask("A.example.") == Resolution(
        Resolved.FRESH,
        (
            (Family.IPV4, "192.0.2.9"),
            (Family.IPV4, "192.0.2.10"),
            (Family.IPV6, "2001:db8::1"),
            (Family.IPV6, "2001:db8::2"),
        ),
    )


@pytest.mark.parametrize(
    ("literal", "family", "address"),
    [
        ("192.0.2.1", Family.IPV4, "192.0.2.1"),
        ("2001:DB8::0:1", Family.IPV6, "2001:db8::1"),
        ("[2001:db8::1]", Family.IPV6, "2001:db8::1"),
        ("::ffff:192.0.2.1", Family.IPV4, "192.0.2.1"),
        ("fe80::1%eth0", Family.IPV6, "fe80::1%eth0"),
    ],
)
async def test_a_bare_address_asks_nobody(bench: Bench, literal: str, family: Family, address: str) -> None:
    assert await bench.ask(literal) == Resolution(Resolved.FRESH, ((family, address),))
    other = V6 if family is Family.IPV4 else V4
    assert (await bench.ask(literal, other)).status is Resolved.NO_SUCH_NAME
    assert bench.zone.asked == []


async def test_no_name_is_no_such_name(bench: Bench) -> None:
    for host in ("a..example", "", "x" * 64 + ".example", "a b.example"):
        assert (await bench.ask(host)).status is Resolved.NO_SUCH_NAME
    assert bench.zone.asked == []


async def test_idna_keeps_the_sharp_s(bench: Bench) -> None:
    bench.zone.holds("xn--schlo-pqa.example", "192.0.2.1")
    assert (await bench.ask("Schloß.example", V4)).addresses == ((Family.IPV4, "192.0.2.1"),)


@pytest.mark.parametrize(("ttl", "kept"), [(0, MIN_TTL), (1, MIN_TTL), (300, 300.0), (999_999, MAX_TTL)])
async def test_answers_are_kept_for_their_ttl_within_bounds(bench: Bench, ttl: int, kept: float) -> None:
    bench.zone.ttl = ttl
    bench.zone.holds("a.example", "192.0.2.1")
    await bench.ask("a.example", V4)
    start = bench.clock.now
    bench.clock.now = start + kept - 0.1
    await bench.ask("a.example", V4)
    assert len(bench.zone.asked) == 1
    entry = bench.resolver._entries["a.example", Family.IPV4]
    assert entry.until == pytest.approx(start + kept)


async def test_one_question_for_all_who_ask_at_once(bench: Bench) -> None:
    bench.zone.holds("a.example", "192.0.2.1")
    answers = await asyncio.gather(*(bench.ask("a.example", V4) for _ in range(50)))
    assert len(set(answers)) == 1
    assert len(bench.zone.asked) == 1


async def test_who_gives_up_takes_nothing_from_the_others(bench: Bench) -> None:
    bench.zone.holds("a.example", "192.0.2.1")
    hasty = asyncio.ensure_future(bench.ask("a.example", V4))
    patient = asyncio.ensure_future(bench.ask("a.example", V4))
    await asyncio.sleep(0)
    hasty.cancel()
    assert (await patient).status is Resolved.FRESH


async def test_fresh_passes_over_the_cache_and_over_that_of_cares(bench: Bench) -> None:
    bench.zone.holds("a.example", "192.0.2.1")
    await bench.ask("a.example", V4)
    bench.zone.holds("a.example", "192.0.2.2")
    bench.clock.now += MIN_TTL
    assert (await bench.ask("a.example", V4)).addresses == ((Family.IPV4, "192.0.2.1"),)
    assert (await bench.ask("a.example", V4, fresh=True)).addresses == ((Family.IPV4, "192.0.2.2"),)
    assert (await bench.ask("a.example", V4)).addresses == ((Family.IPV4, "192.0.2.2"),)


@pytest.mark.parametrize("code", [NXDOMAIN, NOERROR])
async def test_a_name_without_addresses_is_no_such_name_for_a_while(bench: Bench, code: int) -> None:
    bench.zone.fails("a.example", code)
    assert (await bench.ask("a.example")).status is Resolved.NO_SUCH_NAME
    asked = len(bench.zone.asked)
    bench.clock.now += NEGATIVE_TTL - 1
    await bench.ask("a.example")
    assert len(bench.zone.asked) == asked
    bench.zone.holds("a.example", "192.0.2.1")
    bench.clock.now += 2
    assert (await bench.ask("a.example", fresh=True)).status is Resolved.FRESH


async def test_one_family_alone_is_fresh(bench: Bench) -> None:
    bench.zone.holds("a.example", "192.0.2.1")
    assert await bench.ask("a.example") == Resolution(
        Resolved.FRESH, ((Family.IPV4, "192.0.2.1"),), (await bench.ask("a.example")).detail
    )


async def test_a_failing_family_keeps_its_known_addresses(bench: Bench) -> None:
    bench.zone.holds("a.example", "192.0.2.1", "2001:db8::1")
    await bench.ask("a.example")
    bench.zone.fails("a.example", kinds=(AAAA,))
    bench.clock.now += 301
    result = await bench.ask("a.example", fresh=True)
    assert result.status is Resolved.FRESH
    assert result.addresses == ((Family.IPV4, "192.0.2.1"), (Family.IPV6, "2001:db8::1"))
    assert "ipv6" in result.detail


async def test_what_was_known_is_stale_while_dns_fails(bench: Bench) -> None:
    bench.zone.holds("a.example", "192.0.2.1")
    await bench.ask("a.example", V4)
    bench.zone.fails("a.example")
    bench.clock.now += 301
    for _ in range(3):
        result = await bench.ask("a.example", V4, fresh=True)
        assert (result.status, result.addresses) == (Resolved.STALE, ((Family.IPV4, "192.0.2.1"),))
        bench.clock.now += FAILURE_TTL + 1
    bench.zone.holds("a.example", "192.0.2.3")
    result = await bench.ask("a.example", V4)
    assert (result.status, result.addresses) == (Resolved.FRESH, ((Family.IPV4, "192.0.2.3"),))


async def test_who_is_at_fault_is_told_by_the_other_names(bench: Bench) -> None:
    bench.zone.fails("bad.example")
    assert (await bench.ask("bad.example", V4)).status is Resolved.RESOLVER_FAILED
    await bench.ask("gone.example", V4)  # NXDOMAIN is an answer too
    assert (await bench.ask("bad.example", V4)).status is Resolved.NAME_SERVER_FAILED
    bench.clock.now += WITNESS_SECONDS + 1
    assert (await bench.ask("bad.example", V4, fresh=True)).status is Resolved.RESOLVER_FAILED


async def test_a_name_is_no_witness_for_itself(bench: Bench) -> None:
    bench.zone.holds("a.example", "192.0.2.1")
    await bench.ask("a.example", V4)
    bench.zone.fails("a.example", kinds=(AAAA,))
    assert (await bench.ask("a.example", V6)).status is Resolved.RESOLVER_FAILED


async def test_silence_ends_in_time(bench: Bench) -> None:
    bench.zone.fails("a.example", SILENCE)
    start = asyncio.get_running_loop().time()
    assert (await bench.ask("a.example")).status is Resolved.RESOLVER_FAILED
    assert asyncio.get_running_loop().time() - start < 6
    assert not bench.resolver._running


async def test_localhost_witnesses_nothing(bench: Bench) -> None:
    assert (Family.IPV4, "127.0.0.1") in (await bench.ask("localhost", V4)).addresses
    bench.zone.fails("bad.example")
    assert (await bench.ask("bad.example", V4)).status is Resolved.RESOLVER_FAILED


async def test_a_changed_resolv_conf_is_followed(bench: Bench, tmp_path: Path) -> None:
    await bench.ask("a.example", V4)
    first = bench.resolver._source
    bench.clock.now += NEGATIVE_TTL + 1
    await bench.ask("a.example", V4)
    assert bench.resolver._source is first
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    bench.clock.now += NEGATIVE_TTL + 1
    await bench.ask("a.example", V4)
    assert bench.resolver._source is not first


async def test_the_cache_is_bounded(bench: Bench, small_cache: int) -> None:
    for number in range(small_cache + 5):
        await bench.ask(f"n{number}.example", V4)
    assert len(bench.resolver._entries) == small_cache


@pytest.fixture
def small_cache(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("portwatchd.net.resolver.CACHE_LIMIT", 10)
    return 10


async def test_closing_twice_and_amid_a_look_up(bench: Bench) -> None:
    bench.zone.fails("a.example", SILENCE)
    waiting = asyncio.ensure_future(bench.ask("a.example"))
    await asyncio.sleep(0.02)
    await bench.resolver.close()
    await bench.resolver.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
