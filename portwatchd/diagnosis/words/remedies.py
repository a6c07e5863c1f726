"""Owns what to do about a diagnosis: plain steps, with the FRITZ!Box click path where a forward is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portwatchd.diagnosis.words.language import say
from portwatchd.diagnosis.words.lists import bounded, named, router_shows
from portwatchd.model import DiagnosisKind, Family, Policy, PortReport, Protocol, Report, VerdictKind, Words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PORTS_TO_SET = 32
"""Ports that a remedy names: who sets up forwards needs them all, and no profile in use has more."""

NOTHING = Words("Nothing to do.", "Es ist nichts zu tun.")
MONITOR = Words(
    "Nothing to do at the school. Look at the monitor: its line, its name server and its hosting company's firewall.",
    "An der Schule ist nichts zu tun. Prüfen Sie die Überwachung: ihre Leitung, ihren Nameserver und die Firewall "
    "ihres Rechenzentrums.",
)
DNS = Words(
    "Check the name {host} for typing errors, then its records at the domain's name servers. With DynDNS, check that "
    "the router still reports its address (FRITZ!Box: Internet -> Freigaben -> DynDNS).",
    "Prüfen Sie den Namen {host} auf Tippfehler, dann seine Einträge bei den Nameservern der Domain. Bei DynDNS "
    "prüfen Sie, ob der Router seine Adresse noch meldet (FRITZ!Box: Internet -> Freigaben -> DynDNS).",
)
LINE = Words(
    "Ask at the school whether the internet works. If not: check the router's power and cables, restart it, then call "
    "the provider. If it works, the school's address has changed or the router hides: check DynDNS and the name.",
    "Fragen Sie in der Schule, ob das Internet geht. Wenn nicht: Prüfen Sie Strom und Kabel des Routers, starten Sie "
    "ihn neu und rufen Sie dann den Anbieter an. Wenn doch, hat sich die Adresse der Schule geändert oder der Router "
    "versteckt sich: Prüfen Sie DynDNS und den Namen.",
)
SERVER = Words(
    "Check the server: is it switched on, is its network cable plugged in, does it still have the address that the "
    "router forwards to?",
    "Prüfen Sie den Server: Ist er eingeschaltet, steckt sein Netzwerkkabel, hat er noch die Adresse, an die der "
    "Router weiterleitet?",
)
ALL_LOST = Words(
    "Set up the forwards in the router again; a reset, an update or a new router often removes them. FRITZ!Box: "
    "Internet -> Freigaben -> Portfreigaben -> Neue Portfreigabe -> Exposed Host, with the server's address.",
    "Richten Sie die Weiterleitungen im Router neu ein; nach einem Zurücksetzen, einem Update oder einem Tausch des "
    "Routers fehlen sie oft. FRITZ!Box: Internet -> Freigaben -> Portfreigaben -> Neue Portfreigabe -> Exposed Host, "
    "mit der Adresse des Servers.",
)
IPV4 = Words(
    "Ask the provider whether the line was switched to DS-Lite or CGNAT, and demand a public IPv4 address (often "
    "called dual stack). If it still has one, check the forwards in the router (FRITZ!Box: Internet -> Freigaben -> "
    "Portfreigaben).",
    "Fragen Sie den Anbieter, ob der Anschluss auf DS-Lite oder CGNAT umgestellt wurde, und verlangen Sie eine "
    "öffentliche IPv4-Adresse (oft „Dual Stack“ genannt). Hat er noch eine, prüfen Sie die Weiterleitungen im Router "
    "(FRITZ!Box: Internet -> Freigaben -> Portfreigaben).",
)
IPV6 = Words(
    "Open the router's IPv6 firewall for the server again: the opening belongs to one device, and a new network card "
    "or address changes its interface ID. FRITZ!Box: Internet -> Freigaben -> Portfreigaben, choose the server and "
    "check its IPv6 interface ID. Check the name's AAAA record too.",
    "Geben Sie den Server in der IPv6-Firewall des Routers neu frei: Die Freigabe gilt für ein Gerät, und eine neue "
    "Netzwerkkarte oder Adresse ändert dessen Interface-ID. FRITZ!Box: Internet -> Freigaben -> Portfreigaben, dort "
    "den Server wählen und seine IPv6-Interface-ID prüfen. Prüfen Sie auch den AAAA-Eintrag des Namens.",
)
WRONG_DEVICE = Words(
    "Check which device has the address that the router forwards to: another one (a NAS, for example) may have got "
    "the server's address by DHCP. Give the server a fixed address and let the forwards lead there (FRITZ!Box: "
    "Internet -> Freigaben -> Portfreigaben).",
    "Prüfen Sie, welches Gerät die Adresse hat, an die der Router weiterleitet: Ein anderes (etwa ein NAS) kann per "
    "DHCP die Adresse des Servers bekommen haben. Geben Sie dem Server eine feste Adresse und leiten Sie dorthin "
    "weiter (FRITZ!Box: Internet -> Freigaben -> Portfreigaben).",
)
ALIAS = Words(
    "The router must map {} to the port of {} on the server.",
    "Der Router muss {} auf den Port von {} am Server abbilden.",
)
FORWARD = Words(
    "In the router, forward {} to the server again. FRITZ!Box: Internet -> Freigaben -> Portfreigaben; best is "
    "Exposed Host, then no port can be forgotten.",
    "Leiten Sie {} im Router wieder an den Server weiter. FRITZ!Box: Internet -> Freigaben -> Portfreigaben; am "
    "besten als Exposed Host, dann kann kein Port vergessen werden.",
)
FORWARD_IPV6 = Words(
    "In the router's IPv6 firewall, open {} for the server again. FRITZ!Box: Internet -> Freigaben -> Portfreigaben, "
    "choose the server.",
    "Geben Sie {} in der IPv6-Firewall des Routers wieder für den Server frei. FRITZ!Box: Internet -> Freigaben -> "
    "Portfreigaben, dort den Server wählen.",
)
ROUTER_ANSWERS = Words(
    "The router's own remote access takes {}: switch it off or move it to another port, then forward the port. "
    "FRITZ!Box: Internet -> Freigaben -> FRITZ!Box-Dienste (Internetzugriff, MyFRITZ!).",
    "Der Fernzugang des Routers belegt {}: Schalten Sie ihn ab oder legen Sie ihn auf einen anderen Port, dann leiten "
    "Sie weiter. FRITZ!Box: Internet -> Freigaben -> FRITZ!Box-Dienste (Internetzugriff, MyFRITZ!).",
)
SERVICE_DOWN = Words(
    "On the server, start what is not running: {}.",
    "Starten Sie auf dem Server, was nicht läuft: {}.",
)
SERVER_FILTERED = Words(
    "Check the server's firewall and fail2ban for {}; perhaps the monitor's address is banned: then exempt it.",
    "Prüfen Sie Firewall und fail2ban des Servers für {}; vielleicht ist die Adresse der Überwachung gesperrt: Dann "
    "nehmen Sie sie aus.",
)
SERVICE_FAULTY = Words(
    "On the server, look at the settings and the log of the service: {}.",
    "Prüfen Sie auf dem Server Einstellungen und Protokoll des Dienstes: {}.",
)

POLICIES: Mapping[Policy, Words] = {
    Policy.HTTPS_REDIRECT: Words(
        "Let the web server redirect HTTP to HTTPS under the same name.",
        "Lassen Sie den Webserver HTTP auf HTTPS unter demselben Namen umleiten.",
    ),
    Policy.HSTS: Words(
        "Let the web server send HSTS with a max-age of at least six months (15552000).",
        "Lassen Sie den Webserver HSTS mit einer max-age von mindestens sechs Monaten (15552000) senden.",
    ),
    Policy.ACME_REACHABLE: Words(
        "Leave port 80 open to everybody down to the server: Let's Encrypt checks the name there, and without it the "
        "certificate runs out.",
        "Lassen Sie Port 80 für alle bis zum Server offen: Dort prüft Let's Encrypt den Namen, und ohne das läuft das "
        "Zertifikat ab.",
    ),
    Policy.TLS_OFFERED: Words(
        "Switch on encryption (STARTTLS, AUTH TLS) in the service and check its certificate file.",
        "Schalten Sie im Dienst die Verschlüsselung (STARTTLS, AUTH TLS) ein und prüfen Sie seine Zertifikatsdatei.",
    ),
    Policy.PLAINTEXT_REFUSED: Words(
        "Let the service refuse logins before encryption, or passwords cross the internet readable.",
        "Lassen Sie den Dienst Anmeldungen vor der Verschlüsselung ablehnen, sonst gehen Passwörter lesbar durchs "
        "Internet.",
    ),
    Policy.CERTIFICATE_VALID: Words(
        "Renew the certificate for the server's name, install the complete chain and let every service load it.",
        "Erneuern Sie das Zertifikat für den Namen des Servers, installieren Sie die vollständige Kette und lassen "
        "Sie jeden Dienst sie laden.",
    ),
    Policy.CERTIFICATE_FRESH: Words(
        "Find out why the certificate is not renewed before it runs out: port 80 must reach the server, and the "
        "services must load the new one.",
        "Klären Sie, warum das Zertifikat nicht erneuert wird, bevor es abläuft: Port 80 muss den Server erreichen, "
        "und die Dienste müssen das neue laden.",
    ),
}

WEB_SERVER = Words("web server", "Webserver")
DAEMONS: Mapping[Protocol, str] = {
    Protocol.SSH: "OpenSSH",
    Protocol.FTP: "ProFTPD",
    Protocol.SMTP: "Exim",
    Protocol.SMTPS: "Exim",
    Protocol.POP3: "Dovecot",
    Protocol.POP3S: "Dovecot",
    Protocol.IMAP: "Dovecot",
    Protocol.IMAPS: "Dovecot",
    Protocol.LDAPS: "slapd",
    Protocol.RANGE: "ProFTPD",
}
"""Who speaks a protocol on the school servers that the built-in profiles are made for."""


def remedy(report: Report, lang: str) -> str:
    """Return what to do about the report's diagnosis, in one to four plain sentences."""
    kind = report.diagnosis.kind
    return MADE[kind](report, lang) if kind in MADE else say(FIXED[kind], lang).format(host=report.school.host)


