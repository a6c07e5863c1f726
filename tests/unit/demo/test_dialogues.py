"""The dialogues of a simulated school server, as transcripts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.demo.dialogues import DIALOGUES, Scene, Then, element_end, head_end, line_end, tlv
from portwatchd.model import Protocol

PLAIN = Scene("gym.invalid", https_port=20443)
SECURE = replace(PLAIN, secure=True)
WITHOUT_TLS = replace(PLAIN, offers_tls=False)


def say(protocol: Protocol, text: str, scene: Scene = PLAIN) -> tuple[str, Then]:
    reply, then = DIALOGUES[protocol].answer(text.encode() + b"\r\n", scene)
    return reply.decode().replace("\r\n", "\n"), then


def test_every_protocol_has_a_dialogue() -> None:
    assert set(DIALOGUES) == set(Protocol)


@pytest.mark.parametrize(
    ("protocol", "command", "listed"),
    [
        (Protocol.SMTP, "EHLO client.invalid", "250 STARTTLS"),
        (Protocol.FTP, "FEAT", " AUTH TLS"),
        (Protocol.POP3, "CAPA", "STLS"),
        (Protocol.IMAP, "a CAPABILITY", "STARTTLS LOGINDISABLED"),
    ],
)
def test_tls_is_listed_where_it_can_be_had(protocol: Protocol, command: str, listed: str) -> None:
    assert listed in say(protocol, command)[0]
    assert listed not in say(protocol, command, WITHOUT_TLS)[0]
    assert "AUTH PLAIN" not in say(protocol, command)[0]


@pytest.mark.parametrize(
    ("protocol", "command", "reply"),
    [
        (Protocol.SMTP, "STARTTLS", "220 TLS go ahead\n"),
        (Protocol.FTP, "AUTH TLS", "234 AUTH TLS successful\n"),
        (Protocol.POP3, "STLS", "+OK Begin TLS negotiation now.\n"),
        (Protocol.IMAP, "a1 STARTTLS", "a1 OK Begin TLS negotiation now.\n"),
    ],
)
def test_tls_is_given_once_and_only_where_offered(protocol: Protocol, command: str, reply: str) -> None:
    assert say(protocol, command) == (reply, Then.UPGRADE)
    assert say(protocol, command, SECURE)[1] is Then.STAY
    assert say(protocol, command, WITHOUT_TLS)[1] is Then.STAY


@pytest.mark.parametrize(
    ("protocol", "command", "plain", "secure"),
    [
        (Protocol.SMTP, "AUTH PLAIN AGEAYg==", "503", "535"),
        (Protocol.FTP, "USER anonymous", "550", "331"),
        (Protocol.POP3, "USER anonymous", "-ERR", "+OK"),
        (Protocol.IMAP, "a LOGIN a b", "a NO [PRIVACYREQUIRED]", "a NO [AUTHENTICATIONFAILED]"),
    ],
)
def test_a_login_is_refused_outside_tls(protocol: Protocol, command: str, plain: str, secure: str) -> None:
    assert say(protocol, command)[0].startswith(plain)
    assert say(protocol, command, SECURE)[0].startswith(secure)


@pytest.mark.parametrize(
    ("protocol", "command"),
    [(Protocol.SMTP, "QUIT"), (Protocol.FTP, "QUIT"), (Protocol.POP3, "QUIT"), (Protocol.IMAP, "a LOGOUT")],
)
def test_a_polite_end_closes(protocol: Protocol, command: str) -> None:
    assert say(protocol, command)[1] is Then.CLOSE


@pytest.mark.parametrize("protocol", [Protocol.SMTP, Protocol.FTP, Protocol.POP3, Protocol.IMAP])
def test_what_is_not_understood_gets_an_error_and_no_end(protocol: Protocol) -> None:
    reply, then = say(protocol, "XYZZY")
    assert reply.startswith(("500", "-ERR", "XYZZY BAD"))
    assert then is Then.STAY


def test_http_leads_to_https_except_for_the_path_of_acme() -> None:
    head = say(Protocol.HTTP, "GET /a?b HTTP/1.1\r\nHost: x\r\n")[0]
    assert head.startswith("HTTP/1.1 301 ")
    assert "\nLocation: https://gym.invalid:20443/a?b\n" in head
    assert say(Protocol.HTTP, "GET /.well-known/acme-challenge/x HTTP/1.1\r\n")[0].startswith("HTTP/1.1 404 ")
    assert "max-age=31536000" in say(Protocol.HTTPS, "GET / HTTP/1.1\r\n", SECURE)[0]


def test_ldap_binds_and_shows_the_root_dse() -> None:
    ldap = DIALOGUES[Protocol.LDAPS].answer
    bind = tlv(0x30, tlv(2, b"\x01\x02"), tlv(0x60, tlv(2, b"\x03"), tlv(4), tlv(0x80)))
    assert ldap(bind, SECURE).reply == tlv(0x30, tlv(2, b"\x01\x02"), tlv(0x61, tlv(10, b"\0"), tlv(4), tlv(4)))
    found = ldap(tlv(0x30, tlv(2, b"\x02"), tlv(0x63)), SECURE).reply
    assert element_end(found) < len(found)
    assert found[element_end(found) :] == tlv(0x30, tlv(2, b"\x02"), tlv(0x65, tlv(10, b"\0"), tlv(4), tlv(4)))
    assert ldap(tlv(0x30, tlv(2, b"\x03"), tlv(0x42)), SECURE) == (b"", Then.CLOSE)


@given(st.sampled_from(sorted(DIALOGUES)), st.binary(max_size=300), st.booleans())
def test_no_message_breaks_a_dialogue(protocol: Protocol, data: bytes, secure: bool) -> None:
    dialogue = DIALOGUES[protocol]
    if end := dialogue.frame(data):
        dialogue.answer(data[:end], replace(PLAIN, secure=secure))


@given(st.binary(max_size=70_000), st.binary(max_size=5))
def test_an_element_ends_where_it_was_said_to(content: bytes, trailing: bytes) -> None:
    element = tlv(4, content[:65_535])
    assert element_end(element + trailing) == len(element)
    assert element_end(element[:-1]) == 0


def test_a_part_of_a_message_is_no_message() -> None:
    assert line_end(b"EHLO x\r") == 0
    assert line_end(b"EHLO x\r\nQUIT") == 8
    assert head_end(b"GET / HTTP/1.1\r\n\r") == 0
    assert head_end(b"GET / HTTP/1.1\r\n\r\nmore") == 18
