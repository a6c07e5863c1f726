"""Owns the one sentence that says what a report means: what is wrong, on which ports, with what consequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portwatchd.diagnosis.words.language import say
from portwatchd.diagnosis.words.lists import FAMILY_NAMES, by_service, lives_elsewhere, named, router_shows
from portwatchd.diagnosis.words.tables import outcome_words
from portwatchd.model import DiagnosisKind, Family, Outcome, Policy, PortReport, Report, VerdictKind, Words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CONSEQUENCES_SHOWN = 3
"""Consequences that one sentence can carry."""

SMALL_WORDS = frozenset(
    {"Auch", "Außerhalb", "Das", "Der", "Die", "Ein", "Eine", "Es", "Externe", "In", "Kein", "Keine", "Mit", "Niemand"}
    | {"Ohne", "Sie", "Von"}
)
"""First words of a German consequence that have a capital only at the start of a sentence."""

HARMLESS = frozenset({Outcome.STARTTLS_MISSING, Outcome.STARTTLS_INJECTED})
"""Faults that do not yet bring the consequence of a lost port: mail still comes, unencrypted."""

ALL_WELL = Words(
    "All required ports are forwarded, and every service answers as it should.",
    "Alle nötigen Ports sind weitergeleitet, und jeder Dienst antwortet, wie er soll.",
)
NOT_ALL_JUDGED = Words(
    "Nothing is lost as far as can be seen, but {} could not be judged.",
    "Soweit erkennbar fehlt nichts, aber {} ließ sich nicht beurteilen.",
)
NOT_JUDGED = Words(
    "The school could not be judged: the monitor itself is at fault, or there is not enough evidence.",
    "Die Schule ließ sich nicht beurteilen: Die Überwachung selbst ist gestört, oder es fehlen Beweise.",
)
BLOCKED = Words(
    "The school could not be judged: the monitor cannot reach {} anywhere, so the fault is its own.",
    "Die Schule ließ sich nicht beurteilen: Die Überwachung erreicht {} nirgends, der Fehler liegt also bei ihr.",
)
DNS_FAILED = Words(
    "The name {host} cannot be resolved: nobody finds the school by its name.",
    "Der Name {host} lässt sich nicht auflösen: Niemand findet die Schule unter ihrem Namen.",
)
LINE_DOWN = Words(
    "The school's router shows no sign of life: nothing at the school can be reached from outside.",
    "Der Router der Schule gibt kein Lebenszeichen: Von außen ist an der Schule nichts erreichbar.",
)
SERVER_DOWN = Words(
    "The router forwards, but the server behind it is off or silent: none of its services can be reached.",
    "Der Router leitet weiter, aber der Server dahinter ist aus oder stumm: Keiner seiner Dienste ist erreichbar.",
)
ALL_LOST = Words(
    "The router is alive but forwards none of the required ports: from outside the server cannot be reached at all.",
    "Der Router lebt, leitet aber keinen der nötigen Ports weiter: Der Server ist von außen gar nicht erreichbar.",
)
IPV4_LOST = Words(
    "No required port can be reached over IPv4, while IPv6 works: the line has probably lost its public IPv4 address.",
    "Über IPv4 ist kein nötiger Port erreichbar, über IPv6 schon: Der Anschluss hat wohl keine öffentliche "
    "IPv4-Adresse mehr.",
)
IPV4_FORWARDS = Words(
    "The router forwards no required port over IPv4 any more, while IPv6 works: whoever has only IPv4 cannot get in.",
    "Der Router leitet über IPv4 keinen nötigen Port mehr weiter, über IPv6 schon: "
    "Wer nur IPv4 hat, kommt nicht hinein.",
)
IPV6_LOST = Words(
    "No required port can be reached over IPv6, while IPv4 works: the router no longer lets IPv6 through to the "
    "server.",
    "Über IPv6 ist kein nötiger Port erreichbar, über IPv4 schon: Der Router lässt IPv6 nicht mehr zum Server durch.",
)
WRONG_DEVICE_ALL = Words(
    "The router forwards to another device than the school's server: none of its services can be reached",
    "Der Router leitet zu einem anderen Gerät als dem Schulserver weiter: Keiner seiner Dienste ist erreichbar",
)
WRONG_DEVICE = Words(
    "The router forwards {} to another device than the school's server",
    "Der Router leitet {} zu einem anderen Gerät als dem Schulserver weiter",
)
REACHABLE_BUT = Words("Every required port is reachable, but", "Alle nötigen Ports sind erreichbar, aber")
STILL_WORKS = Words("over {} it still works", "Über {} geht es noch")
AND_LAST = Words(", and ", " und ")
"""Before the last clause: the lists inside clauses have an `and` of their own, so English needs the comma."""

AND_MORE = Words("and more", "und weiteres")

NO_LOSS = frozenset({VerdictKind.OK, VerdictKind.UNUSED, VerdictKind.UNKNOWN, VerdictKind.BLOCKED_HERE})
FORWARD_CLAUSES: Mapping[VerdictKind, Words] = {
    VerdictKind.FORWARD_LOST: Words("no longer forwards {}", "leitet {} nicht mehr weiter"),
    VerdictKind.ROUTER_ANSWERS: Words("answers on {} itself", "antwortet auf {} selbst"),
}
SERVICE_CLAUSES: Mapping[VerdictKind, Words] = {
    VerdictKind.SERVICE_DOWN: Words("refuses {}", "lehnt {} ab"),
    VerdictKind.SERVER_FILTERED: Words("silently drops {}", "verwirft {} stumm"),
    VerdictKind.SERVICE_FAULTY: Words("answers wrongly on {}", "antwortet auf {} falsch"),
}
BROKEN: Mapping[Policy, Words] = {
    Policy.HTTPS_REDIRECT: Words("{} does not redirect to HTTPS", "auf {} fehlt die Umleitung auf HTTPS"),
    Policy.HSTS: Words("HSTS is missing or too short on {}", "auf {} fehlt HSTS oder gilt zu kurz"),
    Policy.ACME_REACHABLE: Words("Let's Encrypt cannot validate over {}", "über {} kann Let's Encrypt nicht prüfen"),
    Policy.TLS_OFFERED: Words("no encryption is offered on {}", "auf {} wird keine Verschlüsselung angeboten"),
    Policy.PLAINTEXT_REFUSED: Words("plain logins are accepted on {}", "auf {} geht die Anmeldung im Klartext"),
    Policy.CERTIFICATE_VALID: Words("the certificate is not valid on {}", "das Zertifikat ist ungültig auf {}"),
    Policy.CERTIFICATE_FRESH: Words(
        "the certificate was not renewed in time on {}",
        "das Zertifikat wurde nicht rechtzeitig erneuert auf {}",
    ),
}


def summary(report: Report, lang: str) -> str:
    """Return one plain sentence: what is wrong at the school, on which ports, and what follows from it."""
    kind = report.diagnosis.kind
    return MADE[kind](report, lang) if kind in MADE else say(FIXED[kind], lang).format(host=report.school.host)


def _all_well(report: Report, lang: str) -> str:
    open_questions = [
        port
        for port in report.ports
        if port.service.required and port.verdict.kind in {VerdictKind.UNKNOWN, VerdictKind.BLOCKED_HERE}
    ]
    if open_questions:
        return say(NOT_ALL_JUDGED, lang).format(named(open_questions, report.ports, lang))
    return say(ALL_WELL, lang)


def _not_judged(report: Report, lang: str) -> str:
    required = [port for port in report.ports if port.service.required]
    if required and all(port.verdict.kind is VerdictKind.BLOCKED_HERE for port in required):
        return say(BLOCKED, lang).format(named(required, report.ports, lang))
    return say(NOT_JUDGED, lang)


def _ipv4_lost(report: Report, lang: str) -> str:
    return say(IPV4_FORWARDS if router_shows(report) else IPV4_LOST, lang)


def _wrong_device(report: Report, lang: str) -> str:
    wrong = report.diagnosis.concerned
    if not wrong or not any(port.verdict.kind is VerdictKind.OK for port in report.ports):
        return f"{say(WRONG_DEVICE_ALL, lang)}."
    return f"{say(WRONG_DEVICE, lang).format(named(wrong, report.ports, lang))}{_consequence(wrong, report, lang)}."


def _forwards(report: Report, lang: str) -> str:
    return _clauses(Words("The router", "Der Router"), FORWARD_CLAUSES, report, lang)


def _services(report: Report, lang: str) -> str:
    return _clauses(Words("The server", "Der Server"), SERVICE_CLAUSES, report, lang)


def _clauses(subject: Words, clauses: Mapping[VerdictKind, Words], report: Report, lang: str) -> str:
    """Return `The router no longer forwards 25 (smtp), and answers on 443 (https) itself`, and what follows from it.

    A verdict without a clause of its own is told by the first one: a dead port among living ones has lost its forward.
    """
    concerned = [port for port in report.diagnosis.concerned if port.verdict.kind not in NO_LOSS]
    said: list[str] = []
    usual = next(iter(clauses))
    for kind, words in clauses.items():
        ports = [port for port in concerned if (port.verdict.kind if port.verdict.kind in clauses else usual) is kind]
        if ports:
            said.append(say(words, lang).format(named(ports, report.ports, lang, _fault(kind, ports, lang))))
    if not said:
        return say(NOT_JUDGED, lang)
    if len(said) > 1:
        said[-2:] = [f"{said[-2]}{say(AND_LAST, lang)}{said[-1]}"]
    return f"{say(subject, lang)} {', '.join(said)}{_consequence(concerned, report, lang)}."


def _fault(kind: VerdictKind, ports: Sequence[PortReport], lang: str) -> str:
    """Return the outcome in words where a faulty service shows the same one on every port."""
    outcomes = {port.observation.outcome for port in ports if port.observation is not None}
    if kind is not VerdictKind.SERVICE_FAULTY or len(outcomes) != 1 or outcomes == {Outcome.OK}:
        return ""
    return outcome_words(outcomes.pop(), lang)


def _consequence(ports: Sequence[PortReport], report: Report, lang: str) -> str:
    """Return `: <what follows>` for services that work over no family; else that the other family still works."""
    texts: list[str] = []
    alive: set[Family | None] = set()
    for group in by_service(ports):
        elsewhere = lives_elsewhere(group, report.ports)
        alive.add(elsewhere)
        observation = group[0].observation
        faulty = group[0].verdict.kind is VerdictKind.SERVICE_FAULTY
        if elsewhere is None and not (faulty and observation is not None and observation.outcome in HARMLESS):
            text = say(group[0].service.consequence, lang).strip().rstrip(".")
            texts += [text] if text and text not in texts else []
    family = next(iter(alive), None)
    if not texts and len(alive) == 1 and family is not None:
        texts = [say(STILL_WORKS, lang).format(FAMILY_NAMES[family])]
    parts = _parts(texts, lang)
    if lang == "de":
        parts = parts[:1].upper() + parts[1:]  # a whole sentence behind a colon begins with a capital
    return f": {parts}" if parts else ""


def _parts(consequences: list[str], lang: str) -> str:
    """Return consequences in a row. One is told in full; of several, each up to its own colon."""
    if len(consequences) == 1:
        parts = consequences[0].split(": ")
    else:
        parts = [text.partition(": ")[0] for text in consequences[:CONSEQUENCES_SHOWN]]
    told = [_lowered(part, lang) for part in parts]
    return "; ".join([*told, *([say(AND_MORE, lang)] if len(consequences) > CONSEQUENCES_SHOWN else [])])


def _lowered(text: str, lang: str) -> str:
    """Return a sentence as it stands within another one: no capital on a first word that is no name."""
    first = text.partition(" ")[0]
    small = first in SMALL_WORDS if lang == "de" else first[1:].islower() and first.isalpha()
    return text[:1].lower() + text[1:] if small or first == "A" else text


def _policies(report: Report, lang: str) -> str:
    said: list[str] = []
    for policy, words in BROKEN.items():
        ports = [
            port
            for port in report.diagnosis.concerned or report.ports
            if any(fact.policy is policy and fact.holds is False for fact in port.policies)
        ]
        if ports:
            said.append(say(words, lang).format(named(ports, report.ports, lang)))
    return f"{say(REACHABLE_BUT, lang)} {'; '.join(said)}." if said else say(NOT_JUDGED, lang)


FIXED: Mapping[DiagnosisKind, Words] = {
    DiagnosisKind.DNS_FAILED: DNS_FAILED,
    DiagnosisKind.LINE_DOWN: LINE_DOWN,
    DiagnosisKind.SERVER_DOWN: SERVER_DOWN,
    DiagnosisKind.ALL_FORWARDS_LOST: ALL_LOST,
    DiagnosisKind.IPV6_LOST: IPV6_LOST,
}
MADE: Mapping[DiagnosisKind, Callable[[Report, str], str]] = {
    DiagnosisKind.UNKNOWN: _not_judged,
    DiagnosisKind.IPV4_LOST: _ipv4_lost,
    DiagnosisKind.WRONG_DEVICE: _wrong_device,
    DiagnosisKind.FORWARDS_LOST: _forwards,
    DiagnosisKind.SERVICES_DOWN: _services,
    DiagnosisKind.POLICY_VIOLATED: _policies,
    DiagnosisKind.OK: _all_well,
}
