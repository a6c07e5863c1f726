import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.diagnosis import port as judgement
from portwatchd.diagnosis import words
from portwatchd.diagnosis.words import details, remedies, sentences
from portwatchd.model import (
    DiagnosisKind,
    Family,
    Outcome,
    Policy,
    PolicyFact,
    PortReport,
    Proof,
    RangeState,
    Report,
    Verdict,
    VerdictKind,
    Words,
)
from tests.unit.reports import (
    ALIAS,
    BY_CONTRAST,
    BY_HOP,
    FTP_DATA,
    HTTP,
    HTTPS,
    IMAP,
    SCHOOL,
    SERVICES,
    SMTP,
    SSH,
    SUBMISSION,
    holes,
    port,
    report,
)

BOTH = (Family.IPV4, Family.IPV6)
ROUTER = Verdict(VerdictKind.ROUTER_ANSWERS, Proof.HOP)
REFUSED = Verdict(VerdictKind.SERVICE_DOWN, Proof.HOP)
FILTERED = Verdict(VerdictKind.SERVER_FILTERED, Proof.HOP)
FAULTY = Verdict(VerdictKind.SERVICE_FAULTY, Proof.ANSWER)
NAS = Verdict(VerdictKind.WRONG_DEVICE, Proof.IDENTITY)


@pytest.mark.parametrize("lang", words.LANGUAGES)
@pytest.mark.parametrize(
    ("enum", "function"),
    [
        (VerdictKind, words.verdict_words),
        (Proof, words.proof_words),
        (DiagnosisKind, words.diagnosis_words),
        (Policy, words.policy_words),
        (Outcome, words.outcome_words),
    ],
)
def test_every_member_has_its_own_words(
    enum: type[StrEnum],
    function: Callable[[StrEnum, str], str],
    lang: str,
) -> None:
    texts = [function(member, lang) for member in enum]
    assert all(texts)
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("fixed", "made"),
    [(sentences.FIXED, sentences.MADE), (remedies.FIXED, remedies.MADE)],
)
def test_every_diagnosis_is_told_in_one_way(
    fixed: Mapping[DiagnosisKind, object],
    made: Mapping[DiagnosisKind, object],
) -> None:
    assert {*fixed, *made} == set(DiagnosisKind)
    assert not {*fixed} & {*made}


def test_every_policy_has_a_sentence_and_a_remedy() -> None:
    assert set(sentences.BROKEN) == set(remedies.POLICIES) == set(Policy)


SENTENCES: list[tuple[Report, str, str]] = [
    (
        report(DiagnosisKind.OK),
        "All required ports are forwarded, and every service answers as it should.",
        "Alle nötigen Ports sind weitergeleitet, und jeder Dienst antwortet, wie er soll.",
    ),
    (
        report(DiagnosisKind.FORWARDS_LOST, port(SMTP, BY_HOP)),
        "The router no longer forwards 25 (smtp): the school receives no mail.",
        "Der Router leitet 25 (smtp) nicht mehr weiter: Die Schule empfängt keine E-Mails.",
    ),
    (
        report(DiagnosisKind.FORWARDS_LOST, port(SMTP, BY_CONTRAST, Family.IPV6), families=BOTH),
        "The router no longer forwards 25 (smtp, IPv6): over IPv4 it still works.",
        "Der Router leitet 25 (smtp, IPv6) nicht mehr weiter: Über IPv4 geht es noch.",
    ),
    (
        report(DiagnosisKind.FORWARDS_LOST, *(port(SMTP, BY_HOP, family) for family in BOTH), families=BOTH),
        "The router no longer forwards 25 (smtp): the school receives no mail.",
        "Der Router leitet 25 (smtp) nicht mehr weiter: Die Schule empfängt keine E-Mails.",
    ),
    (
        report(
            DiagnosisKind.FORWARDS_LOST,
            port(HTTPS, ROUTER),
            holes(),
            port(SMTP, BY_HOP),
            port(SUBMISSION, Verdict(VerdictKind.LINE_DOWN, Proof.CONTRAST)),
        ),
        (
            "The router no longer forwards 63017, 63040-63042, 63099 (ftp-data), 25 (smtp) and 587 (submission), "
            "and answers on 443 (https) itself: the web interface cannot be reached; FTP transfers fail; the school "
            "receives no mail; and more."
        ),
        (
            "Der Router leitet 63017, 63040-63042, 63099 (ftp-data), 25 (smtp) und 587 (submission) nicht mehr "
            "weiter und antwortet auf 443 (https) selbst: Die Weboberfläche ist nicht erreichbar; FTP-Übertragungen "
            "scheitern; die Schule empfängt keine E-Mails; und weiteres."
        ),
    ),
    (
        report(
            DiagnosisKind.SERVICES_DOWN,
            port(SMTP, REFUSED, outcome=Outcome.REFUSED),
            port(HTTP, FILTERED, outcome=Outcome.TIMEOUT),
            port(SUBMISSION, FAULTY, outcome=Outcome.STARTTLS_MISSING),
        ),
        (
            "The server refuses 25 (smtp), silently drops 80 (http), and answers wrongly on 587 (submission, no "
            "STARTTLS): the school receives no mail."
        ),
        (
            "Der Server lehnt 25 (smtp) ab, verwirft 80 (http) stumm und antwortet auf 587 (submission, kein STARTTLS) "
            "falsch: Die Schule empfängt keine E-Mails."
        ),
    ),
]


