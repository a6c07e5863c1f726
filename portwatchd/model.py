"""The types and closed enums that every room speaks. All are frozen; none holds a socket, a clock or a memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

SHOWN_LIMIT = 200
"""Characters that text from outside may fill in a label, a log line or a page: the bound on label values."""


class Family(StrEnum):
    """The address family of a probe; IPv4 and IPv6 are judged apart, for they are lost apart."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Protocol(StrEnum):
    """What is spoken on a port. A trailing `s` means TLS from the first byte."""

    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"
    HTTPS = "https"
    SSH = "ssh"
    FTP = "ftp"
    SMTP = "smtp"
    SMTPS = "smtps"
    POP3 = "pop3"
    POP3S = "pop3s"
    IMAP = "imap"
    IMAPS = "imaps"
    LDAPS = "ldaps"
    RANGE = "range"


IMPLICIT_TLS = frozenset(
    {Protocol.TLS, Protocol.HTTPS, Protocol.SMTPS, Protocol.POP3S, Protocol.IMAPS, Protocol.LDAPS},
)
UPGRADES = frozenset({Protocol.FTP, Protocol.SMTP, Protocol.POP3, Protocol.IMAP})


class Security(StrEnum):
    """How a target is to be asked: in clear, in TLS from the first byte, or with an upgrade on the way."""

    PLAIN = "plain"
    TLS = "tls"
    STARTTLS = "starttls"


class Depth(StrEnum):
    """How far a probe goes: `watch` every interval (it greets as it should), `audit` (TLS, policies, identity)."""

    WATCH = "watch"
    AUDIT = "audit"


class Stage(StrEnum):
    """A part of a probe's time."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    GREETING = "greeting"
    DIALOGUE = "dialogue"
    TOTAL = "total"


class Outcome(StrEnum):
    """What happened on the wire in one probe. `refused` is a RST, `rejected` an ICMP reject."""

    OK = "ok"
    REFUSED = "refused"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    CLOSED = "closed"
    TLS_FAILED = "tls_failed"
    CERTIFICATE_INVALID = "certificate_invalid"
    WRONG_PROTOCOL = "wrong_protocol"
    MALFORMED = "malformed"
    SERVICE_REFUSES = "service_refuses"
    STARTTLS_MISSING = "starttls_missing"
    STARTTLS_INJECTED = "starttls_injected"
    UNRESOLVED = "unresolved"
    LOCAL_ERROR = "local_error"


class VerdictKind(StrEnum):
    """The judgement on one port; the order is from well to bad, as a merge of several addresses needs it."""

    OK = "ok"
    UNUSED = "unused"
    UNKNOWN = "unknown"
    BLOCKED_HERE = "blocked_here"
    SERVICE_FAULTY = "service_faulty"
    SERVER_FILTERED = "server_filtered"
    SERVICE_DOWN = "service_down"
    WRONG_DEVICE = "wrong_device"
    ROUTER_ANSWERS = "router_answers"
    FORWARD_LOST = "forward_lost"
    SERVER_DOWN = "server_down"
    LINE_DOWN = "line_down"


class Proof(StrEnum):
    """By what a verdict is known."""

    ANSWER = "answer"
    HOP = "hop"
    ICMP = "icmp"
    IDENTITY = "identity"
    CONTRAST = "contrast"
    NONE = "none"


class DiagnosisKind(StrEnum):
    """The judgement on a school; the first that holds, in this order."""

    UNKNOWN = "unknown"
    DNS_FAILED = "dns_failed"
    LINE_DOWN = "line_down"
    SERVER_DOWN = "server_down"
    ALL_FORWARDS_LOST = "all_forwards_lost"
    IPV4_LOST = "ipv4_lost"
    IPV6_LOST = "ipv6_lost"
    WRONG_DEVICE = "wrong_device"
    FORWARDS_LOST = "forwards_lost"
    SERVICES_DOWN = "services_down"
    POLICY_VIOLATED = "policy_violated"
    OK = "ok"


class Policy(StrEnum):
    """What an audit asks of a service beyond answering."""

    HTTPS_REDIRECT = "https_redirect"
    HSTS = "hsts"
    ACME_REACHABLE = "acme_reachable"
    TLS_OFFERED = "tls_offered"
    PLAINTEXT_REFUSED = "plaintext_refused"
    CERTIFICATE_VALID = "certificate_valid"
    CERTIFICATE_FRESH = "certificate_fresh"


class HopMethod(StrEnum):
    """What a school's routers let the monitor prove: by ICMP, by answers alone, or nothing."""

    TIME_EXCEEDED = "time_exceeded"
    ANSWERS = "answers"
    OFF = "off"


