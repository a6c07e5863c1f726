"""Owns the configuration of nginx."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tests.lab.daemons import Recipe

from .tls import CIPHERS, Tls

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.certificates import Certificate

HALF_A_YEAR = "max-age=15768000"
_VERSIONS = {Tls.MODERN: "TLSv1.2 TLSv1.3", Tls.LEGACY: "TLSv1 TLSv1.1"}


class Acme(Enum):
    """What the path of Let's Encrypt's validation answers on port 80."""

    SERVED = "served"
    """Files below it are served; any other name is 404."""
    REDIRECTED = "redirected"
    FORBIDDEN = "forbidden"
    CLOSED = "closed"
    """The connection ends without an answer."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The defaults are a server on which all is well."""

    name: str
    certificate: Certificate
    plain_ports: tuple[int, ...] = (80,)
    tls_ports: tuple[int, ...] = (443,)
    redirect: str | None = "https://$host$request_uri"
    """Where port 80 sends a client, as nginx writes it; None serves the page in the clear."""
    redirect_status: int = 301
    acme: Acme = Acme.SERVED
    hsts: str | None = HALF_A_YEAR
    """The whole value of Strict-Transport-Security, or None for no such header."""
    status: int = 200
    """What the page itself answers."""
    page: str = "Willkommen"
    tls: Tls = Tls.MODERN


def _server(ports: tuple[int, ...], flag: str, *body: str) -> str:
    listen = [f"listen {address}:{port}{flag};" for port in ports for address in ("0.0.0.0", "[::]")]
    return "\n".join(["server {", *listen, "server_name _;", *body, "}"])


def web(settings: WebSettings, home: Path) -> Recipe:
    """Return how to start nginx."""
    page = f'return {settings.status} "<title>{settings.page}</title>\\n";'
    onward = page if settings.redirect is None else f"return {settings.redirect_status} {settings.redirect};"
    challenge = {
        Acme.SERVED: f"root {home};",
        Acme.REDIRECTED: onward,
        Acme.FORBIDDEN: "return 403;",
        Acme.CLOSED: "return 444;",
    }[settings.acme]
    servers = []
    if settings.plain_ports:
        acme = f"location /.well-known/acme-challenge/ {{ {challenge} }}"
        servers.append(_server(settings.plain_ports, "", acme, f"location / {{ {onward} }}"))
    if settings.tls_ports:
        hsts = "" if settings.hsts is None else f'add_header Strict-Transport-Security "{settings.hsts}" always;'
        flag = "" if settings.tls is Tls.NONE else " ssl"
        servers.append(_server(settings.tls_ports, flag, hsts, f"location / {{ {page} }}"))
    config = "\n".join(
        [
            "daemon off; worker_processes 1; user www-data;",
            f"pid {home}/nginx.pid; error_log stderr;",
            "events { worker_connections 512; }",
            "http { access_log off; default_type text/html; server_tokens off;",
            *(f"{kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")),
            f"ssl_protocols {_VERSIONS.get(settings.tls, 'TLSv1.2')}; ssl_ciphers {CIPHERS};",
            f"ssl_certificate {home}/cert.pem; ssl_certificate_key {home}/key.pem;",
            *servers,
            "}\n",
        ]
    )
    return Recipe(
        argv=("/usr/sbin/nginx", "-p", str(home), "-e", "stderr", "-c", f"{home}/nginx.conf"),
        ports=frozenset({*settings.plain_ports, *settings.tls_ports}),
        files={
            "nginx.conf": config,
            "cert.pem": settings.certificate.chain,
            "key.pem": settings.certificate.key,
        },
    )
