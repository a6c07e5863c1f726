"""What a school server says on each port: one pure dialogue a protocol, asked one message at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

from portwatchd.model import Protocol


class Then(Enum):
    """What the server does after a reply."""

    STAY = auto()
    CLOSE = auto()
    UPGRADE = auto()


class Step(NamedTuple):
    """A reply, and what follows it."""

    reply: bytes = b""
    then: Then = Then.STAY


@dataclass(frozen=True, slots=True)
class Scene:
    """What a dialogue knows of its server and of its connection."""

    server_name: str
    https_port: int = 443
    secure: bool = False
    """The connection is inside TLS."""
    offers_tls: bool = True
    """The server lets a plain connection change to TLS."""


class Dialogue(NamedTuple):
    """A protocol as its server speaks it."""

    answer: Callable[[bytes, Scene], Step]
    frame: Callable[[bytes], int]
    """How many of the bytes are the first whole message; 0 while it is not whole."""
    greeting: str = ""
    """The first line, where the server speaks first; `{name}` is the server's name."""
    refusal: bytes = b""
    """Said in place of the greeting, or of the first answer, by a server that is not willing."""


def line_end(data: bytes) -> int:
    """Return the length of the first line with its LF."""
    return data.find(b"\n") + 1


def head_end(data: bytes) -> int:
    """Return the length of the first HTTP head with its empty line."""
    found = data.find(b"\r\n\r\n")
    return found + 4 if found >= 0 else 0


def all_there(data: bytes) -> int:
    """Return the length of whatever came."""
    return len(data)


def element_end(data: bytes) -> int:
    """Return the length of the first BER element (X.690, definite length)."""
    if len(data) < 2:
        return 0
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    return start + length if len(data) >= start + length else 0


def words_of(line: bytes) -> tuple[str, str]:
    """Return a command in upper case and the rest of its line."""
    verb, _, rest = line.decode("latin-1").strip().partition(" ")
    return verb.upper(), rest.strip()


def lines(*text: str) -> bytes:
    """Return the lines as they stand on the wire."""
    return "".join(f"{line}\r\n" for line in text).encode()


def silent(_message: bytes, _scene: Scene) -> Step:
    """Answer nothing: a port that takes connections and has nothing to say."""
    return Step()


def smtp(line: bytes, scene: Scene) -> Step:
    """SMTP (RFC 5321) with STARTTLS (RFC 3207), listed last as some servers do; AUTH inside TLS only."""
    upgradable = scene.offers_tls and not scene.secure
    match words_of(line):
        case "EHLO", _:
            features = ["PIPELINING", "8BITMIME", *(["AUTH PLAIN LOGIN"] if scene.secure else []), "HELP"]
            listed = [scene.server_name, *features, *(["STARTTLS"] if upgradable else [])]
            return Step(lines(*(f"250-{item}" for item in listed[:-1]), f"250 {listed[-1]}"))
        case "HELO", _:
            return Step(lines(f"250 {scene.server_name}"))
        case "STARTTLS", _ if upgradable:
            return Step(lines("220 TLS go ahead"), Then.UPGRADE)
        case "AUTH", _:
            return Step(lines("535 Incorrect authentication data" if scene.secure else "503 AUTH not advertised"))
        case "NOOP" | "RSET", _:
            return Step(lines("250 OK"))
        case "QUIT", _:
            return Step(lines(f"221 {scene.server_name} closing connection"), Then.CLOSE)
        case (("MAIL" | "RCPT" | "DATA"), _):
            return Step(lines("530 Authentication required"))
        case _:
            return Step(lines("500 unrecognized command"))