K = TypeVar("K", VerdictKind, DiagnosisKind)
"""What can be believed: the judgement on a port, or on a school."""


class Words(NamedTuple):
    """A sentence for people, in both languages."""

    en: str
    de: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """Bytes from outside. `shown` is the only way out of it, so nothing unescaped reaches a label, a log or a page."""

    raw: bytes = b""

    def shown(self, limit: int = SHOWN_LIMIT) -> str:
        """Return at most `limit` printable characters: UTF-8 decoded, everything else escaped."""
        text = self.raw[: limit * 4].decode("utf-8", "backslashreplace")
        if text.isprintable() and len(text) <= limit:
            return text
        escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
        return escaped if len(escaped) <= limit else escaped[: limit - 1] + "…"


@dataclass(frozen=True, slots=True)
class Service:
    """A row of a profile: one port, or a range of ports, and what must hold there."""

    name: str
    protocol: Protocol
    first: int
    last: int
    required: bool = True
    policies: frozenset[Policy] = frozenset()
    consequence: Words = Words("", "")
    alias_of: str | None = None
    """The service whose server answers on this port too (636 mapped to 10636)."""

    @property
    def port(self) -> str:
        """The port as labels and tables show it: `25`, or `63000-63099`."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    @property
    def security(self) -> Security:
        """How the service is secured: by its protocol, and by whether the profile asks that TLS is offered."""
        if self.protocol in IMPLICIT_TLS:
            return Security.TLS
        if self.protocol in UPGRADES and Policy.TLS_OFFERED in self.policies:
            return Security.STARTTLS
        return Security.PLAIN


@dataclass(frozen=True, slots=True)
class Profile:
    """A named table of services."""

    name: str
    services: tuple[Service, ...]


@dataclass(frozen=True, slots=True)
class School:
    """Who is watched. `server_name` is the name for SNI and certificates; empty where the host is a bare address."""

    name: str
    host: str
    server_name: str
    profile: Profile
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """One port at one address, and how it is to be asked."""

    service: Service
    family: Family
    address: str
    port: int
    server_name: str
    depth: Depth = Depth.WATCH
    known: Observation | None = field(default=None, compare=False)
    """What a port with TLS, or an upgrade to it, showed when it was asked in full: shown the same certificate, or
    greeted as it should be, a watch goes no further."""

    def __hash__(self) -> int:
        """Hash what tells targets apart; a round looks one up hundreds of times, and all fields would cost 2 µs."""
        return hash((self.address, self.port, self.depth))


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a handshake agreed on, in OpenSSL's names."""

    version: str
    cipher: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate, a bad one too. Times are UTC seconds since the epoch."""

    subject: str
    issuer: str
    san: tuple[str, ...]
    not_before: float
    not_after: float
    fingerprint_sha256: str
    valid: bool
    reason: str
    """Why it is not valid, in words; empty when it is."""
    names_match: bool
    """Whether it was made for the server's name, valid or not."""


@dataclass(frozen=True, slots=True)
class PolicyFact:
    """Whether a policy holds; None while it was not tested."""

    policy: Policy
    holds: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """The facts of one probe, without judgement. `at` is UTC seconds since the epoch, stages are seconds."""

    at: float
    outcome: Outcome
    stopped: Stage | None = None
    """Where it stopped; None when it came to its end."""
    stages: tuple[tuple[Stage, float], ...] = ()
    detail: str = ""
    banner: Foreign = field(default_factory=Foreign)
    tls: TlsFacts | None = None
    certificate: Certificate | None = None
    policies: tuple[PolicyFact, ...] = ()
    offender: str | None = None
    """The address that sent the ICMP error, where one came."""
    void: bool = False
    """The probe's time was spoilt by the monitor itself, so it says nothing."""

    def seconds(self, stage: Stage) -> float | None:
        """Return the seconds spent in a stage, or None where it was not reached."""
        return dict(self.stages).get(stage)


