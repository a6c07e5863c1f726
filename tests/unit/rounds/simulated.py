"""A school and the monitor before a simulated outside: doubles of clock, names, prober and vigil, and whole rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from portwatchd.model import (
    IMPLICIT_TLS,
    Answer,
    Certificate,
    Depth,
    DiagnosisKind,
    Distance,
    Family,
    Observation,
    Outcome,
    PortReport,
    Profile,
    Proof,
    Protocol,
    Report,
    School,
    Security,
    Service,
    Stage,
    Target,
    Transition,
    VerdictKind,
)
from portwatchd.rounds.conduct import conduct
from portwatchd.rounds.memory import Memory
from portwatchd.rounds.tools import Settings, Tools
from portwatchd.rounds.vigil import Signs, Watch
from portwatchd.world import Resolution, Resolved
from tests.unit.rounds.outside import NOWHERE, ROUND_TRIP, Line, SimulatedNetwork, Situation, Who

INTERVAL = 60.0
START = 1_700_000_000.0
CONNECT_TIMEOUT = 5.0
HOST = "gym-nord.example.org"
CANARY = ("192.0.2.10", 443)
V4, V6 = Family.IPV4, Family.IPV6


def service(name: str, protocol: Protocol, first: int, last: int = 0, alias_of: str | None = None) -> Service:
    """A row of the table; an alias is optional."""
    return Service(name, protocol, first, last or first, required=alias_of is None, alias_of=alias_of)


TABLE = (
    service("ssh", Protocol.SSH, 22),
    service("http", Protocol.HTTP, 80),
    service("https", Protocol.HTTPS, 443),
    service("smtp", Protocol.SMTP, 25),
    service("imaps", Protocol.IMAPS, 993),
    service("ldaps", Protocol.LDAPS, 10636),
    service("ldaps-alias", Protocol.LDAPS, 636, alias_of="ldaps"),
    service("ftp-data", Protocol.RANGE, 63000, 63099),
)
LISTED = tuple(s.first for s in TABLE if s.protocol is not Protocol.RANGE and s.alias_of is None)
RANGE = tuple(range(63000, 63100))
RIGHT = Certificate("CN=gym", "CN=R", (HOST,), START - 86400, START + 89 * 86400, "aa", True, "", True)
STRANGE = replace(RIGHT, subject="CN=nas", fingerprint_sha256="cc", valid=False, reason="wrong name", names_match=False)


def well(family: Family = V4, **changes: object) -> Line:
    """A line of which nothing is to be said: every listed port forwarded, the range closed behind it."""
    ports = dict.fromkeys(LISTED, Situation.OPEN) | dict.fromkeys(RANGE, Situation.CLOSED)
    return alter(Line(family, NOWHERE[family], ports=dict(ports)), **changes)


def alter(line: Line, **changes: object) -> Line:
    """The same line, with other properties."""
    for name, value in changes.items():
        setattr(line, name, value)
    return line


class LoopClock:
    """Reads the event loop's own time, which looptime lets fly."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return START + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Names:
    """A resolver whose answers are set by hand."""

    answers: dict[str, Resolution] = field(default_factory=dict)
    fresh: dict[str, Resolution] = field(default_factory=dict)
    """What a look-up that passes over the cache finds, where that is something else."""
    asked: list[tuple[str, bool]] = field(default_factory=list)

    async def resolve(self, host: str, families: Sequence[Family], *, fresh: bool = False) -> Resolution:
        self.asked.append((host, fresh))
        family = V6 if ":" in host else V4
        if fresh and host in self.fresh:
            return self.fresh[host]
        return self.answers.get(host) or Resolution(Resolved.FRESH, ((family, host),))


@dataclass
class Prober:
    """Connects through the simulated outside, then speaks for whoever answers there."""

    network: SimulatedNetwork
    faults: dict[int, Outcome] = field(default_factory=dict)
    """What the server's services do wrong, by port."""
    scripted: dict[int, list[Outcome]] = field(default_factory=dict)
    """Outcomes of the next probes of a port, whatever the outside does."""
    broken: bool = False
    """The monitor itself can send nothing."""
    asked: list[Target] = field(default_factory=list)

    async def observe(self, target: Target, *, patience: float | None = None) -> Observation:
        self.asked.append(target)
        at = self.network.clock.wall()
        if self.broken:
            return Observation(at, Outcome.LOCAL_ERROR, Stage.CONNECT)
        if scripted := self.scripted.get(target.port):
            return self._say(at, scripted.pop(0), None)
        met = await self.network.syn(
            target.address, target.port, seconds=min(CONNECT_TIMEOUT, patience or CONNECT_TIMEOUT)
        )
        match met.answer:
            case Answer.CONNECTED:
                return self._dialogue(at, target, met.who)
            case Answer.RESET:
                return self._say(at, Outcome.REFUSED, None)
            case Answer.REJECTED:
                return self._say(at, Outcome.REJECTED, met.offender)
            case Answer.UNREACHABLE | Answer.EXPIRED:
                return self._say(at, Outcome.UNREACHABLE, met.offender)
            case _:
                return self._say(at, Outcome.TIMEOUT, None)

    @staticmethod
    def _say(at: float, outcome: Outcome, offender: str | None) -> Observation:
        if outcome is Outcome.OK:
            return Observation(at, outcome)
        return Observation(at, outcome, Stage.CONNECT, offender=offender)

    def _dialogue(self, at: float, target: Target, who: Who | None) -> Observation:
        times = ((Stage.CONNECT, ROUND_TRIP),)
        in_tls = target.service.protocol in IMPLICIT_TLS or (
            target.depth is Depth.AUDIT and target.service.security is Security.STARTTLS
        )
        if who is Who.SERVER:
            outcome = self.faults.get(target.port, Outcome.OK)
            stopped = None if outcome is Outcome.OK else Stage.DIALOGUE
            return Observation(at, outcome, stopped, times, certificate=RIGHT if in_tls else None)
        if in_tls:
            return Observation(at, Outcome.CERTIFICATE_INVALID, Stage.TLS, times, certificate=STRANGE)
        speaks = target.service.protocol in {Protocol.HTTP, Protocol.SSH, Protocol.TCP}
        return Observation(
            at, Outcome.OK if speaks else Outcome.WRONG_PROTOCOL, None if speaks else Stage.GREETING, times
        )