@pytest.mark.parametrize(("seen", "english", "german"), SENTENCES)
def test_the_summary_is_one_plain_sentence(seen: Report, english: str, german: str) -> None:
    assert words.summary(seen, "en") == english
    assert words.summary(seen, "de") == german


def test_a_consequence_in_two_parts_makes_no_second_colon() -> None:
    consequence = Words("The certificate ends: It is for all.", "Das Zertifikat endet: Es gilt für alle.")
    long = replace(HTTP, consequence=consequence)
    school = replace(SCHOOL, profile=replace(SCHOOL.profile, services=(long, SMTP)))
    alone = report(DiagnosisKind.FORWARDS_LOST, port(long, BY_HOP), school=school)
    assert words.summary(alone, "de").endswith("80 (http) nicht mehr weiter: Das Zertifikat endet; es gilt für alle.")
    both = report(DiagnosisKind.FORWARDS_LOST, port(long, BY_HOP), port(SMTP, BY_HOP), school=school)
    assert words.summary(both, "en").endswith("(smtp): the certificate ends; the school receives no mail.")


def test_a_port_that_the_monitor_cannot_reach_anywhere_is_not_counted_as_well() -> None:
    blocked = port(SMTP, Verdict(VerdictKind.BLOCKED_HERE, Proof.CONTRAST))
    seen = replace(report(DiagnosisKind.OK, blocked), diagnosis=report(DiagnosisKind.OK).diagnosis)
    assert words.summary(seen, "en") == "Nothing is lost as far as can be seen, but 25 (smtp) could not be judged."
    school = replace(SCHOOL, profile=replace(SCHOOL.profile, services=(SMTP,)))
    alone = report(DiagnosisKind.UNKNOWN, blocked, school=school)
    assert "monitor cannot reach 25 (smtp) anywhere" in words.summary(alone, "en")
    assert "Überwachung" in words.remedy(alone, "de")


def test_wrong_device_names_the_ports_or_all() -> None:
    one = report(DiagnosisKind.WRONG_DEVICE, port(HTTPS, NAS))
    assert words.summary(one, "en") == (
        "The router forwards 443 (https) to another device than the school's server: "
        "the web interface cannot be reached."
    )
    everything = report(DiagnosisKind.WRONG_DEVICE, *(port(service, NAS) for service in SERVICES))
    assert "none of its services" in words.summary(everything, "en")
    assert "DHCP" in words.remedy(everything, "en")


