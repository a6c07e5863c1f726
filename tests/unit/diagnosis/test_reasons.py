import pytest

from portwatchd.diagnosis.policies import CAUSE
from portwatchd.diagnosis.words.reasons import GERMAN, reason_words
from portwatchd.net import tls
from portwatchd.probes import failures


def test_every_reason_of_a_certificate_has_german_words() -> None:
    reasons = {*failures.CERTIFICATE_WORDS.values(), *tls._REASONS.values()}
    reasons |= {"expired", "not yet valid", "self-signed", "made for another name", "not verified"}
    assert reasons - set(GERMAN) == set()


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("the certificate is invalid: expired", "das Zertifikat ist ungültig: abgelaufen"),
        (
            f"not renewed in time, 5 days left: {CAUSE}",
            (
                "nicht rechtzeitig erneuert, noch 5 Tage gültig: "
                "Let's Encrypt kann nicht prüfen, denn Port 80 erreicht den Server nicht"
            ),
        ),
        ("not verified: speaks only TLSv1.1", "nicht geprüft: spricht nur TLSv1.1"),
        ("the key is too weak (1024 bits)", "der Schlüssel ist zu schwach (1024 Bit)"),
        ("EHLO does not list STARTTLS", "EHLO nennt STARTTLS nicht"),
        ("max-age is 86400 s, less than 15552000 s", "max-age beträgt 86400 s, weniger als 15552000 s"),
        ("redirects to 'x', another host than y", "leitet um auf 'x', einen anderen Namen als y"),
        ("answers '554 no service'", "answers '554 no service'"),
        ("", ""),
    ],
)
def test_reasons_in_german(english: str, german: str) -> None:
    assert reason_words(english, "de") == german
    assert reason_words(english, "en") == english


def test_a_reason_holds_as_many_places_in_both_languages() -> None:
    assert all(english.count("{}") == german.count("{}") for english, german in GERMAN.items())


def test_braces_of_a_server_are_taken_as_they_are() -> None:
    assert reason_words("AUTH before TLS: {0} {x}", "de") == "AUTH vor TLS: {0} {x}"