def _of_kind(report: Report, kind: VerdictKind) -> list[PortReport]:
    return [port for port in report.diagnosis.concerned if port.verdict.kind is kind]


def _ipv4_lost(report: Report, lang: str) -> str:
    return say(ALL_LOST if router_shows(report) else IPV4, lang)


def _wrong_device(report: Report, lang: str) -> str:
    """Return where the forwards should lead; where only aliases lead astray, how an alias is mapped."""
    concerned = report.diagnosis.concerned
    aliases = {port.service.port: port.service.alias_of for port in concerned if port.service.alias_of is not None}
    said = [say(ALIAS, lang).format(port, name) for port, name in aliases.items()]
    if not aliases or any(port.service.alias_of is None for port in concerned):
        said.insert(0, say(WRONG_DEVICE, lang))
    return " ".join(said)


def _forwards(report: Report, lang: str) -> str:
    lost = [port for port in report.diagnosis.concerned if port.verdict.kind is not VerdictKind.ROUTER_ANSWERS]
    over_ipv4 = [port for port in lost if port.family is Family.IPV4]
    over_ipv6 = [port for port in lost if port.family is Family.IPV6]
    said = [
        say(words, lang).format(named(ports, report.ports, lang, limit=PORTS_TO_SET))
        for words, ports in (
            (FORWARD, over_ipv4),
            (FORWARD_IPV6, over_ipv6),
            (ROUTER_ANSWERS, _of_kind(report, VerdictKind.ROUTER_ANSWERS)),
        )
        if ports
    ]
    return " ".join(said) or say(ALL_LOST, lang)


