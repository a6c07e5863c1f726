"""The replies of SMTP, FTP, POP3 and IMAP, as servers send them and as they must not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.wire.lines import DIALOGUE_LIMIT, Malformed, Reader, TooLong
from portwatchd.wire.replies import (
    ImapReply,
    Pop3Reply,
    Reply,
    Unwelcome,
    ftp_reply,
    imap_answer,
    imap_greeting,
    pop3_listing,
    pop3_reply,
    quoted,
    reply,
)
from tests.unit.wire.feeding import never_breaks, read, whole

READERS: list[Reader[Any]] = [reply, ftp_reply, pop3_reply, pop3_listing, imap_greeting, imap_answer("a")]

PROFTPD_FEAT = (
    b"211-Features:\r\n AUTH TLS\r\n CCC\r\n CLNT\r\n EPRT\r\n EPSV\r\n HOST\r\n LANG en-US.UTF-8*;en-US\r\n MDTM\r\n"
    b" MFF modify;UNIX.group;UNIX.mode;\r\n PBSZ\r\n PROT\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n UTF8\r\n211 End\r\n"
)


@pytest.mark.parametrize("grammar", [reply, ftp_reply])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"220 mail ESMTP\r\n", Reply(220, (b"mail ESMTP",))),
        (b"220\r\n", Reply(220, (b"",))),
        (b"220 \n", Reply(220, (b"",))),
        (b"250-a\r\n250-b\r\n250 c\r\n", Reply(250, (b"a", b"b", b"c"))),
        (b"250-a\r\n250\r\n", Reply(250, (b"a", b""))),
        (b"250-a\r\n250-\r\n250 c\r\n", Reply(250, (b"a", b"", b"c"))),
        (b"220 \xff\x00\x1b[31m\r\n", Reply(220, (b"\xff\x00\x1b[31m",))),
    ],
)
def test_numbered_replies(grammar: Reader[Reply], data: bytes, expected: Reply) -> None:
    assert whole(grammar, data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"22\r\n",
        b"2200 x\r\n",
        b"020 x\r\n",
        b"620 x\r\n",
        b"220x\r\n",
        b" 220 x\r\n",
        b"+OK\r\n",
        b"\xb2\xb2\xb0 x\n",
    ],
)
@pytest.mark.parametrize("grammar", [reply, ftp_reply])
def test_what_is_no_numbered_reply(grammar: Reader[Reply], data: bytes) -> None:
    for piece in (1, 100):
        with pytest.raises(Malformed, match="expected a three-digit reply"):
            read(grammar, data, piece)


def test_smtp_wants_its_code_on_every_line() -> None:
    with pytest.raises(Malformed, match="code 250 goes on with code 220"):
        read(reply, b"250-a\r\n220 b\r\n")
    with pytest.raises(Malformed, match="expected a three-digit reply"):
        read(reply, b"250-a\r\n b\r\n")


def test_ftp_wants_its_code_on_the_first_and_the_last_line_only() -> None:
    features = whole(ftp_reply, PROFTPD_FEAT)
    assert features.code == 211
    assert features.offers("AUTH")
    assert features.features()["AUTH"] == "TLS"
    assert whole(ftp_reply, b"211-a\r\n 211 no end\r\n2111\r\n220 other\r\n211-b\r\n211 c\r\n").lines == (
        b"a",
        b" 211 no end",
        b"2111",
        b"220 other",
        b"b",
        b"c",
    )


def test_features_are_found_anywhere_in_any_case_and_joined() -> None:
    answer = whole(reply, b"250-mail AUTH\r\n250-auth plain\r\n250-AUTH=LOGIN\r\n250 StartTLS\r\n")
    assert answer.offers("STARTTLS")
    assert answer.features()["AUTH"] == "PLAIN LOGIN"
    assert not whole(reply, b"250 STARTTLS\r\n").offers("STARTTLS")
    assert not whole(reply, b"250-mail\r\n250 STARTTLSX\r\n").offers("STARTTLS")


def test_expectations() -> None:
    assert Reply(220, (b"x",)).expect(220, 250).text.shown() == "x"
    with pytest.raises(Unwelcome, match='answers 554 "go away"'):
        Reply(554, (b"go", b"away")).expect(220)
    with pytest.raises(Unwelcome, match='answers -ERR "no"'):
        whole(pop3_reply, b"-ERR no\r\n").expect_ok()
    with pytest.raises(Unwelcome, match='answers BYE "no"'):
        whole(imap_greeting, b"* BYE no\r\n").expect("OK")


@pytest.mark.parametrize(
    ("data", "ok", "text"),
    [
        (b"+OK\r\n", True, b""),
        (b"+OK ready <1@x>\n", True, b"ready <1@x>"),
        (b"-ERR \r\n", False, b""),
        (b"-ERR\n", False, b""),
    ],
)
def test_pop3_lines(data: bytes, ok: bool, text: bytes) -> None:
    answer = whole(pop3_reply, data)
    assert (answer.ok, answer.text.raw) == (ok, text)


def test_pop3_listings() -> None:
    answer = whole(pop3_listing, b"+OK\r\nCAPA\r\nSASL PLAIN\r\nstls\r\n..dot\r\n\r\n.\r\n")
    assert answer.lines == (b"CAPA", b"SASL PLAIN", b"stls", b".dot", b"")
    assert answer.offers("STLS")
    assert answer.offers("SASL")
    assert not answer.offers("PLAIN")
    assert not whole(pop3_listing, b"-ERR unknown command\r\n").offers("STLS")


@pytest.mark.parametrize("data", [b"OK\r\n", b"+OKAY\r\n", b"-ERROR\r\n", b"220 mail\r\n", b"* OK\r\n", b"\r\n"])
def test_what_is_no_pop3(data: bytes) -> None:
    with pytest.raises(Malformed, match="expected"):
        read(pop3_reply, data)


DOVECOT = b"* OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS LOGINDISABLED] Dovecot ready.\r\n"


def test_imap_greetings() -> None:
    greeting = whole(imap_greeting, DOVECOT)
    assert greeting.status == "OK"
    assert {"STARTTLS", "LOGINDISABLED", "IMAP4REV1"} <= greeting.capabilities()
    assert whole(imap_greeting, b"* ok hello\n").capabilities() == frozenset()
    assert whole(imap_greeting, b"* PREAUTH\r\n").status == "PREAUTH"


@pytest.mark.parametrize("data", [b"* NO\r\n", b"* OKAY\r\n", b"a OK\r\n", b"*  OK\r\n", b"+OK POP3\r\n", b"\r\n"])
def test_what_is_no_imap_greeting(data: bytes) -> None:
    with pytest.raises(Malformed, match="expected an IMAP greeting"):
        read(imap_greeting, data)


def test_imap_answers() -> None:
    answer = whole(imap_answer("a"), b"* CAPABILITY IMAP4rev1 StartTLS\r\n* OK still here\r\na OK done\r\n")
    assert answer == ImapReply("OK", answer.text, (b"CAPABILITY IMAP4rev1 StartTLS", b"OK still here"))
    assert answer.capabilities() == {"IMAP4REV1", "STARTTLS"}
    assert whole(imap_answer("a"), b"a BAD what?\r\n").status == "BAD"
    assert whole(imap_answer("a"), b"a OK [CAPABILITY IMAP4rev1] done\r\n").capabilities() == {"IMAP4REV1"}


def test_an_untagged_bye_ends_the_wait_for_a_tag() -> None:
    assert whole(imap_answer("a"), b"* CAPABILITY X\r\n* BYE shutting down\r\n").status == "BYE"


@pytest.mark.parametrize(
    "data",
    [b"b OK\r\n", b"+ go on\r\n", b"* LIST {3}\r\n", b"a PREAUTH\r\n", b"a\r\n", b"a maybe\r\n", b"aOK\r\n", b"\r\n"],
)
def test_what_is_no_imap_answer(data: bytes) -> None:
    with pytest.raises(Malformed, match="expected"):
        read(imap_answer("a"), data)


@pytest.mark.parametrize(
    ("grammar", "endless"),
    [
        (reply, b"220-more\r\n"),
        (ftp_reply, b"220-a\r\n lots more\r\n"),
        (pop3_listing, b"+OK\r\nX\r\n"),
        (imap_answer("a"), b"* X\r\n"),
    ],
)
def test_an_endless_reply_is_ended(grammar: Reader[object], endless: bytes) -> None:
    with pytest.raises(TooLong, match="more than 65536 bytes"):
        read(grammar, endless * (DIALOGUE_LIMIT // len(endless) + 1), piece=1000)


def test_text_in_details_is_escaped_and_cut() -> None:
    assert quoted(b'\x1b[31m"\r\n') == '"\\x1b[31m"\\r\\n"'
    assert len(quoted(b"x" * 1000)) == 82


PIECES = st.sampled_from(
    [
        b"220",
        b"250",
        b"211",
        b" ",
        b"-",
        b"\r\n",
        b"\n",
        b"+OK",
        b"-ERR",
        b"* ",
        b"OK",
        b"BYE",
        b"a ",
        b"{3}",
        b".",
        b"\x00\xff",
    ],
)
BYTES = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(b"".join))


@pytest.mark.parametrize("reader", READERS)
@given(data=BYTES)
def test_anything_may_come(reader: Reader[object], data: bytes) -> None:
    never_breaks(reader, data)


@given(data=BYTES)
def test_what_was_read_can_be_looked_at(data: bytes) -> None:
    for reader in READERS:
        try:
            value, _ = read(reader, data)
        except Malformed:
            continue
        match value:
            case Reply():
                value.features()
            case Pop3Reply():
                value.offers("STLS")
            case ImapReply():
                value.capabilities()
            case _:
                assert value is None