@dataclass
class Gauges:
    """Keeps what the vigil said of the monitor itself."""

    told: list[tuple[str, bool]] = field(default_factory=list)

    def isolated(self, isolated: bool) -> None:
        self.told.append(("isolated", isolated))

    def canary(self, name: str, up: bool) -> None:
        self.told.append((name, up))

    def control(self, port: int, up: bool) -> None:
        self.told.append((f"control {port}", up))


class Watching:
    """One school, watched round after round."""

    def __init__(
        self,
        *lines: Line,
        seed: int = 1,
        services: Sequence[Service] = TABLE,
        controls: Mapping[int, tuple[str, int]] | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.clock = LoopClock()
        self.network = SimulatedNetwork(self.clock, list(lines), seed=seed)
        self.network.hosts[CANARY] = True
        self.prober = Prober(self.network)
        self.school = School("gym-nord", HOST, HOST, Profile("test", tuple(services)))
        self.names = Names({HOST: Resolution(Resolved.FRESH, tuple((line.family, line.address) for line in lines))})
        self.memory = Memory()
        self.gauges = Gauges()
        self.fleet = {self.school.name: self.memory}
        self.peers: list[tuple[str, int]] = []
        families = tuple(dict.fromkeys(line.family for line in lines))
        signs = Signs(families, (CANARY,), controls or {})
        self.vigil = Watch(self.network, self.names, self.clock, self.gauges, self.fleet, signs)
        self.tools = Tools(
            self.prober,
            self.network,
            self.names,
            self.clock,
            self.vigil,
            asyncio.Semaphore(512),
            settings or Settings(families),
        )
        self.reports: list[Report] = []

    def beside(self, peers: int, family: Family = V4) -> None:
        """Watch so many other schools too, which answered in their last round."""
        for number in range(peers):
            address = f"192.0.2.{100 + number}" if family is V4 else f"2001:db8:2::{number}"
            memory = Memory()
            memory.healthy[family] = (address, 443)
            self.fleet[f"peer-{family}-{number}"] = memory
            self.network.hosts[address, 443] = True
            self.peers.append((address, 443))

    async def round(self, *, complete: bool = False, depth: Depth = Depth.WATCH) -> Report:
        """One round now."""
        depth = Depth.AUDIT if complete else depth
        self.reports.append(await conduct(self.school, self.memory, self.tools, depth=depth, complete=complete))
        return self.reports[-1]

    async def rounds(self, count: int) -> Report:
        """So many rounds, one interval apart."""
        for _ in range(count):
            started = self.clock.monotonic()
            await self.round()
            await self.clock.sleep(max(0.0, started + INTERVAL - self.clock.monotonic()))
        return self.reports[-1]

    def lose(self, peers: int) -> None:
        """So many of the other schools answer no more."""
        for peer in self.peers:
            self.network.hosts[peer] = True
        for peer in self.peers[:peers]:
            self.network.hosts[peer] = False

    @property
    def transitions(self) -> list[Transition]:
        return [transition for report in self.reports for transition in report.transitions]

    def distance(self, family: Family = V4) -> Distance:
        return self.memory.distances[NOWHERE[family]]


def port(report: Report, name: str, family: Family = V4) -> PortReport:
    """What a report says of one service."""
    return next(p for p in report.ports if p.service.name == name and p.family is family)


def says(report: Report, name: str, family: Family = V4) -> tuple[VerdictKind, Proof]:
    """The verdict on one service, and its proof."""
    verdict = port(report, name, family).verdict
    return verdict.kind, verdict.proof


def kinds(report: Report, family: Family = V4) -> dict[str, VerdictKind]:
    """The verdicts of one family by service."""
    return {p.service.name: p.verdict.kind for p in report.ports if p.family is family}


def changes(watching: Watching) -> list[tuple[str | None, str | None, str]]:
    """What became of whom, without the first belief of each."""
    return [(t.service, t.before, t.after) for t in watching.transitions if t.before is not None]


OK = DiagnosisKind.OK
