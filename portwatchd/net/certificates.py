"""Owns the reading of certificates: facts from DER, and whether one was made for a name (RFC 9525)."""

from __future__ import annotations

import hashlib
import ipaddress
import warnings
from collections import OrderedDict
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from portwatchd.model import Certificate, Foreign

CACHE_LIMIT = 20_000
"""Certificates whose facts are kept, about 1 KiB each: two for each of 10,000 schools, which show them every minute."""
NAMES_LIMIT = 100
"""Names kept of one certificate: as many as Let's Encrypt puts into one, and a bound on what a stranger can fill."""
NAME_SHOWN = 253
"""Characters kept of one name (RFC 1035)."""
RSA_BITS = 2048
"""Shorter RSA keys are weak (CA/Browser Forum baseline requirements, section 6.1.5)."""
WEAK_DIGESTS = frozenset({"md5", "sha1"})

# What cryptography raises for bytes that are no certificate; none of the latter three is a ValueError.
_UNREADABLE = (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says of itself, whatever the time and the name. Times are UTC seconds since the epoch."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    not_before: float
    not_after: float
    fingerprint: str
    self_signed: bool
    weakness: str


_cache: OrderedDict[bytes, Facts] = OrderedDict()


def read(der: bytes) -> Facts:
    """The facts of a certificate, from the cache where it was seen before. ValueError when it cannot be read."""
    digest = hashlib.sha256(der).digest()
    facts = _cache.get(digest)
    if facts is not None:
        _cache.move_to_end(digest)
        return facts
    facts = _cache[digest] = _parse(der, digest)
    if len(_cache) > CACHE_LIMIT:
        _cache.popitem(last=False)
    return facts


def describe(der: bytes, server_name: str, now: float, *, verified: bool) -> Certificate:
    """The certificate as it is to be judged at `now` (UTC seconds). ValueError when it cannot be read.

    `verified`: a handshake has verified chain and name, so it is valid. Otherwise it is not, and the reason is what the
    certificate itself shows, or just that nothing was verified. Without a server name every name matches.
    """
    facts = read(der)
    names_match = verified or not server_name or matches(facts, server_name)
    return Certificate(
        subject=facts.subject,
        issuer=facts.issuer,
        san=facts.names + facts.addresses,
        not_before=facts.not_before,
        not_after=facts.not_after,
        fingerprint_sha256=facts.fingerprint,
        valid=verified,
        reason="" if verified else _fault(facts, now, names_match=names_match),
        names_match=names_match,
    )


def matches(facts: Facts, server_name: str) -> bool:
    """Whether a certificate was made for a name in A-labels, or for a bare address.

    RFC 9525 section 6.3: case does not count, `*` stands for the whole left-most label and exactly one; the common name
    is not looked at. As browsers and OpenSSL do, `*.example` is refused: a star needs two labels behind it.
    """
    if server_name in facts.addresses:
        return True
    if _is_address(server_name):
        return False
    name = server_name.lower().removesuffix(".")
    _, _, parent = name.partition(".")
    wildcard = f"*.{parent}" if "." in parent else None
    return any(pattern.lower().removesuffix(".") in (name, wildcard) for pattern in facts.names)


def _fault(facts: Facts, now: float, *, names_match: bool) -> str:
    if now > facts.not_after:
        return "expired"
    if now < facts.not_before:
        return "not yet valid"
    if facts.self_signed:
        return "self-signed"
    if not names_match:
        return "made for another name"
    return facts.weakness or "not verified"


def _parse(der: bytes, digest: bytes) -> Facts:
    # cryptography warns of serial numbers and the like that RFC 5280 forbids; such servers are to be recognised too.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            certificate = x509.load_der_x509_certificate(der)
            names, addresses = _alternative_names(certificate)
            return Facts(
                subject=_shown(certificate.subject.rfc4514_string()),
                issuer=_shown(certificate.issuer.rfc4514_string()),
                names=names,
                addresses=addresses,
                not_before=certificate.not_valid_before_utc.timestamp(),
                not_after=certificate.not_valid_after_utc.timestamp(),
                fingerprint=digest.hex(),
                self_signed=certificate.issuer == certificate.subject,
                weakness=_weakness(certificate),
            )
        except _UNREADABLE as error:
            raise ValueError(f"the certificate cannot be read: {error}") from error


def _alternative_names(certificate: x509.Certificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """DNS names and addresses of the subjectAltName; none where it is missing or cannot be read."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return (), ()
    names = extension.value.get_values_for_type(x509.DNSName)[:NAMES_LIMIT]
    addresses = extension.value.get_values_for_type(x509.IPAddress)[:NAMES_LIMIT]
    return tuple(Foreign(name.encode()).shown(NAME_SHOWN) for name in names), tuple(map(str, addresses))


def _weakness(certificate: x509.Certificate) -> str:
    try:
        key, digest = certificate.public_key(), certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return ""
    if isinstance(key, RSAPublicKey) and key.key_size < RSA_BITS:
        return f"the key is too weak ({key.key_size} bits)"
    if digest is not None and digest.name in WEAK_DIGESTS:
        return f"the signature uses {digest.name}"
    return ""


def _shown(name: str) -> str:
    return Foreign(name.encode("utf-8", "backslashreplace")).shown()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
