"""The real prober on a simulated school: all is well, and each fault has its own outcome."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from portwatchd.demo.certificates import Authority
from portwatchd.demo.configuration import shifted_services
from portwatchd.demo.connection import Fault
from portwatchd.demo.servers import SimulatedServer
from portwatchd.model import IMPLICIT_TLS, Depth, Family, Observation, Outcome, Protocol, Service, Target
from portwatchd.net.clock import SystemClock
from portwatchd.net.sockets import SystemNetwork
from portwatchd.probes.runner import Prober

NAME = "gym-nord.invalid"
ADDRESS = f"127.201.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
SERVICES = {service.name: service for service in shifted_services() if service.protocol is not Protocol.RANGE}
TIMEOUT = 1.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[SimulatedServer]:
    async with SimulatedServer(ADDRESS, SERVICES.values(), authority.server_context(NAME), NAME) as server:
        yield server


@pytest.fixture
async def prober(authority: Authority, tmp_path: Path) -> AsyncIterator[Prober]:
    ca_file = tmp_path / "authority.pem"
    ca_file.write_bytes(authority.pem)
    network = SystemNetwork(ca_file)
    yield Prober(network, SystemClock(), connect_timeout=0.5, timeout=TIMEOUT, stalled=lambda _start, _end: False)
    network.close()


async def observe(prober: Prober, service: Service, depth: Depth) -> Observation:
    return await prober.observe(Target(service, Family.IPV4, ADDRESS, service.first, NAME, depth))


@pytest.mark.parametrize("depth", Depth)
async def test_every_service_of_a_healthy_school_is_well(depth: Depth, server: SimulatedServer, prober: Prober) -> None:
    seen = await asyncio.gather(*(observe(prober, service, depth) for service in SERVICES.values()))
    facts = dict(zip(SERVICES, seen, strict=True))
    assert {name: (it.outcome, it.detail) for name, it in facts.items()} == dict.fromkeys(SERVICES, (Outcome.OK, ""))
    broken = {(name, fact) for name, it in facts.items() for fact in it.policies if fact.holds is False}
    assert not broken
    if depth is Depth.AUDIT:
        untested = {(name, fact) for name, it in facts.items() for fact in it.policies if fact.holds is None}
        assert not untested
        encrypted = {name for name, it in facts.items() if it.certificate and it.certificate.valid}
        assert encrypted == set(SERVICES) - {"ssh", "http"}


def outcomes(service: Service, fault: Fault) -> set[Outcome]:
    """What may be said of the service; more than one where TLS stands between it and the monitor."""
    match fault:
        case Fault.CLOSED:
            return {Outcome.REFUSED}
        case Fault.DROPPED | Fault.SILENT | Fault.TARPIT:
            return {Outcome.TIMEOUT}
        case Fault.REFUSES:
            return {Outcome.SERVICE_REFUSES}
        case Fault.WRONG_PROTOCOL:
            return {Outcome.WRONG_PROTOCOL}
        case Fault.NO_STARTTLS if service.protocol in IMPLICIT_TLS | {Protocol.SSH, Protocol.HTTP}:
            return {Outcome.OK}
        case Fault.NO_STARTTLS:
            return {Outcome.STARTTLS_MISSING}


@pytest.mark.parametrize("depth", Depth)
@pytest.mark.parametrize("fault", Fault)
async def test_each_fault_has_its_outcome_within_the_timeout(
    fault: Fault, depth: Depth, server: SimulatedServer, prober: Prober
) -> None:
    for name in SERVICES:
        await server.suffer(name, fault)
    start = asyncio.get_running_loop().time()
    seen = await asyncio.gather(*(observe(prober, service, depth) for service in SERVICES.values()))
    took = asyncio.get_running_loop().time() - start
    unexpected = {
        name: (it.outcome, it.detail)
        for (name, service), it in zip(SERVICES.items(), seen, strict=True)
        if it.outcome not in outcomes(service, fault)
    }
    assert unexpected == {}
    assert took < TIMEOUT + 0.25


async def test_a_forward_that_is_back_is_well_at_once(server: SimulatedServer, prober: Prober) -> None:
    for fault, outcome in ((Fault.CLOSED, Outcome.REFUSED), (None, Outcome.OK)) * 3:
        await server.suffer("smtp", fault)
        assert (await observe(prober, SERVICES["smtp"], Depth.WATCH)).outcome is outcome