def test_an_alias_that_leads_astray_says_how_it_is_mapped() -> None:
    seen = report(DiagnosisKind.WRONG_DEVICE, port(ALIAS, NAS))
    assert words.remedy(seen, "en") == "The router must map 636 to the port of ldaps on the server."


def test_policies_are_told_with_their_ports() -> None:
    expired = PolicyFact(Policy.CERTIFICATE_VALID, holds=False, reason="expired")
    plain = PolicyFact(Policy.PLAINTEXT_REFUSED, holds=False)
    seen = report(
        DiagnosisKind.POLICY_VIOLATED,
        port(HTTPS, broken=[expired]),
        port(SMTP, broken=[plain]),
        port(IMAP, broken=[plain]),
    )
    assert words.summary(seen, "en") == (
        "Every required port is reachable, but plain logins are accepted on 25 (smtp) and 143 (imap); "
        "the certificate is not valid on 443 (https)."
    )
    assert words.summary(seen, "de") == (
        "Alle nötigen Ports sind erreichbar, aber auf 25 (smtp) und 143 (imap) geht die Anmeldung im Klartext; "
        "das Zertifikat ist ungültig auf 443 (https)."
    )
    assert words.remedy(seen, "de").count("Lassen Sie") == 1


def test_lost_ipv4_is_the_line_or_the_forwards() -> None:
    silent = report(DiagnosisKind.IPV4_LOST, port(SSH, BY_CONTRAST), families=BOTH)
    assert "DS-Lite" in words.remedy(silent, "en")
    shown = report(DiagnosisKind.IPV4_LOST, port(SSH, BY_HOP), families=BOTH)
    assert "Exposed Host" in words.remedy(shown, "en")
    assert words.summary(silent, "de") != words.summary(shown, "de")


@pytest.mark.parametrize(
    ("bad", "hint"),
    [
        (port(SMTP, BY_HOP), "Internet -> Freigaben -> Portfreigaben"),
        (port(SMTP, BY_HOP, Family.IPV6), "IPv6-Firewall"),
        (port(HTTPS, ROUTER), "FRITZ!Box-Dienste"),
        (port(SMTP, REFUSED), "Exim"),
        (port(HTTP, FAULTY), "Webserver"),
        (port(SSH, FILTERED), "fail2ban"),
    ],
)
def test_the_remedy_fits_what_is_wrong(bad: PortReport, hint: str) -> None:
    lost = bad.verdict.kind in {VerdictKind.FORWARD_LOST, VerdictKind.ROUTER_ANSWERS}
    kind = DiagnosisKind.FORWARDS_LOST if lost else DiagnosisKind.SERVICES_DOWN
    assert hint in words.remedy(report(kind, bad, families=BOTH), "de")


@given(
    kind=st.sampled_from(DiagnosisKind),
    lang=st.sampled_from(words.LANGUAGES),
    bad=st.lists(
        st.builds(
            port,
            st.sampled_from(SERVICES),
            st.builds(Verdict, st.sampled_from(VerdictKind), st.sampled_from(Proof)),
            st.sampled_from(Family),
            st.sampled_from(Outcome),
            st.lists(st.builds(PolicyFact, st.sampled_from(Policy), st.sampled_from([True, False, None])), max_size=3),
        ),
        max_size=9,
    ),
    known=st.booleans(),
)
def test_every_report_has_a_bounded_sentence_and_a_remedy(
    kind: DiagnosisKind, lang: str, bad: list[PortReport], *, known: bool
) -> None:
    seen = report(kind, *bad, families=BOTH)
    if not known:
        seen = replace(seen, ports=())
    for text in (words.summary(seen, lang), words.remedy(seen, lang)):
        assert text.endswith((".", "?"))
        assert "{" not in text
        assert "\n" not in text
        assert len(text) < 1000


