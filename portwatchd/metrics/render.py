"""A school's report as samples, family by family, in pieces of bytes that a scrape only has to join.

A sample is three pieces: its name, the labels of its port, and the end that may change. Names and labels are shared,
so a sample costs 24 bytes of references where its text would take 170, and a put makes no text but new values.
"""

from __future__ import annotations

from typing import TypeAlias

from portwatchd.metrics import families
from portwatchd.metrics.families import PORTS, SCHOOLS
from portwatchd.metrics.text import escape, label, number
from portwatchd.model import (
    DiagnosisKind,
    Family,
    Policy,
    PortReport,
    Proof,
    RangeState,
    Report,
    School,
    Service,
    Stage,
    VerdictKind,
)

Block: TypeAlias = tuple[bytes, ...]
"""The pieces of a family's samples of one school, in order; empty where it has none."""

STORED = (*PORTS, *SCHOOLS)
"""The families of a school, in the order of its blocks."""

_UP = families.PORT_UP.name.encode()
_FORWARDED = families.PORT_FORWARDED.name.encode()
_VERDICT = families.PORT_VERDICT.name.encode()
_SINCE = families.PORT_VERDICT_SINCE.name.encode()
_DURATION = families.PORT_DURATION.name.encode()
_REQUIRED = families.PORT_REQUIRED.name.encode()
_POLICY_OK = families.PORT_POLICY_OK.name.encode()
_NOT_BEFORE = families.CERTIFICATE_NOT_BEFORE.name.encode()
_NOT_AFTER = families.CERTIFICATE_NOT_AFTER.name.encode()
_RANGE = families.RANGE_PORTS.name.encode()
_INFO = families.SCHOOL_INFO.name.encode()
_DIAGNOSIS = families.SCHOOL_DIAGNOSIS.name.encode()
_DIAGNOSIS_SINCE = families.SCHOOL_DIAGNOSIS_SINCE.name.encode()
_LAST_ROUND = families.SCHOOL_LAST_ROUND.name.encode()
_ADDRESS = families.SCHOOL_ADDRESS.name.encode()
_CHANGES = families.SCHOOL_ADDRESS_CHANGES.name.encode()
_EXPOSED = families.SCHOOL_EXPOSED_HOST.name.encode()

_DURATIONS = STORED.index(families.PORT_DURATION)
_RANGES = STORED.index(families.RANGE_PORTS)
_LAST_ROUNDS = STORED.index(families.SCHOOL_LAST_ROUND)
_EXPOSEDS = STORED.index(families.SCHOOL_EXPOSED_HOST)

_ZERO, _ONE = b"} 0\n", b"} 1\n"
_BIT = {False: _ZERO, True: _ONE}
# An enum costs 0.1 µs to name and more to hash, and these are needed some hundred times a put. Hence the alias, and
# keys by identity: a member is one object for ever.
_WHOLE = Stage.TOTAL
_UPS = {id(kind): _ONE if kind is VerdictKind.OK else _ZERO for kind in VerdictKind} | {
    id(kind): None for kind in (VerdictKind.UNKNOWN, VerdictKind.BLOCKED_HERE)
}
"""Absent where the monitor itself could not judge, as in PortReport.up."""
_VERDICTS = {
    (id(kind), id(proof)): f',verdict="{kind}",proof="{proof}"}} 1\n'.encode()
    for kind in VerdictKind
    for proof in Proof
}
_POLICIES = {
    (id(policy), holds): f',policy="{policy}"}} {int(holds)}\n'.encode() for policy in Policy for holds in (False, True)
}
_DIAGNOSES = {kind: f',diagnosis="{kind}"}} 1\n'.encode() for kind in DiagnosisKind}


class Values:
    """The ends of one put's samples: values that many ports share (times, certificates) are made and kept once."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[float, bytes] = {}

    def end(self, value: float) -> bytes:
        """Return `} value` and the end of the line."""
        made = self._made.get(value)
        if made is None:
            made = self._made[value] = f"}} {number(value)}\n".encode()
        return made


class Labels:
    """The labels of a school's series, made once for as long as the school's configuration stays the same."""

    __slots__ = ("_head", "_ports", "families", "info", "own", "school")

    def __init__(self, school: School) -> None:
        self.school = school
        self._head = "{" + label("school", school.name)
        self.own = self._head.encode()
        self.families = {family: f'{self._head},family="{family.value}"'.encode() for family in Family}
        described = [self._head, label("host", school.host), label("profile", school.profile.name)]
        described += [label(name, value) for name, value in school.labels if name not in families.SCHOOL_INFO.labels]
        self.info = (_INFO, ",".join(described).encode(), _ONE)
        self._ports: tuple[tuple[Service, Family, bytes], ...] = ()

    def ports(self, reports: tuple[PortReport, ...]) -> list[bytes]:
        """Return the labels of each port's series, without the closing brace; made anew only where the row changed."""
        if len(reports) != len(self._ports):
            self._ports = tuple((port.service, port.family, self._port(port)) for port in reports)
        made: list[bytes] = []
        for port, (service, family, known) in zip(reports, self._ports, strict=True):
            if port.service is not service or port.family is not family:
                self._ports = ()
                return self.ports(reports)
            made.append(known)
        return made

    def _port(self, port: PortReport) -> bytes:
        name = label("port_name", port.service.name)
        return f'{self._head},family="{port.family}",port="{port.service.port}",{name}'.encode()


