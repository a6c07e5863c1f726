"""Owns the lab's authority, and the good and bad certificates and host keys that its daemons show."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

LIFETIME = dt.timedelta(days=90)
"""How long Let's Encrypt's certificates live."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A leaf with the intermediates that a server sends along, and its key, all PEM."""

    leaf: bytes
    key: bytes = field(repr=False)
    intermediates: bytes = b""

    @property
    def chain(self) -> bytes:
        """Return what most servers want in one file: the leaf first."""
        return self.leaf + self.intermediates

    @property
    def is_rsa(self) -> bool:
        """Return whether the key is RSA; ProFTPD wants to know."""
        return isinstance(serialization.load_pem_private_key(self.key, None), rsa.RSAPrivateKey)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def host_key() -> bytes:
    """Return a new SSH host key (Ed25519) in OpenSSH's format."""
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def self_signed(common_name: str, *names: str) -> Certificate:
    """Return a certificate that nobody vouches for, as a FRITZ!Box or a NAS makes its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Certificate(_sign(key.public_key(), key, _name(common_name), common_name, names), _pem(key))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _sign(
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    signer: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    issuer: x509.Name,
    common_name: str,
    names: tuple[str, ...],
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - dt.timedelta(days=10))
        .not_valid_after(_now() - dt.timedelta(days=10) + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names or (common_name,)]), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
    )
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Authority:
    """A certificate authority that the monitor is told to trust, and everything that it signs."""

    def __init__(self) -> None:
        """Make a new authority; nothing outside the lab knows it."""
        self._ca = trustme.CA()
        self.pem = self._ca.cert_pem.bytes()

    def good(self, host: str, *more: str) -> Certificate:
        """Return a certificate as Let's Encrypt signs it: 90 days, 10 of them gone."""
        return self.lasting(dt.timedelta(days=-10), dt.timedelta(days=80), host, *more)

    def lasting(self, start: dt.timedelta, end: dt.timedelta, host: str, *more: str) -> Certificate:
        """Return a certificate that is valid from `start` to `end`, both counted from now."""
        return self._split(
            self._ca.issue_cert(host, *more, common_name=host, not_before=_now() + start, not_after=_now() + end)
        )

    def expired(self, host: str) -> Certificate:
        """Return a certificate that ran out five days ago."""
        return self.lasting(dt.timedelta(days=-95), dt.timedelta(days=-5), host)

    def expiring(self, host: str, days: float = 5) -> Certificate:
        """Return a certificate that runs out in so many days, though it should have been renewed long since."""
        end = dt.timedelta(days=days)
        return self.lasting(end - LIFETIME, end, host)

    def not_yet_valid(self, host: str) -> Certificate:
        """Return a certificate whose time begins in five days."""
        return self.lasting(dt.timedelta(days=5), dt.timedelta(days=95), host)

    def with_intermediate(self, host: str) -> Certificate:
        """Return a certificate signed by an intermediate authority, which is sent along."""
        leaf = self._ca.create_child_ca().issue_cert(
            host,
            common_name=host,
            not_before=_now() - dt.timedelta(days=10),
            not_after=_now() - dt.timedelta(days=10) + LIFETIME,
        )
        return self._split(leaf)

    def missing_intermediate(self, host: str) -> Certificate:
        """Return a certificate signed by an intermediate authority that the server forgets to send."""
        whole = self.with_intermediate(host)
        return Certificate(whole.leaf, whole.key)

    def weak_key(self, host: str) -> Certificate:
        """Return a certificate with an RSA key of 1024 bits, which today's clients refuse."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        signer = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        if not isinstance(signer, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise TypeError(f"the authority has an unexpected kind of key: {type(signer)}")
        issuer = x509.load_pem_x509_certificate(self.pem).subject
        return Certificate(_sign(key.public_key(), signer, issuer, host, ()), _pem(key))

    @staticmethod
    def _split(leaf: trustme.LeafCert) -> Certificate:
        first, *more = (pem.bytes() for pem in leaf.cert_chain_pems)
        return Certificate(first, leaf.private_key_pem.bytes(), b"".join(more))