def ftp(line: bytes, scene: Scene) -> Step:
    """FTP (RFC 959) with FEAT (RFC 2389) and AUTH TLS (RFC 4217); a login is refused outside TLS."""
    upgradable = scene.offers_tls and not scene.secure
    match words_of(line):
        case "FEAT", _:
            features = [" AUTH TLS", " PBSZ", " PROT"] if scene.offers_tls else []
            return Step(lines("211-Features:", *features, " UTF8", "211 End"))
        case "AUTH", ("TLS" | "tls") if upgradable:
            return Step(lines("234 AUTH TLS successful"), Then.UPGRADE)
        case (("USER" | "PASS"), _) if not scene.secure:
            return Step(lines("550 SSL/TLS required on the control channel"))
        case "USER", name:
            return Step(lines(f"331 Password required for {name}"))
        case "PASS", _:
            return Step(lines("530 Login incorrect."))
        case "PBSZ", _:
            return Step(lines("200 PBSZ 0 successful"))
        case "PROT", _:
            return Step(lines("200 Protection set to Private"))
        case "QUIT", _:
            return Step(lines("221 Goodbye."), Then.CLOSE)
        case _:
            return Step(lines("500 Command not understood"))


def pop3(line: bytes, scene: Scene) -> Step:
    """POP3 (RFC 1939) with CAPA (RFC 2449) and STLS (RFC 2595); a login is refused outside TLS."""
    upgradable = scene.offers_tls and not scene.secure
    match words_of(line):
        case "CAPA", _:
            login = ["USER", "SASL PLAIN"] if scene.secure else ["SASL"]
            return Step(lines("+OK", "TOP", "UIDL", *login, *(["STLS"] if upgradable else []), "."))
        case "STLS", _ if upgradable:
            return Step(lines("+OK Begin TLS negotiation now."), Then.UPGRADE)
        case (("USER" | "PASS" | "AUTH"), _) if not scene.secure:
            return Step(lines("-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections."))
        case "USER", _:
            return Step(lines("+OK"))
        case (("PASS" | "AUTH"), _):
            return Step(lines("-ERR [AUTH] Authentication failed."))
        case "QUIT", _:
            return Step(lines("+OK Logging out."), Then.CLOSE)
        case _:
            return Step(lines("-ERR Unknown command."))


def imap_capabilities(scene: Scene) -> str:
    """Return what the server can do before a login (RFC 9051, section 6.1.1)."""
    upgrade = ["STARTTLS"] if scene.offers_tls and not scene.secure else []
    return " ".join(["IMAP4rev1", "ID", "IDLE", *upgrade, "AUTH=PLAIN" if scene.secure else "LOGINDISABLED"])


def imap(line: bytes, scene: Scene) -> Step:
    """IMAP (RFC 9051) with STARTTLS and LOGINDISABLED."""
    tag, _, rest = line.decode("latin-1").strip().partition(" ")
    match words_of(rest.encode("latin-1")):
        case "CAPABILITY", _:
            return Step(lines(f"* CAPABILITY {imap_capabilities(scene)}", f"{tag} OK Capability completed."))
        case "STARTTLS", _ if scene.offers_tls and not scene.secure:
            return Step(lines(f"{tag} OK Begin TLS negotiation now."), Then.UPGRADE)
        case (("LOGIN" | "AUTHENTICATE"), _) if not scene.secure:
            return Step(lines(f"{tag} NO [PRIVACYREQUIRED] Plaintext authentication disallowed."))
        case (("LOGIN" | "AUTHENTICATE"), _):
            return Step(lines(f"{tag} NO [AUTHENTICATIONFAILED] Authentication failed."))
        case "LOGOUT", _:
            return Step(lines("* BYE Logging out", f"{tag} OK Logout completed."), Then.CLOSE)
        case "NOOP", _:
            return Step(lines(f"{tag} OK NOOP completed."))
        case _:
            return Step(lines(f"{tag} BAD Error in IMAP command"))