def render(report: Report, labels: Labels) -> tuple[Block, ...]:
    """Return the blocks of every family in STORED, in its order."""
    values = Values()
    return (*_ports(report, labels, values), *_school(report, labels, values))


def renew(report: Report, labels: Labels, former: tuple[Block, ...]) -> tuple[Block, ...]:
    """Return the blocks of a calm report: what only a new judgement changes is taken from the former ones."""
    durations: list[bytes] = []
    ranges: list[bytes] = []
    for port, at in zip(report.ports, labels.ports(report.ports), strict=True):
        durations += _durations(port, at)
        if port.range is not None:
            ranges += _range(port.range, at)
    made = list(former)
    made[_DURATIONS], made[_RANGES] = tuple(durations), tuple(ranges)
    made[_LAST_ROUNDS] = (_LAST_ROUND, labels.own, Values().end(report.at))
    made[_EXPOSEDS] = _exposed(report, labels)
    return tuple(made)


def _ports(report: Report, labels: Labels, values: Values) -> tuple[Block, ...]:
    """The blocks of PORTS."""
    ups: list[bytes] = []
    forwards: list[bytes] = []
    verdicts: list[bytes] = []
    sinces: list[bytes] = []
    durations: list[bytes] = []
    required: list[bytes] = []
    policies: list[bytes] = []
    befores: list[bytes] = []
    afters: list[bytes] = []
    ranges: list[bytes] = []
    for port, at in zip(report.ports, labels.ports(report.ports), strict=True):
        verdict = port.verdict
        up = _UPS[id(verdict.kind)]
        if up is not None:
            ups += (_UP, at, up)
        if port.forwarded is not None:
            forwards += (_FORWARDED, at, _ONE if port.forwarded else _ZERO)
        verdicts += (_VERDICT, at, _VERDICTS[id(verdict.kind), id(verdict.proof)])
        sinces += (_SINCE, at, values.end(port.since))
        durations += _durations(port, at)
        required += (_REQUIRED, at, _ONE if port.service.required else _ZERO)
        for fact in port.policies:
            if fact.holds is not None:
                policies += (_POLICY_OK, at, _POLICIES[id(fact.policy), fact.holds])
        if port.certificate is not None:
            befores += (_NOT_BEFORE, at, values.end(port.certificate.not_before))
            afters += (_NOT_AFTER, at, values.end(port.certificate.not_after))
        if port.range is not None:
            ranges += _range(port.range, at)
    made = (ups, forwards, verdicts, sinces, durations, required, policies, befores, afters, ranges)
    return tuple(map(tuple, made))


def _durations(port: PortReport, at: bytes) -> Block:
    """How long the last probe took in whole."""
    if port.observation is None:
        return ()
    whole = [b"} %.6f\n" % seconds for stage, seconds in port.observation.stages if stage is _WHOLE]
    return (_DURATION, at, whole[0]) if whole else ()


def _range(known: RangeState, at: bytes) -> Block:
    """The three samples of a range."""
    states = (("forwarded", known.forwarded), ("lost", len(known.lost)), ("unknown", len(known.unknown)))
    return tuple(piece for state, n in states for piece in (_RANGE, at, f',state="{state}"}} {n}\n'.encode()))


def _school(report: Report, labels: Labels, values: Values) -> tuple[Block, ...]:
    """The blocks of SCHOOLS."""
    own = labels.own
    addresses: list[bytes] = []
    for one in report.addresses:
        end = f',address="{escape(one.address)}"}} 1\n'.encode()
        addresses += (_ADDRESS, labels.families[one.family], end)
    changes = [piece for f, n in report.address_changes for piece in (_CHANGES, labels.families[f], values.end(n))]
    return (
        labels.info,
        (_DIAGNOSIS, own, _DIAGNOSES[report.diagnosis.kind]),
        (_DIAGNOSIS_SINCE, own, values.end(report.since)),
        (_LAST_ROUND, own, values.end(report.at)),
        tuple(addresses),
        tuple(changes),
        _exposed(report, labels),
    )


def _exposed(report: Report, labels: Labels) -> Block:
    """Whether the router forwards everything; a family of several addresses has one series, so all of them must."""
    exposed: dict[Family, bool] = {}
    for one in report.addresses:
        if one.exposed_host is not None:
            exposed[one.family] = exposed.get(one.family, True) and one.exposed_host
    return tuple(piece for f, holds in exposed.items() for piece in (_EXPOSED, labels.families[f], _BIT[holds]))
