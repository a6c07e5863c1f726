"""Reports made by hand for the tests of whatever shows them to people."""

from collections.abc import Sequence
from dataclasses import replace

from portwatchd.model import (
    AddressReport,
    Diagnosis,
    DiagnosisKind,
    Distance,
    Family,
    HopMethod,
    Observation,
    Outcome,
    Policy,
    PolicyFact,
    PortReport,
    Profile,
    Proof,
    Protocol,
    RangeState,
    Report,
    School,
    Service,
    Stage,
    Verdict,
    VerdictKind,
    Words,
)

ADDRESSES = {Family.IPV4: "198.51.100.2", Family.IPV6: "2001:db8::2"}

SSH = Service("ssh", Protocol.SSH, 22, 22, consequence=Words("no remote maintenance", "keine Fernwartung"))
HTTP = Service("http", Protocol.HTTP, 80, 80, policies=frozenset({Policy.HTTPS_REDIRECT, Policy.ACME_REACHABLE}))
HTTPS = Service(
    "https",
    Protocol.HTTPS,
    443,
    443,
    policies=frozenset({Policy.HSTS, Policy.CERTIFICATE_VALID}),
    consequence=Words("The web interface cannot be reached.", "die Weboberfläche ist nicht erreichbar."),
)
FTP_DATA = Service(
    "ftp-data",
    Protocol.RANGE,
    63000,
    63099,
    consequence=Words("FTP transfers fail", "FTP-Übertragungen scheitern"),
)
SMTP = Service(
    "smtp",
    Protocol.SMTP,
    25,
    25,
    policies=frozenset({Policy.TLS_OFFERED, Policy.PLAINTEXT_REFUSED}),
    consequence=Words("The school receives no mail.", "die Schule empfängt keine E-Mails."),
)
SUBMISSION = replace(
    SMTP,
    name="submission",
    first=587,
    last=587,
    consequence=Words("mail programs cannot send", "Mailprogramme können nicht senden"),
)
IMAP = Service("imap", Protocol.IMAP, 143, 143, policies=frozenset({Policy.PLAINTEXT_REFUSED}))
LDAPS = Service("ldaps", Protocol.LDAPS, 10636, 10636)
ALIAS = Service("ldaps-alias", Protocol.LDAPS, 636, 636, required=False, alias_of="ldaps")
SERVICES = (SSH, HTTP, HTTPS, FTP_DATA, SMTP, SUBMISSION, IMAP, LDAPS, ALIAS)
SCHOOL = School("gym-nord", "gym-nord.example.org", "gym-nord.example.org", Profile("iserv", SERVICES))
WELL = Verdict(VerdictKind.OK, Proof.ANSWER)
BY_HOP = Verdict(VerdictKind.FORWARD_LOST, Proof.HOP, "the router drops the connection: no trace of a forward")
BY_CONTRAST = Verdict(VerdictKind.FORWARD_LOST, Proof.CONTRAST, "other ports of the server answer, this one does not")


def port(
    service: Service,
    verdict: Verdict = WELL,
    family: Family = Family.IPV4,
    outcome: Outcome = Outcome.OK,
    broken: Sequence[PolicyFact] = (),
) -> PortReport:
    """A port with its judgement; the policies that hold are filled in."""
    span = RangeState(100, (), ()) if service.protocol is Protocol.RANGE else None
    held = tuple(PolicyFact(policy, holds=True) for policy in sorted(service.policies - {f.policy for f in broken}))
    return PortReport(
        service=service,
        family=family,
        address=ADDRESSES[family],
        verdict=verdict,
        since=1_700_000_000.0,
        forwarded=verdict.kind is not VerdictKind.FORWARD_LOST,
        observation=Observation(1_700_000_000.0, outcome, stages=((Stage.TOTAL, 0.042),)),
        policies=(*broken, *held),
        range=span,
    )


def holes(family: Family = Family.IPV4) -> PortReport:
    """The FTP range with five ports that are not forwarded."""
    lost = (63017, 63040, 63041, 63042, 63099)
    return replace(port(FTP_DATA, BY_HOP, family), range=RangeState(95, lost, ()))


def report(
    kind: DiagnosisKind,
    *bad: PortReport,
    families: Sequence[Family] = (Family.IPV4,),
    detail: str = "",
    school: School = SCHOOL,
) -> Report:
    """A report whose diagnosis rests on the bad ports; every other port of the profile is well."""
    ports: list[PortReport] = []
    for family in families:
        for service in school.profile.services:
            ours = [p for p in bad if p.service == service and p.family is family]
            unused = Verdict(VerdictKind.UNUSED, Proof.HOP)
            ports += ours or [port(service, WELL if service.required else unused, family)]
    return Report(
        school=school,
        at=1_700_000_000.0,
        seconds=12.5,
        diagnosis=Diagnosis(kind, tuple(bad), detail),
        since=1_700_000_000.0,
        addresses=tuple(
            AddressReport(family, ADDRESSES[family], Distance(3, 61, HopMethod.TIME_EXCEEDED), exposed_host=False)
            for family in families
        ),
        ports=tuple(ports),
    )
