"""Owns profiles: the built-in files, what `extends` and `without` make of them, and what cannot be in one.

A service that says nothing about `policies` is asked what its protocol promises: `certificate_valid` where TLS comes
first (tls https smtps pop3s imaps ldaps), `tls_offered plaintext_refused certificate_valid` where it may be upgraded
(ftp smtp pop3 imap), and nothing elsewhere. `policies: []` asks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import pairwise

from portwatchd.config import values
from portwatchd.config.document import Scalar, parse
from portwatchd.config.problem import Problems, shown
from portwatchd.config.section import Section, closest
from portwatchd.model import IMPLICIT_TLS, UPGRADES, Policy, Profile, Protocol, Service, Words

BUILT_IN = ("iserv", "iserv-sh")
SERVICE_LIMIT = 100
"""Services of one profile; each is a probe and some twenty series for each school and family."""

_CERTIFICATE = frozenset({Policy.CERTIFICATE_VALID, Policy.CERTIFICATE_FRESH})
_UPGRADE = frozenset({Policy.TLS_OFFERED, Policy.PLAINTEXT_REFUSED})


def applicable(protocol: Protocol) -> frozenset[Policy]:
    """The policies that an audit can test on a protocol."""
    if protocol is Protocol.HTTP:
        return frozenset({Policy.HTTPS_REDIRECT, Policy.ACME_REACHABLE})
    if protocol is Protocol.HTTPS:
        return _CERTIFICATE | {Policy.HSTS}
    if protocol in IMPLICIT_TLS:
        return _CERTIFICATE
    return _UPGRADE | _CERTIFICATE if protocol in UPGRADES else frozenset()


def default_policies(protocol: Protocol) -> frozenset[Policy]:
    """The policies of a service that does not name any."""
    return applicable(protocol) - {Policy.CERTIFICATE_FRESH, Policy.HSTS, Policy.HTTPS_REDIRECT, Policy.ACME_REACHABLE}


@dataclass(slots=True)
class Draft:
    """A profile as it is written; lines are kept for what is found out later."""

    name: str
    section: Section
    extends: str | None = None
    without: tuple[tuple[str, str, int], ...] = ()
    """Each with its path and line."""
    services: dict[str, tuple[Service, Section]] = field(default_factory=dict)
    sound: bool = True
    """Whether all of it could be read; else what is missing is no problem of its own."""


def built_in(problems: Problems) -> dict[str, Draft]:
    """The profiles that come with the package, read as a user's own are."""
    drafts = {}
    for name in BUILT_IN:
        sheet = problems.sheet(f"portwatchd/profiles/{name}.yml")
        text = files("portwatchd").joinpath("profiles", f"{name}.yml").read_text("utf-8")
        if node := parse(text, sheet):
            drafts[name] = read_profile(name, Section(node, "", sheet))
    return drafts


def read_profiles(section: Section, drafts: dict[str, Draft]) -> None:
    """Add the user's own profiles to the drafts."""
    with section:
        for name, key, line, node in section.entries(values.identifier):
            draft = read_profile(name, Section(node, key, section.sheet, line))
            if name in BUILT_IN:
                section.sheet.add(line, key, f"the profile {name} is built in: take another name, and extend it")
            else:
                drafts[name] = draft


def read_profile(name: str, section: Section) -> Draft:
    """One profile as it is written."""
    draft = Draft(name, section)
    before = len(section.sheet.problems)
    with section:
        draft.extends = section.get("extends", str, None)
        section.each("without", values.identifier)
        draft.without = tuple((n.text, key, n.line) for key, n in section.nodes("without") if isinstance(n, Scalar))
        with section.section("services") as services:
            for service, key, line, node in services.entries(values.identifier):
                inner = Section(node, key, section.sheet, line)
                if read := _service(service, inner):
                    draft.services[service] = (read, inner)
    draft.sound = len(section.sheet.problems) == before and not section.broken
    return draft


def _service(name: str, section: Section) -> Service | None:
    """One service; None after a complaint that leaves nothing to check further."""
    before = len(section.sheet.problems)
    with section:
        protocol = section.need("protocol", values.one_of(Protocol, "protocol"), Protocol.TCP)
        first, last = _ports(section, protocol)
        service = Service(
            name=name,
            protocol=protocol,
            first=first,
            last=last,
            required=section.get("required", values.boolean, default=True, plain=True),
            policies=_policies(section, protocol),
            consequence=_consequence(section),
            alias_of=section.get("alias_of", values.identifier, None),
        )
    return service if len(section.sheet.problems) == before else None


def _ports(section: Section, protocol: Protocol) -> tuple[int, int]:
    """The first and last port."""
    one = section.get("port", values.port, 0, plain=True)
    first, last = section.get("ports", values.ports, (one, one))
    has_one, has_many = section.has("port"), section.has("ports")
    if has_one and has_many:
        section.complain("ports", "port and ports cannot both be given")
    elif protocol is Protocol.RANGE and has_one:
        section.complain("port", "the protocol range takes ports, for example 63000-63099")
    elif protocol is not Protocol.RANGE and has_many:
        section.complain("ports", f"only the protocol range takes ports, {protocol} takes one port")
    elif not has_one and not has_many:
        section.complain("ports" if protocol is Protocol.RANGE else "port", "is missing")
    return first, last


