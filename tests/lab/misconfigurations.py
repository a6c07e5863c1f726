"""Owns the table of what can be wrong with the daemons and certificates of a school, and what must be said of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .certificates import host_key, self_signed
from .configs.tls import Tls
from .configs.web import Acme
from .rules import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .certificates import Authority, Certificate
    from .daemons import Daemon
    from .lab import Lab, School

MAIL, STARTTLS_MAIL = (25, 465, 587), (25, 587)
MAILBOXES = (110, 143, 993, 995)
STARTTLS = (21, 25, 110, 143, 587)
TLS = (21, 25, 110, 143, 443, 465, 587, 993, 995, 10636)
RANGE = "63000-63099"
ALL = (21, 22, 25, 80, 110, 143, 443, 465, 587, 993, 995, 10636, RANGE)
OVERDUE = "not renewed in time, 5 days left"
CAUSE = "Let's Encrypt cannot validate, for port 80 does not reach the server"


@dataclass(frozen=True, slots=True)
class Misconfiguration:
    """Something that is wrong with a school that was well before, and everything that the monitor says of it.

    What is found is written like `25 plaintext_refused` for a policy and `25 service_faulty answer` for a verdict with
    its proof, where both families say the same, else like `4/25 ...`; to each belongs a pattern of the reason given.
    The proof may be left out.
    """

    name: str
    happen: Callable[[Lab, School], None]
    found: Mapping[str, str] = field(default_factory=dict)
    diagnosis: str = "policy_violated"
    events: int = 0
    """Changes of the host key that are told."""
    pauses: tuple[float, ...] = (0,)
    """Seconds that pass before each audit; the last one counts."""


def _on(ports: tuple[object, ...], what: str, reason: str, family: str = "") -> dict[str, str]:
    return {f"{family}{port} {what}": reason for port in ports}


def _web(name: str, found: Mapping[str, str], **changes: object) -> Misconfiguration:
    diagnosis = "policy_violated" if found else "ok"
    return Misconfiguration(name, lambda _lab, school: school.web.set(**changes), found, diagnosis)


def _shown(
    name: str,
    make: Callable[[Authority, str], Certificate],
    found: Mapping[str, str],
    pauses: tuple[float, ...] = (0,),
) -> Misconfiguration:
    return Misconfiguration(
        f"{name} certificate on all daemons",
        lambda lab, school: school.show(make(lab.authority, school.plan.host)),
        found,
        pauses=pauses,
    )


def _one(
    name: str,
    daemon: str,
    make: Callable[[Authority, str], Certificate],
    found: Mapping[str, str],
    diagnosis: str = "policy_violated",
) -> Misconfiguration:
    def happen(lab: Lab, school: School) -> None:
        getattr(school, daemon).set(certificate=make(lab.authority, school.plan.host))

    return Misconfiguration(f"{name} certificate on {daemon} alone", happen, found, diagnosis)


def _stale_and(
    name: str, spoil: Callable[[School], None], found: Mapping[str, str], diagnosis: str
) -> Misconfiguration:
    def happen(lab: Lab, school: School) -> None:
        school.show(lab.authority.expiring(school.plan.host))
        spoil(school)

    found = {**_on(TLS, "certificate_fresh", f"^{OVERDUE}: {CAUSE}$"), **found}
    return Misconfiguration(f"soon expiring certificate, {name}", happen, found, diagnosis)


def _old_tls(_lab: Lab, school: School) -> None:
    daemons: tuple[Daemon[Any], ...] = (school.web, school.ftp, school.mail, school.mailboxes, school.ldap)
    for daemon in daemons:
        daemon.set(tls=Tls.LEGACY)


def _to_nas(*ports: int) -> Callable[[Lab, School], None]:
    def happen(_lab: Lab, school: School) -> None:
        web = school.nas_web
        web.set(tls_ports=tuple({*web.settings.tls_ports, *(set(ports) - {22, 80})}))
        router = school.router
        router.set(to_nas=frozenset(ports), forwarded=router.settings.forwarded - set(ports))

    return happen


def _own(*ports: int) -> Callable[[Lab, School], None]:
    return lambda _lab, school: school.router.set(own=frozenset(ports))


def _no_forward(school: School) -> None:
    school.router.lose(80)


def _nas_alone(_lab: Lab, school: School) -> None:
    school.give_nas_the_servers_address()
    school.router.set(ipv6_opened=frozenset(), ipv6_blocked=Refusal.RESET)


def _same_software(_lab: Lab, school: School) -> None:
    school.nas_ssh.set(names_debian=True)
    _to_nas(22)(_lab, school)


VALID, FRESH = "certificate_valid", "certificate_fresh"
NAS = "the answer is a Synology NAS's"
BOX = "the answer is a FRITZ!Box's"
OLD = "speaks only TLSv1"

MISCONFIGURATIONS = (
    Misconfiguration("all is well", lambda _lab, _school: None, diagnosis="ok"),
    Misconfiguration(
        "Exim offers AUTH in clear",
        lambda _lab, school: school.mail.set(auth_in_clear=True),
        _on(STARTTLS_MAIL, "plaintext_refused", "AUTH before TLS"),
    ),
    Misconfiguration(
        "Exim without STARTTLS",
        lambda _lab, school: school.mail.set(starttls=False),
        {
            **_on(STARTTLS_MAIL, "service_faulty answer", "EHLO does not list STARTTLS"),
            **_on(STARTTLS_MAIL, "tls_offered", "EHLO does not list STARTTLS"),
        },
        "services_down",
    ),
    Misconfiguration(
        "Exim without STARTTLS offers AUTH in clear",
        lambda _lab, school: school.mail.set(starttls=False, auth_in_clear=True),
        {
            **_on(STARTTLS_MAIL, "service_faulty answer", "EHLO does not list STARTTLS"),
            **_on(STARTTLS_MAIL, "tls_offered", "EHLO does not list STARTTLS"),
            **_on(STARTTLS_MAIL, "plaintext_refused", "AUTH before TLS"),
        },
        "services_down",
    ),
    Misconfiguration(
        "Dovecot allows plain logins",
        lambda _lab, school: school.mailboxes.set(plain_login=True),
        {"143 plaintext_refused": "LOGINDISABLED", "110 plaintext_refused": r"USER before TLS is answered .*\+OK"},
    ),
    Misconfiguration(
        "ProFTPD without TLS",
        lambda _lab, school: school.ftp.set(tls=Tls.NONE),
        {
            "21 service_faulty answer": "AUTH TLS",
            "21 tls_offered": "AUTH TLS",
            "21 plaintext_refused": "USER before TLS is answered 331",
        },
        "services_down",
    ),
    Misconfiguration(
        "ProFTPD allows plain logins",
        lambda _lab, school: school.ftp.set(plain_login=True),
        {"21 plaintext_refused": "USER before TLS is answered 331"},
    ),
    _web("nginx does not redirect", {"80 https_redirect": "200.* no redirect to HTTPS"}, redirect=None),
    _web(
        "nginx redirects to another host",
        {"80 https_redirect": "another host than"},
        redirect="https://www.example.com$request_uri",
    ),
    _web("nginx redirects to HTTP", {"80 https_redirect": "not HTTPS"}, redirect="http://$host/start"),
    _web("nginx redirects with 302, which is fine", {}, redirect_status=302),
    _web("nginx redirects with 308, which is fine", {}, redirect_status=308),
    _web("HSTS of one day", {"443 hsts": "max-age is 86400 s, less than 15552000 s"}, hsts="max-age=86400"),
    _web("no HSTS", {"443 hsts": "no Strict-Transport-Security header"}, hsts=None),
    _web("malformed HSTS", {"443 hsts": "malformed .*max-age is .soon."}, hsts="max-age=soon"),
    _web("the ACME path redirects to HTTPS, which is fine", {}, acme=Acme.REDIRECTED),
    _web("the ACME path is forbidden, and yet reached", {}, acme=Acme.FORBIDDEN),
    _web("the ACME path is blocked", {"80 acme_reachable": "closes the connection"}, acme=Acme.CLOSED),
    _shown(
        "expired",
        lambda authority, host: authority.expired(host),
        {**_on(TLS, VALID, "^expired$"), **_on(TLS, FRESH, "^not renewed in time, ran out 5 days ago$")},
    ),
    _shown("not yet valid", lambda a, host: a.not_yet_valid(host), _on(TLS, VALID, "^not yet valid$")),
    _shown("soon expiring", lambda a, host: a.expiring(host), _on(TLS, FRESH, f"^{OVERDUE}$")),
    _shown("self-signed", lambda _, host: self_signed(host), _on(TLS, VALID, "^self-signed$")),
    _shown(
        "wrongly named", lambda a, _: a.good("other.example.com"), _on(TLS, VALID, "^made for another name$"), (600,)
    ),
    _shown("chainless", lambda a, host: a.missing_intermediate(host), _on(TLS, VALID, "incomplete chain")),
    _shown("weakly keyed", lambda a, host: a.weak_key(host), _on(TLS, VALID, "^the key is too weak")),
    _one(
        "expired",
        "ldap",
        lambda a, host: a.expired(host),
        {"10636 certificate_valid": "^expired$", "10636 certificate_fresh": "ran out"},
    ),
    _one("self-signed", "web", lambda _, host: self_signed(host), {"443 certificate_valid": "^self-signed$"}),
    _one("chainless", "mail", lambda a, host: a.missing_intermediate(host), _on(MAIL, VALID, "incomplete chain")),
    _one("weakly keyed", "mailboxes", lambda a, host: a.weak_key(host), _on(MAILBOXES, VALID, "^the key is too weak")),
    _one("not yet valid", "ftp", lambda a, host: a.not_yet_valid(host), {"21 certificate_valid": "^not yet valid$"}),
    _one("soon expiring", "web", lambda a, host: a.expiring(host), {"443 certificate_fresh": OVERDUE}),
    _one(
        "wrongly named",
        "mailboxes",
        lambda a, _: a.good("other.example.com"),
        _on(MAILBOXES, "wrong_device identity", "made for another name"),
        "wrong_device",
    ),
    _stale_and(
        "the ACME path is blocked",
        lambda school: school.web.set(acme=Acme.CLOSED),
        {"80 acme_reachable": "closes the connection"},
        "policy_violated",
    ),
    _stale_and("port 80 not forwarded", _no_forward, {"4/80 forward_lost hop": "the router"}, "forwards_lost"),
    Misconfiguration(
        "TLS 1.0 and 1.1 only",
        _old_tls,
        {**_on(TLS, "service_faulty answer", OLD), **_on(TLS, VALID, f"^not verified: {OLD}")},
        "services_down",
    ),
    Misconfiguration(
        "another SSH host key",
        lambda _lab, school: school.ssh.set(host_key=host_key()),
        diagnosis="ok",
        events=1,
        pauses=(600, 600),
    ),
    Misconfiguration("443 leads to a NAS", _to_nas(443), {"4/443 wrong_device identity": NAS}, "wrong_device"),
    Misconfiguration("993 leads to a NAS", _to_nas(993), {"4/993 wrong_device identity": NAS}, "wrong_device"),
    Misconfiguration(
        "22 leads to a NAS",
        _to_nas(22),
        {"4/22 wrong_device identity": "another machine answers"},
        "wrong_device",
        pauses=(600, 600),
    ),
    Misconfiguration(
        "22 leads to another Debian",
        _same_software,
        {"4/22 wrong_device identity": "another machine answers"},
        "wrong_device",
        pauses=(600, 600),
    ),
    Misconfiguration("80 leads to a NAS", _to_nas(80), {"4/80 wrong_device identity": NAS}, "wrong_device"),
    Misconfiguration(
        "a NAS has the server's IPv4 address, and nobody an IPv6 opening",
        _nas_alone,
        {
            **{
                f"4/{port} wrong_device hop": "another machine, which refuses"
                for port in ALL
                if port not in {22, 80, 443, RANGE}
            },
            "4/22 wrong_device identity": "another machine",
            "4/80 wrong_device identity": NAS,
            "4/443 wrong_device identity": NAS,
            f"4/{RANGE} wrong_device identity": "another machine",
            **{f"6/{port} forward_lost": "" for port in ALL},
        },
        "wrong_device",
        pauses=(600,),
    ),
    Misconfiguration("the router's own pages on 443", _own(443), {"4/443 router_answers hop": BOX}, "forwards_lost"),
    Misconfiguration(
        "the router's own pages and SSH",
        _own(22, 80, 443),
        {
            "4/22 router_answers hop": "the router accepts the connection itself",
            "4/80 router_answers hop": BOX,
            "4/443 router_answers hop": BOX,
        },
        "forwards_lost",
        pauses=(600,),
    ),
)