def _services(report: Report, lang: str) -> str:
    said: list[str] = []
    if down := _of_kind(report, VerdictKind.SERVICE_DOWN):
        said.append(say(SERVICE_DOWN, lang).format(_daemons(down, lang)))
    if filtered := _of_kind(report, VerdictKind.SERVER_FILTERED):
        said.append(say(SERVER_FILTERED, lang).format(named(filtered, report.ports, lang)))
    if faulty := _of_kind(report, VerdictKind.SERVICE_FAULTY):
        said.append(say(SERVICE_FAULTY, lang).format(_daemons(faulty, lang)))
    return " ".join(said) or say(SERVER, lang)


def _daemons(ports: list[PortReport], lang: str) -> str:
    """Return who must be looked at on the server, each once: `Exim and web server`."""
    names: list[str] = []
    for port in ports:
        protocol = port.service.protocol
        web = protocol in {Protocol.HTTP, Protocol.HTTPS}
        name = say(WEB_SERVER, lang) if web else DAEMONS.get(protocol, port.service.name)
        names += [] if name in names else [name]
    return bounded(names, lang)


def _policies(report: Report, lang: str) -> str:
    broken = {
        fact.policy
        for port in report.diagnosis.concerned or report.ports
        for fact in port.policies
        if fact.holds is False
    }
    return " ".join(say(words, lang) for policy, words in POLICIES.items() if policy in broken) or say(NOTHING, lang)


FIXED: Mapping[DiagnosisKind, Words] = {
    DiagnosisKind.UNKNOWN: MONITOR,
    DiagnosisKind.DNS_FAILED: DNS,
    DiagnosisKind.LINE_DOWN: LINE,
    DiagnosisKind.SERVER_DOWN: SERVER,
    DiagnosisKind.ALL_FORWARDS_LOST: ALL_LOST,
    DiagnosisKind.IPV6_LOST: IPV6,
    DiagnosisKind.OK: NOTHING,
}
MADE: Mapping[DiagnosisKind, Callable[[Report, str], str]] = {
    DiagnosisKind.IPV4_LOST: _ipv4_lost,
    DiagnosisKind.WRONG_DEVICE: _wrong_device,
    DiagnosisKind.FORWARDS_LOST: _forwards,
    DiagnosisKind.SERVICES_DOWN: _services,
    DiagnosisKind.POLICY_VIOLATED: _policies,
}
