"""Profiles: the built-in tables row by row, and what `extends`, `without` and `services` make of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from portwatchd.config import built_in_profiles, load
from portwatchd.config.profiles import applicable, default_policies
from portwatchd.model import IMPLICIT_TLS, UPGRADES, Policy, Profile, Protocol, Security, Words

OFFERED = "tls_offered plaintext_refused certificate_valid certificate_fresh"
CERTIFICATE = "certificate_valid certificate_fresh"
TABLE = {
    "ssh": ("22", "ssh", ""),
    "http": ("80", "http", "https_redirect acme_reachable"),
    "https": ("443", "https", f"hsts {CERTIFICATE}"),
    "ftp": ("21", "ftp", OFFERED),
    "ftp-data": ("63000-63099", "range", ""),
    "smtp": ("25", "smtp", OFFERED),
    "submission": ("587", "smtp", OFFERED),
    "smtps": ("465", "smtps", CERTIFICATE),
    "pop3": ("110", "pop3", OFFERED),
    "imap": ("143", "imap", OFFERED),
    "imaps": ("993", "imaps", CERTIFICATE),
    "pop3s": ("995", "pop3s", CERTIFICATE),
    "ldaps": ("10636", "ldaps", CERTIFICATE),
    "ldaps-alias": ("636", "ldaps", CERTIFICATE),
}


def ours(tmp_path: Path, text: str) -> Profile:
    path = tmp_path / "portwatchd.yml"
    path.write_text(f"schools: [{{name: a, host: a.example.org, profile: ours}}]\nprofiles:\n{text}")
    return load(path).profiles["ours"]


def test_iserv_is_the_vendor_s_table() -> None:
    services = built_in_profiles()["iserv"].services
    assert {s.name: (s.port, s.protocol, set(s.policies)) for s in services} == {
        name: (port, protocol, set(policies.split())) for name, (port, protocol, policies) in TABLE.items()
    }
    assert [(s.name, s.alias_of) for s in services if not s.required] == [("ldaps-alias", "ldaps")]
    assert {s.name for s in services if s.security is Security.STARTTLS} == {
        "ftp",
        "smtp",
        "submission",
        "pop3",
        "imap",
    }


def test_iserv_sh_is_what_the_state_opens() -> None:
    ports = {s.port for s in built_in_profiles()["iserv-sh"].services}
    assert ports == {"21", "22", "25", "80", "443", "465", "587", "993", "995", "10636", "63000-63099"}


def test_every_service_says_its_consequence_in_one_sentence_of_both_languages() -> None:
    for service in built_in_profiles()["iserv"].services:
        for words in service.consequence:
            assert words[0].isupper()
            assert words.endswith(".")
        assert service.consequence.en != service.consequence.de


def test_the_interface_s_own_example(tmp_path: Path) -> None:
    example = "  ours: {extends: iserv, without: [pop3, imap], services: {vpn: {port: 51443, protocol: tcp}}}\n"
    names = [service.name for service in ours(tmp_path, example).services]
    assert names == [name for name in TABLE if name not in {"pop3", "imap"}] + ["vpn"]


def test_a_service_is_replaced_by_leaving_the_inherited_one_out(tmp_path: Path) -> None:
    text = (
        "  ours: {extends: iserv, without: [smtp], services: {smtp: {port: 2525, protocol: smtp, required: false}}}\n"
    )
    (smtp,) = (service for service in ours(tmp_path, text).services if service.name == "smtp")
    assert (smtp.port, smtp.required) == ("2525", False)


def test_profiles_extend_each_other_in_any_order(tmp_path: Path) -> None:
    services = "{x: {port: 1, protocol: tcp}, y: {port: 2, protocol: tcp}}"
    text = f"  ours: {{extends: b}}\n  b: {{extends: c, without: [x]}}\n  c: {{services: {services}}}\n"
    assert [service.name for service in ours(tmp_path, text).services] == ["y"]


def test_plain_text_is_the_consequence_in_both_languages(tmp_path: Path) -> None:
    text = "  ours: {services: {vpn: {port: 1194, protocol: tcp, consequence: Kein VPN.}}}\n"
    assert ours(tmp_path, text).services[0].consequence == Words("Kein VPN.", "Kein VPN.")


def test_one_language_stands_for_the_other(tmp_path: Path) -> None:
    text = "  ours: {services: {vpn: {port: 1194, protocol: tcp, consequence: {de: Kein VPN.}}}}\n"
    assert ours(tmp_path, text).services[0].consequence == Words("Kein VPN.", "Kein VPN.")


@pytest.mark.parametrize("protocol", Protocol)
def test_policies_that_are_left_out_are_those_of_the_protocol(tmp_path: Path, protocol: Protocol) -> None:
    place = "ports: 7000-7009" if protocol is Protocol.RANGE else "port: 7000"
    text = f"  ours: {{services: {{x: {{{place}, protocol: {protocol}}}}}}}\n"
    (service,) = ours(tmp_path, text).services
    assert service.policies == default_policies(protocol) <= applicable(protocol)
    assert (Policy.CERTIFICATE_VALID in service.policies) == (protocol in IMPLICIT_TLS | UPGRADES)
    assert (Policy.TLS_OFFERED in service.policies) == (protocol in UPGRADES)


def test_no_policies_can_be_asked_for(tmp_path: Path) -> None:
    (service,) = ours(tmp_path, "  ours: {services: {x: {port: 25, protocol: smtp, policies: []}}}\n").services
    assert service.policies == frozenset()
    assert service.security is Security.PLAIN