@pytest.mark.parametrize(
    ("ports", "limit", "text"),
    [
        ([], None, ""),
        ([63042, 63017, 63040, 63041, 63040], None, "63017, 63040-63042"),
        (range(63000, 63100), None, "63000-63099"),
        (range(1, 20, 2), 4, "1, 3, 5, 7 and 6 more"),
        ([1, 2, 3, 5, 6, 7], 1, "1-3 and 3 more"),
    ],
)
def test_spans(ports: list[int], limit: int | None, text: str) -> None:
    assert words.spans(ports, limit) == text


@given(st.sets(st.integers(1, 65535), max_size=50))
def test_spans_name_each_port_once(ports: set[int]) -> None:
    back: list[int] = []
    for span in filter(None, words.spans(ports).split(", ")):
        first, _, last = span.partition("-")
        back += range(int(first), int(last or first) + 1)
    assert back == sorted(ports)


def test_a_remedy_names_every_port_that_must_be_set() -> None:
    lost = [port(service, BY_HOP) for service in SERVICES if service.required]
    seen = report(DiagnosisKind.FORWARDS_LOST, *lost)
    assert "and 3 more" in words.summary(seen, "en")
    assert all(each.service.port in words.remedy(seen, "en") for each in lost)


def test_long_lists_are_bounded() -> None:
    assert words.bounded(list("abc"), "de") == "a, b und c"
    assert words.bounded(list("abcdefghi"), "en") == "a, b, c, d, e and 4 more"
    hollow = replace(port(FTP_DATA, BY_HOP), range=RangeState(50, tuple(range(63000, 63100, 2)), ()))
    said = words.summary(report(DiagnosisKind.FORWARDS_LOST, hollow), "de")
    assert "63000, 63002, 63004, 63006 und 46 weitere (ftp-data)" in said


@pytest.mark.parametrize(
    ("value", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("C", "en"),
        ("C.UTF-8", "en"),
        ("POSIX", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de_DE.UTF-8", "de"),
        ("de_AT@euro", "de"),
        ("de@euro", "de"),
        ("de.UTF-8", "de"),
        ("dent", "en"),
        ("fr_FR.UTF-8", "en"),
        ("de-CH, en;q=0.9", "de"),
        ("en-US,en;q=0.9,de;q=0.8", "en"),
        ("fr;q=0.9, en;q=0.3, de;q=0.5", "de"),
        ("en;q=0.1, de", "de"),
        ("de;q=0", "en"),
        ("de;q=0, en", "en"),
        ("de; Q=0.5 , en;q=0.4", "de"),
        ("de;q=x, en;q=0.1", "en"),
        ("de;q=9, en;q=1", "de"),
        ("*", "en"),
        (",;=,;;q", "en"),
    ],
)
def test_the_language_is_chosen_from_locales_and_headers(value: str | None, language: str) -> None:
    assert words.choose_language(value) == language


def spoken(module: ModuleType) -> set[str]:
    """The sentences that a module gives to its verdicts; `{}` for what is filled in."""
    found: set[str] = set()
    for call in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Verdict":
            for node in ast.walk(call):
                if isinstance(node, ast.JoinedStr):
                    parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
                    found.add("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                    found.add(node.value)
    # Parts of an f-string are constants of their own.
    return {text for text in found if not any(text != whole and text in whole and "{}" in whole for whole in found)}


def test_every_detail_of_a_judgement_has_a_german_sentence() -> None:
    missing = spoken(judgement) - set(details.GERMAN)
    assert not missing, f"add these to {details.__name__}.GERMAN: {missing}"


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("rejected by the router 2001:db8::1", "abgewiesen vom Router 2001:db8::1"),
        ("192.0.2.1 on the way cannot reach the school", "192.0.2.1 auf dem Weg erreicht die Schule nicht"),
        ("no sign of life from the router", "kein Lebenszeichen vom Router"),
        ("answers '554 no service'", "answers '554 no service'"),
        ("", ""),
    ],
)
def test_details_in_german(english: str, german: str) -> None:
    assert words.detail_words(english, "de") == german
    assert words.detail_words(english, "en") == english


@given(st.text(max_size=200))
def test_any_header_gives_a_language(value: str) -> None:
    assert words.choose_language(value) in words.LANGUAGES