def http(head: bytes, scene: Scene) -> Step:
    """HTTP/1.1: all leads to HTTPS with HSTS; Let's Encrypt's path is served in clear (RFC 8555, section 8.3)."""
    method, path = (*head.decode("latin-1").split("\r\n", 1)[0].split(" "), "", "")[:2]
    if scene.secure:
        return page("200 OK", "It works.\n", "Strict-Transport-Security: max-age=31536000", method)
    if path.startswith("/.well-known/acme-challenge/"):
        return page("404 Not Found", "No such challenge.\n", "X-Served-By: simulated school", method)
    port = "" if scene.https_port == 443 else f":{scene.https_port}"
    return page("301 Moved Permanently", "", f"Location: https://{scene.server_name}{port}{path}", method)


def page(status: str, body: str, header: str, method: str) -> Step:
    """Return a whole answer; the connection ends with it."""
    head = (f"HTTP/1.1 {status}", "Server: nginx", header, f"Content-Length: {len(body)}", "Connection: close", "")
    return Step(lines(*head) + (b"" if method == "HEAD" else body.encode()), Then.CLOSE)


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return a BER element (X.690) of less than 64 KiB."""
    content = b"".join(parts)
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")) + content


def ldap_result(message_id: bytes, tag: int, code: int, text: bytes = b"") -> bytes:
    """Return an LDAPMessage that holds an LDAPResult (RFC 4511, section 4.1.9)."""
    return tlv(0x30, message_id, tlv(tag, tlv(0x0A, bytes([code])), tlv(0x04), tlv(0x04, text)))


def ldap(message: bytes, _scene: Scene) -> Step:
    """LDAP (RFC 4511): an anonymous bind succeeds, and a search finds the root DSE (RFC 4512, section 5.1)."""
    start = 2 + (message[1] & 0x7F if message[1] & 0x80 else 0)
    end = start + element_end(message[start:])
    message_id, operation = message[start:end], message[end : end + 1]
    match operation[0] if operation else None:
        case 0x60:  # bind
            return Step(ldap_result(message_id, 0x61, 0))
        case 0x63:  # search
            attribute = tlv(0x30, tlv(0x04, b"supportedLDAPVersion"), tlv(0x31, tlv(0x04, b"3")))
            entry = tlv(0x30, message_id, tlv(0x64, tlv(0x04), tlv(0x30, attribute)))
            return Step(entry + ldap_result(message_id, 0x65, 0))
        case _:  # unbind, or what this server does not do
            return Step(then=Then.CLOSE)


SMTP = Dialogue(smtp, line_end, "220 {name} ESMTP Exim 4.96", lines("421 Too many connections"))
POP3 = Dialogue(pop3, line_end, "+OK Dovecot ready.", lines("-ERR [SYS/TEMP] Service is not available"))
IMAP = Dialogue(imap, line_end, "* OK Dovecot ready.", lines("* BYE Service is not available"))
UNAVAILABLE = lines("HTTP/1.1 503 Service Unavailable", "Content-Length: 0", "Connection: close", "")
HTTP = Dialogue(http, head_end, refusal=UNAVAILABLE)
SSH = Dialogue(silent, all_there, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", lines("Not allowed at this time"))
MUTE = Dialogue(silent, all_there)

DIALOGUES: Mapping[Protocol, Dialogue] = MappingProxyType(
    {
        Protocol.TCP: MUTE,
        Protocol.TLS: MUTE,
        Protocol.HTTP: HTTP,
        Protocol.HTTPS: HTTP,
        Protocol.SSH: SSH,
        Protocol.FTP: Dialogue(ftp, line_end, "220 {name} FTP server ready", lines("421 Service not available")),
        Protocol.SMTP: SMTP,
        Protocol.SMTPS: SMTP,
        Protocol.POP3: POP3,
        Protocol.POP3S: POP3,
        Protocol.IMAP: IMAP,
        Protocol.IMAPS: IMAP,
        Protocol.LDAPS: Dialogue(ldap, element_end, refusal=ldap_result(b"\x02\x01\x01", 0x61, 52, b"unavailable")),
        Protocol.RANGE: MUTE,
    },
)
