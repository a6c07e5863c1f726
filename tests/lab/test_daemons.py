"""Proves that the lab's daemons behave as a school server should, and that each can be set wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from .certificates import self_signed
from .configs.tls import Tls
from .configs.web import Acme

if TYPE_CHECKING:
    from collections.abc import Callable

    from .certificates import Authority, Certificate
    from .lab import Lab, School

EHLO = "EHLO lab.invalid\r\n"
CAPABILITY = "a CAPABILITY\r\n"
SEARCH = bytes.fromhex(
    "303b020101633604000a01000a0100020100020100010100870b6f626a656374436c61"
    "737330160414737570706f727465644c44415056657273696f6e"
).decode("latin-1")
"""An LDAP search of the root DSE for supportedLDAPVersion."""
TLS_PORTS = (443, 465, 993, 995, 10636)
STARTTLS: dict[int, tuple[str, ...]] = {
    21: ("", "AUTH TLS\r\n"),
    25: ("", EHLO, "STARTTLS\r\n"),
    110: ("", "STLS\r\n"),
    143: ("", "a STARTTLS\r\n"),
}


def probe(lab: Lab, port: int, *steps: str) -> dict[str, Any]:
    plan = lab.school.plan
    ca_file = str(lab.monitor.ca_file)
    return {
        "kind": "talk",
        "address": plan.public_v4,
        "port": port,
        "steps": steps,
        "name": plan.host,
        "ca_file": ca_file,
    }


def talk(lab: Lab, port: int, *steps: str) -> list[str]:
    """Say this to a port of the school and return what was heard after each step."""
    heard: list[str] = lab.monitor.sound(probe(lab, port, *steps))[0]["heard"]
    return heard


def get(lab: Lab, path: str = "/", *, port: int = 80) -> str:
    request = f"GET {path} HTTP/1.1\r\nHost: {lab.school.plan.host}\r\nConnection: close\r\n\r\n"
    return talk(lab, port, *(("TLS", request) if port != 80 else (request,)))[-1]


def test_ssh_greets(lab: Lab) -> None:
    assert talk(lab, 22, "")[0].startswith("SSH-2.0-OpenSSH")


def test_http_redirects_except_where_certificates_are_validated(lab: Lab) -> None:
    answer = get(lab)
    assert answer.startswith("HTTP/1.1 301 ")
    assert f"Location: https://{lab.school.plan.host}/\r\n" in answer
    assert get(lab, "/.well-known/acme-challenge/x").startswith("HTTP/1.1 404 ")
    lab.school.web.set(redirect=None, acme=Acme.REDIRECTED)
    assert get(lab).startswith("HTTP/1.1 200 ")
    lab.school.web.set(acme=Acme.FORBIDDEN)
    assert get(lab, "/.well-known/acme-challenge/x").startswith("HTTP/1.1 403 ")


@pytest.mark.parametrize("hsts", ["max-age=15768000", "max-age=86400", "max-age=soon", None])
def test_https_sends_hsts_as_it_is_told(lab: Lab, hsts: str | None) -> None:
    lab.school.web.set(hsts=hsts)
    found = re.search(r"Strict-Transport-Security: (.*)\r\n", get(lab, port=443))
    assert (found and found[1]) == hsts


def test_smtp_offers_starttls_and_auth_only_inside(lab: Lab) -> None:
    for port in (25, 587):
        greeting, features, ready, _version, secure = talk(lab, port, "", EHLO, "STARTTLS\r\n", "TLS", EHLO)
        assert greeting.startswith("220 ")
        assert "STARTTLS" in features
        assert "AUTH" not in features
        assert ready.startswith("220 ")
        assert "AUTH PLAIN" in secure
    version, greeting = talk(lab, 465, "TLS", "")
    assert (version, greeting[:4]) == ("TLSv1.3", "220 ")


def test_smtp_can_be_set_wrong(lab: Lab) -> None:
    lab.school.mail.set(auth_in_clear=True, starttls=False)
    features = talk(lab, 587, "", EHLO)[1]
    assert "AUTH PLAIN" in features
    assert "STARTTLS" not in features
    lab.school.mail.set(refuses=True)
    assert talk(lab, 25, "")[0].startswith("550 ")
    lab.school.mail.set(refuses=False, greeting_delay=1)
    assert talk(lab, 25, "")[0].startswith("220 ")
    assert talk(lab, 25, EHLO)[0].startswith("554 SMTP synchronization error")
    lab.school.mail.freeze()
    assert talk(lab, 25, "") == [""]


def test_imap_disables_logins_before_tls(lab: Lab) -> None:
    greeting, features, ready, _version, secure = talk(lab, 143, "", CAPABILITY, "b STARTTLS\r\n", "TLS", CAPABILITY)
    assert greeting.startswith("* OK [CAPABILITY IMAP4rev1")
    assert "STARTTLS LOGINDISABLED" in features
    assert ready.startswith("b OK")
    assert "LOGINDISABLED" not in secure
    assert talk(lab, 993, "TLS", "")[1].startswith("* OK")
    lab.school.mailboxes.set(plain_login=True)
    assert "LOGINDISABLED" not in talk(lab, 143, "", CAPABILITY)[1]
    lab.school.mailboxes.set(tls=Tls.NONE)
    assert "STARTTLS" not in talk(lab, 143, "", CAPABILITY)[1]


def test_pop3_refuses_logins_before_tls(lab: Lab) -> None:
    greeting, features, login, ready, version = talk(lab, 110, "", "CAPA\r\n", "USER x\r\n", "STLS\r\n", "TLS")
    assert greeting.startswith("+OK")
    assert "STLS" in features
    assert login.startswith("-ERR")
    assert ready.startswith("+OK")
    assert version.startswith("TLSv1")
    assert talk(lab, 995, "TLS", "")[1].startswith("+OK")
    lab.school.mailboxes.set(plain_login=True)
    assert talk(lab, 110, "", "USER x\r\n")[1].startswith("+OK")


def test_ftp_wants_tls_for_logins(lab: Lab) -> None:
    greeting, features, login, ready, version = talk(lab, 21, "", "FEAT\r\n", "USER x\r\n", "AUTH TLS\r\n", "TLS")
    assert greeting.startswith("220 ")
    assert "AUTH TLS" in features
    assert login.startswith("550 ")
    assert ready.startswith("234 ")
    assert version.startswith("TLSv1")
    lab.school.ftp.set(plain_login=True)
    assert talk(lab, 21, "", "USER x\r\n")[1].startswith("331 ")
    lab.school.ftp.set(tls=Tls.NONE)
    assert "AUTH TLS" not in talk(lab, 21, "", "FEAT\r\n")[1]


def test_ldaps_shows_its_root_dse(lab: Lab) -> None:
    assert "supportedLDAPVersion" in talk(lab, 10636, "TLS", SEARCH)[1]
    lab.school.ldap.set(root_dse=False)
    assert "supportedLDAPVersion" not in talk(lab, 10636, "TLS", SEARCH)[1]
    lab.school.ldap.set(tls=Tls.NONE, root_dse=True)
    assert "supportedLDAPVersion" in talk(lab, 10636, SEARCH)[0]


def handshakes(lab: Lab) -> dict[int, str]:
    """What a verifying client says of each port that speaks TLS, at once or after it was asked to."""
    dialogues = dict.fromkeys(TLS_PORTS, ("TLS",)) | {port: (*steps, "TLS") for port, steps in STARTTLS.items()}
    found = lab.monitor.sound(*(probe(lab, port, *steps) for port, steps in dialogues.items()))
    return {port: dialogue["heard"][-1] for port, dialogue in zip(dialogues, found, strict=True)}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda a, host: a.with_intermediate(host), "TLSv1.[23]", id="intermediate"),
        pytest.param(lambda a, host: a.expiring(host), "TLSv1.[23]", id="expiring"),
        pytest.param(lambda a, host: a.expired(host), "certificate has expired", id="expired"),
        pytest.param(lambda a, host: a.not_yet_valid(host), "certificate is not yet valid", id="not yet valid"),
        pytest.param(lambda a, host: self_signed(host), "self-signed certificate", id="self-signed"),
        pytest.param(lambda a, host: a.good("other.example.org"), "Hostname mismatch", id="wrong name"),
        pytest.param(lambda a, host: a.missing_intermediate(host), "unable to get local issuer", id="missing"),
        pytest.param(lambda a, host: a.weak_key(host), "key too weak", id="weak key"),
    ],
)
def test_every_tls_port_shows_the_certificate_that_it_is_given(
    lab: Lab, make: Callable[[Authority, str], Certificate], reason: str
) -> None:
    lab.school.show(make(lab.authority, lab.school.plan.host))
    wrong = {port: seen for port, seen in handshakes(lab).items() if not re.search(reason, seen)}
    assert wrong == {}


def test_every_tls_port_can_be_left_with_old_versions(lab: Lab) -> None:
    school = lab.school
    for daemon in (school.web, school.ftp, school.mail, school.mailboxes, school.ldap):
        daemon.set(tls=Tls.LEGACY)
    wrong = {port: seen for port, seen in handshakes(lab).items() if not re.search("PROTOCOL|legacy sigalg", seen)}
    assert wrong == {}
    old = ["openssl", "s_client", "-brief", "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0", "-connect"]
    for port in TLS_PORTS:
        said = lab.monitor.run([*old, f"{school.plan.public_v4}:{port}"], stdin="").stderr
        assert "Protocol version: TLSv1.1" in said, f"{port}: {said}"


def test_single_daemons_stop_and_start(lab: Lab) -> None:
    school = lab.school
    for daemon in school.server_daemons:
        daemon.stop()
        for port in daemon.ports:
            found = lab.monitor.sound({"kind": "connect", "address": school.plan.public_v4, "port": port})[0]
            assert (found["outcome"], found["icmp"]) == ("refused", [])
        daemon.start()


def test_another_machine_has_another_identity(lab: Lab) -> None:
    school = lab.school
    keys = {scan(lab)}
    school.router.set(to_nas=frozenset({22, 443}))
    keys.add(scan(lab))
    assert "self-signed certificate" in talk(lab, 443, "TLS")[0]
    assert shown_name(lab, school) == "synology"
    school.router.set(to_nas=frozenset(), own=frozenset({22, 80, 443}))
    keys.add(scan(lab))
    assert shown_name(lab, school) == "fritz.box"
    assert "FRITZ!Box" in get(lab)
    assert len(keys) == 3


def scan(lab: Lab) -> str:
    """The SSH host key."""
    return lab.monitor.run(["ssh-keyscan", "-t", "ed25519", lab.school.plan.public_v4]).stdout.split()[-1]


def shown_name(lab: Lab, school: School) -> str:
    """The common name of the certificate on 443."""
    said = lab.monitor.run(["openssl", "s_client", "-connect", f"{school.plan.public_v4}:443"], stdin="").stdout
    return said.partition("subject=CN = ")[2].splitlines()[0]