def _policies(section: Section, protocol: Protocol) -> frozenset[Policy]:
    """The policies that are asked for; those of the protocol where none are named."""
    named = section.each("policies", values.one_of(Policy, "policy"))
    if not section.has("policies"):
        return default_policies(protocol)
    allowed = applicable(protocol)
    for policy in named:
        if policy not in allowed:
            may = f"allowed are {' '.join(p for p in Policy if p in allowed)}" if allowed else "it has none"
            section.complain("policies", f"{policy} does not apply to the protocol {protocol}; {may}")
    if protocol in UPGRADES and _CERTIFICATE.intersection(named) and Policy.TLS_OFFERED not in named:
        section.complain("policies", f"on {protocol} a certificate is seen only with tls_offered: add it")
    return frozenset(named)


def _consequence(section: Section) -> Words:
    """A sentence for people; one that is given as plain text stands for both languages."""
    if isinstance(section.node("consequence"), Scalar):
        text = section.get("consequence", values.sentence, "")
        return Words(text, text)
    with section.section("consequence") as words:
        en = words.get("en", values.sentence, "")
        de = words.get("de", values.sentence, "")
    return Words(en or de, de or en)


def resolve(drafts: Mapping[str, Draft]) -> dict[str, Profile]:
    """Every profile with what it inherits; profiles that cannot be resolved are left out after a complaint."""
    done: dict[str, Profile | None] = {}
    for name in drafts:
        chain: list[str] = []
        at: str | None = name
        while at is not None and at not in done and at not in chain and at in drafts:
            chain.append(at)
            at = drafts[at].extends
        if at is not None and at in chain:
            for member in chain[chain.index(at) :]:
                way = "itself" if drafts[member].extends == member else f"itself by way of {drafts[member].extends}"
                drafts[member].section.complain("extends", f"the profile {member} extends {way}")
                done[member] = None
        for member in reversed(chain):
            if member not in done:
                done[member] = _resolved(drafts[member], drafts, done)
    return {name: profile for name, profile in done.items() if profile is not None}


def _resolved(draft: Draft, drafts: Mapping[str, Draft], done: Mapping[str, Profile | None]) -> Profile | None:
    """One profile, after the one that it extends."""
    base: Profile | None = Profile("", ())
    if draft.extends is not None:
        if draft.extends not in drafts:
            others = [name for name in drafts if name != draft.name]
            hint = closest(draft.extends, others) or f"; there are {' '.join(others)}"
            draft.section.complain("extends", f"unknown profile {shown(draft.extends)}{hint}")
        base = done.get(draft.extends)
    if base is None:
        return None
    inherited = {service.name: service for service in base.services}
    for name, key, line in draft.without:
        if name not in inherited:
            why = f"the profile {draft.extends} has no such service" if draft.extends else "nothing is extended"
            draft.section.sheet.add(
                line, key, f"{shown(name)} cannot be left out: {why}{closest(name, list(inherited))}"
            )
    left = {name: service for name, service in inherited.items() if name not in {n for n, _, _ in draft.without}}
    for name, (_, section) in draft.services.items():
        if name in left:
            reason = f"the profile {draft.extends} has a service {name} already: leave that out by without: [{name}]"
            section.sheet.add(section.line, section.key, reason)
    services = tuple((left | {name: service for name, (service, _) in draft.services.items()}).values())
    if not services and draft.sound:
        draft.section.sheet.add(draft.section.line, draft.section.key, "the profile has no services")
    if len(services) > SERVICE_LIMIT:
        reason = f"the profile has {len(services)} services; {SERVICE_LIMIT} are allowed"
        draft.section.sheet.add(draft.section.line, draft.section.key, reason)
    _aliases(draft, services)
    _overlaps(draft, services)
    return Profile(draft.name, services) if draft.sound else None


def _aliases(draft: Draft, services: tuple[Service, ...]) -> None:
    """An alias needs its service, of the same protocol and itself no alias."""
    by_name = {service.name: service for service in services}
    for service in services:
        if service.alias_of is None:
            continue
        of = by_name.get(service.alias_of)
        if of is None:
            if not draft.sound:
                continue
            more = "" if service.name in draft.services else f": leave out {service.name} too"
            reason = f"{service.name} is an alias of {service.alias_of}, which the profile does not have{more}"
        elif of.alias_of is not None or of.protocol is not service.protocol:
            reason = f"{service.name} cannot be an alias of {of.name}: it must speak the same and be no alias itself"
        else:
            continue
        _complain(draft, service.name, "alias_of", reason)


def _overlaps(draft: Draft, services: tuple[Service, ...]) -> None:
    """No port belongs to two services."""
    placed = sorted(services, key=lambda s: (s.first, s.last))
    for before, after in pairwise(placed):
        if after.first <= before.last:
            late, early = (after, before) if services.index(after) > services.index(before) else (before, after)
            port = "ports" if late.protocol is Protocol.RANGE else "port"
            _complain(draft, late.name, port, f"{late.name} has {late.port}, but {early.name} has {early.port} already")


def _complain(draft: Draft, service: str, key: str, reason: str) -> None:
    """Report a problem at the service where it is the profile's own, and else at the profile."""
    if service in draft.services:
        draft.services[service][1].complain(key, reason)
    else:
        draft.section.sheet.add(draft.section.line, draft.section.key, reason)
