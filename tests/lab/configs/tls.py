"""Owns what all daemons with TLS share: which versions they speak, and how two TLS libraries are told so."""

from __future__ import annotations

from enum import Enum


class Tls(Enum):
    """The versions of TLS that a daemon speaks."""

    MODERN = "1.2 and 1.3"
    LEGACY = "1.0 and 1.1"
    NONE = "none at all"


CIPHERS = "DEFAULT:@SECLEVEL=0"
"""OpenSSL as it comes, but willing to serve weak keys and old versions where a test asks for them."""

_OPENSSL = """\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = lab
[lab]
CipherString = DEFAULT:@SECLEVEL=0
MinProtocol = {lowest}
MaxProtocol = {highest}
"""
_MODERN = _OPENSSL.format(lowest="TLSv1.2", highest="TLSv1.3")
OPENSSL = {
    Tls.MODERN: _MODERN,
    Tls.LEGACY: _OPENSSL.format(lowest="TLSv1", highest="TLSv1.1"),
    Tls.NONE: _MODERN,
}
"""The same as a configuration file of OpenSSL, for daemons that do not say all of it in their own."""

PRIORITIES = {
    Tls.MODERN: "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3",
    Tls.LEGACY: "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:+SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1",
}
"""The same for GnuTLS."""
