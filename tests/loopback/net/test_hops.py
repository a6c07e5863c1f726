"""Hop probes and pings on loopback; what routers answer is the lab's to show."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from portwatchd.model import Answer, HopReply
from portwatchd.net.sockets import SystemNetwork

from .conftest import Serve
from .test_sockets import full_backlog, mute

pytestmark = pytest.mark.timeout(20, method="thread")

HOSTS = ["127.0.0.1", "::1"]
Descriptors = Callable[[], set[str]]


@contextmanager
def closed_port(host: str) -> Iterator[int]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        taken.bind((host, 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("ttl", "minimum"), [(None, None), (1, None), (None, 64)])
async def test_open_and_closed(
    network: SystemNetwork, serve: Serve, host: str, ttl: int | None, minimum: int | None
) -> None:
    port = await serve(mute, host=host)
    reply = await network.probe(host, port, seconds=1, ttl=ttl, minimum_ttl=minimum)
    assert reply == HopReply(Answer.CONNECTED)
    with closed_port(host) as closed:
        reply = await network.probe(host, closed, seconds=1, ttl=ttl, minimum_ttl=minimum)
        assert reply == HopReply(Answer.RESET)


@pytest.mark.parametrize("host", HOSTS)
async def test_deaf_to_what_arrives_with_less(network: SystemNetwork, serve: Serve, host: str) -> None:
    port = await serve(mute, host=host)
    assert await network.probe(host, port, seconds=0.1, minimum_ttl=65) == HopReply(Answer.SILENT)


async def test_a_ttl_probe_ends_before_the_kernel_repeats_the_syn(
    network: SystemNetwork, descriptors: Descriptors
) -> None:
    with full_backlog() as port:
        before = descriptors()
        start = asyncio.get_running_loop().time()
        assert await network.probe("127.0.0.1", port, seconds=5, ttl=5) == HopReply(Answer.SILENT)
        assert asyncio.get_running_loop().time() - start < 1
        assert descriptors() == before
    assert network._poller.waiting == 0


@pytest.mark.parametrize("address", ["224.0.0.1", "no address", "fe80::1%nosuchif"])
async def test_local_faults(network: SystemNetwork, address: str) -> None:
    assert await network.probe(address, 80, seconds=1) == HopReply(Answer.LOCAL_ERROR)


@pytest.mark.parametrize("option", ["ttl", "minimum_ttl"])
async def test_an_impossible_ttl_is_a_local_fault(network: SystemNetwork, option: str) -> None:
    ttl, minimum = (999, None) if option == "ttl" else (None, 999)
    reply = await network.probe("127.0.0.1", 80, seconds=1, ttl=ttl, minimum_ttl=minimum)
    assert reply == HopReply(Answer.LOCAL_ERROR)


async def test_no_descriptors_left_is_a_local_fault(network: SystemNetwork) -> None:
    await network.probe("127.0.0.1", 1, seconds=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with full_backlog() as port, socket.socket() as highest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest.fileno() + 1, hard))
        try:
            replies = await asyncio.gather(
                *(network.probe("127.0.0.1", port, seconds=0.1) for _ in range(highest.fileno() + 5))
            )
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert Answer.LOCAL_ERROR in {reply.answer for reply in replies}


async def test_a_cancelled_probe_leaves_nothing(network: SystemNetwork, descriptors: Descriptors) -> None:
    with full_backlog() as port:
        before = descriptors()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await network.probe("127.0.0.1", port, seconds=5)
        assert descriptors() == before
    assert network._poller.waiting == 0


async def test_a_loop_that_woke_late_misses_no_answer(network: SystemNetwork, serve: Serve) -> None:
    port = await serve(mute)
    probe = asyncio.ensure_future(network.probe("127.0.0.1", port, seconds=0.05))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(stall)
    assert await probe == HopReply(Answer.CONNECTED)


def stall() -> None:
    with socket.socket() as nothing:
        nothing.settimeout(0.1)
        nothing.bind(("127.0.0.1", 0))
        nothing.listen()
        with pytest.raises(TimeoutError):
            nothing.accept()


def may_ping(family: socket.AddressFamily, protocol: int) -> bool:
    try:
        socket.socket(family, socket.SOCK_DGRAM, protocol).close()
    except PermissionError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "family", "protocol"),
    [("127.0.0.1", socket.AF_INET, socket.IPPROTO_ICMP), ("::1", socket.AF_INET6, socket.IPPROTO_ICMPV6)],
)
async def test_ping(network: SystemNetwork, host: str, family: socket.AddressFamily, protocol: int) -> None:
    expected = True if may_ping(family, protocol) else None
    assert await network.ping(host, seconds=1) is expected


async def test_ping_of_no_address_is_none(network: SystemNetwork) -> None:
    assert await network.ping("no address", seconds=1) is None