class Answer(StrEnum):
    """What one hop probe met. `expired` is ICMP time-exceeded, `rejected` any ICMP unreachable."""

    CONNECTED = "connected"
    RESET = "reset"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    EXPIRED = "expired"
    SILENT = "silent"
    LOCAL_ERROR = "local_error"


@dataclass(frozen=True, slots=True)
class HopReply:
    """The answer to one TCP SYN, and the address that an ICMP answer came from."""

    answer: Answer
    offender: str | None = None


@dataclass(frozen=True, slots=True)
class Distance:
    """How far an address is: `hops` to the last router before the server, `arriving` the TTL of its answers."""

    hops: int | None = None
    arriving: int | None = None
    method: HopMethod = HopMethod.OFF
    router: str | None = None
    """The address that the last router before the server showed in a time-exceeded (IPv6: its own)."""


@dataclass(frozen=True, slots=True)
class HopEvidence:
    """Who answered on a port, and from how far. None: not asked."""

    at_router: HopReply | None = None
    """The answer to a SYN that expires on the last router before the server."""
    same_machine: bool | None = None
    """Whether the full-TTL answer arrived with the TTL of the server's answers."""
    controlled: bool = False
    """A SYN of the same TTL to a forwarded port, just before or after, was answered as it should be."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on a port: what, by which proof, and the facts in a few words."""

    kind: VerdictKind
    proof: Proof
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RangeState:
    """What is known of a range's ports."""

    forwarded: int
    lost: tuple[int, ...]
    unknown: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PortReport:
    """One service at one family: the judgement, since when, and the facts behind it."""

    service: Service
    family: Family
    address: str
    verdict: Verdict
    since: float
    forwarded: bool | None
    observation: Observation | None = None
    policies: tuple[PolicyFact, ...] = ()
    certificate: Certificate | None = None
    range: RangeState | None = None

    @property
    def up(self) -> bool | None:
        """Whether the service answers properly from outside; None where the monitor itself could not judge."""
        if self.verdict.kind in {VerdictKind.UNKNOWN, VerdictKind.BLOCKED_HERE}:
            return None
        return self.verdict.kind is VerdictKind.OK


@dataclass(frozen=True, slots=True)
class AddressReport:
    """What is known of one address of a school."""

    family: Family
    address: str
    distance: Distance = field(default_factory=Distance)
    exposed_host: bool | None = None


@dataclass(frozen=True, slots=True)
class Standing(Generic[K]):
    """What is believed, and since when (UTC seconds). A veil hides it while the monitor itself cannot judge."""

    believed: K | None
    since: float
    veil: K | None = None
    veiled_since: float = 0.0


@dataclass(frozen=True, slots=True)
class Transition:
    """A change that is believed. `service` is None where the school's diagnosis changed.

    Where only `family` is None, the machine behind the service has changed its SSH host key: an event, no outage.
    """

    at: float
    school: str
    family: Family | None
    service: str | None
    port: str | None
    before: str | None
    after: str
    proof: Proof | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The judgement on a school, and the ports that it rests on."""

    kind: DiagnosisKind
    concerned: tuple[PortReport, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one round led to; the one thing that every sink is given. Times are UTC seconds."""

    school: School
    at: float
    seconds: float
    diagnosis: Diagnosis
    since: float
    addresses: tuple[AddressReport, ...] = ()
    ports: tuple[PortReport, ...] = ()
    transitions: tuple[Transition, ...] = ()
    address_changes: tuple[tuple[Family, int], ...] = ()
    """Changes of address since the daemon started."""
    observations: tuple[tuple[str, Observation], ...] = ()
    """Every probe of the round with its service's name, re-probes too: what the counters count."""
    calm: bool = False
    """Every port is judged as in the report before; only what was seen, and what is known of ranges, is new."""
