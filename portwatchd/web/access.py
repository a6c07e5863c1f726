"""Who may ask: the file of `--web.config.file`, in the format of Prometheus' exporter-toolkit."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from portwatchd.config import ConfigError, values
from portwatchd.config.document import Table, parse, read_text
from portwatchd.config.problem import Problems, Refused, escaped, shown
from portwatchd.config.section import Section

T = TypeVar("T")

HASH = re.compile(r"\$2[abxy]?\$([0-9]{2})\$[./A-Za-z0-9]{53}")
COST_LIMIT = 16
"""Of a bcrypt hash: 4 seconds of work. A larger one would keep every reader out."""
VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
UNVERIFIED = frozenset({"RequireAnyClientCert", "RequireClientCert"})
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
}
"""Go's names of cipher suites, and OpenSSL's. Those of TLS 1.3 can be left out in neither."""
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": ".*",
    "Strict-Transport-Security": "max-age=.*|",
    "X-Content-Type-Options": "nosniff|",
    "X-Frame-Options": "(?i:deny|sameorigin)|",
    "X-XSS-Protection": "[01].*|",
}
"""The headers that may be set, and what they may say; exporter-toolkit takes no others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How connections are encrypted."""

    cert_file: Path
    key_file: Path
    clients: ssl.VerifyMode = ssl.CERT_NONE
    client_ca_file: Path | None = None
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    server_prefers: bool = True

    def context(self) -> ssl.SSLContext:
        """Build what connections are encrypted with; OSError (SSLError too) where a file is not what it should be."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # A key with a passphrase must not make a daemon ask for it.
        context.load_cert_chain(self.cert_file, self.key_file, password="")
        context.minimum_version, context.maximum_version = self.min_version, self.max_version
        context.set_alpn_protocols(["http/1.1"])
        if self.ciphers:
            context.set_ciphers(":".join(self.ciphers))
        if len(self.curves) == 1:
            context.set_ecdh_curve(self.curves[0])
        if not self.server_prefers:
            context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        context.verify_mode = self.clients
        if self.clients is not ssl.CERT_NONE:
            if self.client_ca_file is None:
                context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
            else:
                context.load_verify_locations(self.client_ca_file)
        return context


@dataclass(frozen=True, slots=True)
class Access:
    """What the file says."""

    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    """Hashes by user; with none, everybody may ask."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files beside the file itself that the access depends on."""
        if self.tls is None:
            return ()
        return tuple(filter(None, (self.tls.cert_file, self.tls.key_file, self.tls.client_ca_file)))


def read_access(path: Path) -> tuple[Access, ssl.SSLContext | None]:
    """The access that a file says, and the context for its TLS; ConfigError with every problem."""
    problems = Problems()
    sheet = problems.sheet(str(path))
    text = read_text(path, sheet)
    access, context = Access(), None
    if text is not None and text.strip():
        root = parse(text, sheet, foreign=True)
        if root is not None and not problems.count():
            with Section(root if not _is_null(text) else Table({}, 1), "", sheet) as section:
                access = _access(section, path)
                if access.tls is not None and not problems.count():
                    context = _context(access.tls, section)
    if found := problems.found():
        raise ConfigError(found)
    return access, context


def _is_null(text: str) -> bool:
    return text.strip() in {"null", "~"}


def _context(tls: Tls, section: Section) -> ssl.SSLContext | None:
    try:
        return tls.context()
    except (OSError, ValueError) as error:
        named = ", ".join(str(file) for file in (tls.cert_file, tls.key_file, tls.client_ca_file) if file)
        section.complain("tls_server_config", f"{escaped(named)}: {escaped(str(error))}")
        return None


def _access(section: Section, path: Path) -> Access:
    tls = None
    if section.has("tls_server_config"):
        with section.section("tls_server_config") as inner:
            tls = _tls(inner, path)
    headers: dict[str, str] = {}
    with section.section("http_server_config") as http:
        # aiohttp speaks HTTP/1.1 only; the key says what may be, not what must.
        http.get("http2", values.boolean, default=True, plain=True)
        with http.section("headers") as inner:
            for name, key, _, node in inner.entries(_header):
                headers[name] = inner.value(node, key, _header_value(name), "")
    users: dict[str, str] = {}
    with section.section("basic_auth_users") as inner:
        for name, key, _, node in inner.entries(_user):
            users[name] = inner.value(node, key, _hash, "")
    return Access(tls, MappingProxyType(headers), MappingProxyType(users))


def _tls(section: Section, path: Path) -> Tls:
    def file(name: str) -> Path | None:
        text = section.get(name, values.file_name, "")
        return path.parent / text if text else None

    for name in ("cert_file", "key_file"):
        if not section.has(name):
            section.complain(name, "is missing")
    clients = section.get("client_auth_type", _clients, ssl.CERT_NONE)
    ca_file = file("client_ca_file")
    if ca_file is not None and clients is ssl.CERT_NONE:
        section.complain("client_ca_file", "is of no use without a client_auth_type that verifies")
    lowest = section.get("min_version", _of(VERSIONS, "version"), ssl.TLSVersion.TLSv1_2)
    highest = section.get("max_version", _of(VERSIONS, "version"), ssl.TLSVersion.TLSv1_3)
    if lowest > highest:
        section.complain("min_version", "is above max_version")
    return Tls(
        cert_file=file("cert_file") or path,
        key_file=file("key_file") or path,
        clients=clients,
        client_ca_file=ca_file,
        min_version=lowest,
        max_version=highest,
        ciphers=tuple(filter(None, section.each("cipher_suites", _of(CIPHERS, "cipher suite")))),
        curves=section.each("curve_preferences", _of(CURVES, "curve")),
        server_prefers=section.get("prefer_server_cipher_suites", values.boolean, default=True, plain=True),
    )


def _of(known: Mapping[str, T], what: str) -> Callable[[str], T]:
    def read(text: str) -> T:
        if text not in known:
            raise Refused(f"{shown(text)} is no {what}; there are {' '.join(known)}")
        return known[text]

    return read


def _clients(text: str) -> ssl.VerifyMode:
    if text in UNVERIFIED:
        raise Refused(f"{shown(text)} lets anybody in who makes a certificate: write RequireAndVerifyClientCert")
    return _of(CLIENTS, "client_auth_type")(text or "NoClientCert")


def _header(text: str) -> str:
    for name in HEADERS:
        if name.lower() == text.lower():
            return name
    raise Refused(f"{shown(text)} cannot be set; there are {' '.join(HEADERS)}")


def _header_value(name: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text.isprintable() or not re.fullmatch(HEADERS[name], text):
            raise Refused(f"{shown(text)} is no value of {name}")
        return text

    return read


def _user(text: str) -> str:
    if not text or ":" in text:
        raise Refused(f"{shown(text)} is no user: it has a colon in it, or nothing")
    return text


def _hash(text: str) -> str:
    """A bcrypt hash; what stands there instead may be a password, so it is not repeated."""
    match = HASH.fullmatch(text)
    if not match:
        raise Refused("is no bcrypt hash, as `htpasswd -nBC 10 USER` makes it")
    if not 4 <= int(match[1]) <= COST_LIMIT:
        raise Refused(f"has a cost of {int(match[1])}; allowed are 4 to {COST_LIMIT}")
    return text
