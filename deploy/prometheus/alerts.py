"""Owns the alerts: when each fires, how grave it is, what it tells people, and why it waits as long as it does."""  # noqa: INP001 - a script's part

# ruff: noqa: E501 - a sentence for people is more easily read in one line

from __future__ import annotations

from dataclasses import dataclass

from faults import FAMILY, GRAVEST, PORT, SCHOOL, SPARED, WHOLE
from phrases import (
    FACTS,
    FAMILY_NAME,
    KEPT,
    NONE,
    OF_SERVICE,
    ON_THESE,
    ONE_PORT,
    PROOF,
    SINCE_PORT,
    SINCE_SCHOOL,
    THESE,
    UNREACHED,
    fill,
    plus,
    policy_words,
    since,
)

from portwatchd.diagnosis.words import remedies, sentences
from portwatchd.model import Policy, Words

ONE_FAMILY = "one_family"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of an alert."""

    severity: str
    expr: str
    scope: str = ""
    """ONE_FAMILY where it is lost over IPv6 and IPv4 still serves it; else empty."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as people know it; it may become several rules, one a severity."""

    name: str
    cause: str
    """One cause at one school is one notification, however many alerts it takes."""
    rules: tuple[Rule, ...]
    wait: str
    keep: str
    why: str
    title: Words
    summary: Words
    description: Words = NONE
    consequence: Words = NONE
    remedy: Words = NONE
    since: str = ""
    """The template of the fault's beginning; without it, the alert's counts."""
    seen: str = ""
    """What is at least as grave: whoever sees that agrees in a quorum. Without it and `least`, it must be the same."""
    least: str = ""
    """The mildest of its verdicts on a port: in a quorum, two see at least that, and no two see anything graver."""


def _whole(
    name: str, cause: str, severity: str, wait: str, why: str, title: Words, summary: Words, remedy: Words
) -> Alert:
    """Return an alert on a school, or on one of its address families."""
    family = ',family=\\"' + cause[:4] + '\\"' if cause.startswith("ipv") else ""
    over = cause[:4].replace("ip", "IP")
    graver = "|".join((*WHOLE[:4], cause) if family else WHOLE[: WHOLE.index(cause) + 1])
    unreached = Words(UNREACHED.en.replace("%FAMILY%", family), UNREACHED.de.replace("%FAMILY%", family))
    return Alert(
        name,
        cause,
        (Rule(severity, f'portwatch:school_fault:info{{diagnosis="{cause}"}}'),),
        wait,
        "2m",
        f"{why} {KEPT}",
        title,
        plus(Words("{{ $labels.school }}: ", "{{ $labels.school }}: "), summary),
        plus(unreached, FACTS),
        Words(
            f"Whoever has no other way to the school than {over} can use nothing that these ports serve.",
            f"Wer die Schule nur über {over} erreicht, kann nichts nutzen, was diese Ports bedienen.",
        )
        if family
        else Words(
            "From outside no service of the school can be used, and no mail arrives.",
            "Von außen ist kein Dienst der Schule nutzbar, und es kommt keine E-Mail an.",
        ),
        remedy,
        since(SINCE_SCHOOL, "school"),
        f'portwatch:school_fault:info{{diagnosis=~"{graver}"}}',
    )


def _ports(
    name: str, cause: str, verdicts: str, wait: str, why: str, words: tuple[Words, Words, Words], critical: str
) -> Alert:
    """Return an alert on single ports; the severity follows from what their loss means."""
    title, summary, remedy = words
    chosen = f'portwatch:port_fault:required{{verdict=~"{verdicts}"'
    alone, spared = f"unless on ({PORT}) {SPARED}", f"and on ({PORT}) {SPARED}"
    return Alert(
        name,
        cause,
        (
            Rule("critical", f'max without (verdict) ({chosen},port_name=~"{critical}"}} == 1 {alone})'),
            Rule("warning", f'max without (verdict) ({chosen},port_name!~"{critical}"}} == 1 {alone})'),
            Rule("info", f"max without (verdict) ({chosen}}} == 0 {alone})"),
            Rule("warning", f"max without (verdict) ({chosen}}} == 1 {spared})", ONE_FAMILY),
            Rule("info", f"max without (verdict) ({chosen}}} == 0 {spared})", ONE_FAMILY),
        ),
        wait,
        "2m",
        f"{why} {KEPT}",
        plus(Words(f"{ONE_PORT} ", f"{ONE_PORT} "), title),
        plus(
            Words("{{ $labels.school }}: ", "{{ $labels.school }}: "),
            fill(summary, Words(ONE_PORT, ONE_PORT)),
            Words(".", "."),
        ),
        plus(PROOF, FACTS),
        OF_SERVICE,
        remedy,
        since(SINCE_PORT, "school", "family", "port"),
        least=max(verdicts.split("|"), key=GRAVEST.index),
    )


def school_alerts(critical: str) -> list[Alert]:
    """Return the alerts on schools and their ports; `critical` matches the names of services whose loss cannot wait."""
    s, r = sentences, remedies
    host = "{{ $labels.host }}"
    return [
        _whole(
            "PortwatchDNSFailed",
            "dns_failed",
            "critical",
            "5m",
            "A name that has just moved, or a name server that restarts, is back within minutes.",
            Words("name not found", "Name nicht auflösbar"),
            Words(s.DNS_FAILED.en.format(host=host), s.DNS_FAILED.de.format(host=host)),
            Words(r.DNS.en.format(host=host), r.DNS.de.format(host=host)),
        ),
        _whole(
            "PortwatchLineDown",
            "line_down",
            "critical",
            "3m",
            "A router that dials in anew or restarts after an update is back within three minutes.",
            Words("line down", "Leitung tot"),
            s.LINE_DOWN,
            r.LINE,
        ),
        _whole(
            "PortwatchServerDown",
            "server_down",
            "critical",
            "5m",
            "A server that restarts after an update is back within five minutes.",
            Words("server down", "Server aus"),
            s.SERVER_DOWN,
            r.SERVER,
        ),
        _whole(
            "PortwatchAllForwardsLost",
            "all_forwards_lost",
            "critical",
            "2m",
            "The daemon has confirmed it already, and a forward does not come back by itself. Two minutes: a round, a scrape "
            "and an evaluation are what it takes to see that it is the masses.",
            Words("all forwards lost", "alle Weiterleitungen fehlen"),
            s.ALL_LOST,
            r.ALL_LOST,
        ),
        _whole(
            "PortwatchIPv4Lost",
            "ipv4_lost",
            "critical",
            "3m",
            "As a dead line: a line that dials in anew may have one family some minutes before the other.",
            Words("IPv4 lost", "IPv4 verloren"),
            s.IPV4_LOST,
            r.IPV4,
        ),
        _whole(
            "PortwatchIPv6Lost",
            "ipv6_lost",
            "warning",
            "3m",
            "As a dead line. A warning, for whoever has IPv6 has IPv4 too.",
            Words("IPv6 lost", "IPv6 verloren"),
            s.IPV6_LOST,
            r.IPV6,
        ),
        _ports(
            "PortwatchForwardLost",
            "forwards_lost",
            "forward_lost|server_down|line_down",
            "1m",
            "The daemon has confirmed it already, and a forward does not come back by itself. A port that alone is as dead "
            "as a dead line has lost its forward too.",
            (
                Words("not forwarded", "nicht weitergeleitet"),
                Words("the router no longer forwards {}", "Der Router leitet {} nicht mehr weiter"),
                Words(
                    '{{ if eq $labels.family "ipv6" }}'
                    + fill(r.FORWARD_IPV6, THESE).en
                    + "{{ else }}"
                    + fill(r.FORWARD, THESE).en
                    + "{{ end }}",
                    '{{ if eq $labels.family "ipv6" }}'
                    + fill(r.FORWARD_IPV6, THESE).de
                    + "{{ else }}"
                    + fill(r.FORWARD, THESE).de
                    + "{{ end }}",
                ),
            ),
            critical,
        ),
        _ports(
            "PortwatchRouterAnswers",
            "forwards_lost",
            "router_answers",
            "1m",
            "As a lost forward.",
            (
                Words("answered by the router", "vom Router selbst beantwortet"),
                Words("the router itself answers on {}", "Der Router antwortet auf {} selbst"),
                fill(r.ROUTER_ANSWERS, THESE),
            ),
            critical,
        ),
        _ports(
            "PortwatchRangeIncomplete",
            "forwards_lost",
            "range_incomplete",
            "5m",
            "A range is looked through in rotation: wait until all its holes are likely to be known, so that they come "
            "in one notification.",
            (
                Words("incomplete", "unvollständig"),
                Words(
                    "the router forwards only a part of {}",
                    "Der Router leitet nur einen Teil von {} weiter",
                ),
                fill(r.FORWARD, THESE),
            ),
            critical,
        ),
        _ports(
            "PortwatchWrongDevice",
            "wrong_device",
            "wrong_device",
            "2m",
            "An address that changes hands at a dial-in leads to a stranger until the name follows.",
            (
                Words("leads to another device", "führt zu einem anderen Gerät"),
                plus(Words("", ""), s.WRONG_DEVICE),
                r.WRONG_DEVICE,
            ),
            critical,
        ),
        _ports(
            "PortwatchServiceDown",
            "services_down",
            "service_down|server_filtered|service_faulty",
            "5m",
            "A service that is updated or restarted is back within five minutes.",
            (
                Words("is forwarded, but not served", "wird weitergeleitet, aber nicht bedient"),
                Words(
                    "the server refuses, drops or wrongly answers {}",
                    "Der Server lehnt {} ab, antwortet gar nicht oder falsch",
                ),
                plus(
                    fill(r.SERVICE_DOWN, ON_THESE),
                    Words(" ", " "),
                    Words(
                        "If it runs, look at the server's firewall, at fail2ban (is the monitor banned?) and at the "
                        "service's log.",
                        "Läuft er, prüfen Sie Firewall und fail2ban des Servers (ist die Überwachung gesperrt?) und das "
                        "Protokoll des Dienstes.",
                    ),
                ),
            ),
            critical,
        ),
        Alert(
            "PortwatchExposedHostLost",
            "exposed_host",
            (
                Rule(
                    "info",
                    f"(portwatch_school_exposed_host == 0 and on ({FAMILY}) portwatch:exposed_host:last_seen)\n"
                    f"* on ({SCHOOL}) group_left (%LABELS%) portwatch_school_info",
                ),
            ),
            "15m",
            "1h",
            "Nothing that is used is lost: look twice, and do not tell every flutter.",
            Words("no exposed host any more", "kein Exposed Host mehr"),
            Words(
                "{{ $labels.school }}: the router no longer forwards every port over " + FAMILY_NAME + ".",
                "{{ $labels.school }}: Der Router leitet über " + FAMILY_NAME + " nicht mehr jeden Port weiter.",
            ),
            FACTS,
            Words(
                "What is used today still works, but services that come later will not.",
                "Was heute genutzt wird, geht noch; Dienste, die später dazukommen, gehen nicht.",
            ),
            r.ALL_LOST,
        ),
        Alert(
            "PortwatchPolicyViolated",
            "policy_violated",
            (
                Rule(
                    "warning",
                    'portwatch:policy_fault:required{policy=~"tls_offered|plaintext_refused|acme_reachable"} == 1',
                ),
                Rule(
                    "info",
                    'portwatch:policy_fault:required{policy=~"https_redirect|hsts"}\n'
                    'or portwatch:policy_fault:required{policy!~"certificate_valid|certificate_fresh"} == 0',
                ),
            ),
            "5m",
            "20m",
            "Policies are looked at in audits, every 15 minutes. Kept for longer than one, for after a restart of the "
            "daemon the first audit takes a while.",
            Words(f"{ONE_PORT} {policy_words('title')}", f"{ONE_PORT} {policy_words('title_de')}"),
            Words(
                f"{{{{ $labels.school }}}}: {policy_words('broken')} ({ONE_PORT}).",
                f"{{{{ $labels.school }}}}: {policy_words('broken_de')} ({ONE_PORT}).",
            ),
            FACTS,
            Words(policy_words("consequence"), policy_words("consequence_de")),
            Words(policy_words("remedy"), policy_words("remedy_de")),
        ),
        *_certificate_alerts(critical),
    ]


def _certificate_alerts(critical: str) -> list[Alert]:
    """Return the alerts on certificates: not valid, about to run out, not renewed."""
    remedy = remedies.POLICIES[Policy.CERTIFICATE_FRESH]
    invalid = 'portwatch:policy_fault:required{policy="certificate_valid"'
    left = "{{ $value | humanizeDuration }}"
    fails = Words(
        "Browsers warn, and programs refuse to connect, as soon as it has run out.",
        "Sobald es abgelaufen ist, warnen Browser, und Programme verbinden sich nicht.",
    )
    return [
        Alert(
            "PortwatchCertificateInvalid",
            "certificate",
            (
                Rule("critical", f'{invalid},port_name=~"{critical}"}} == 1'),
                Rule("warning", f'{invalid},port_name!~"{critical}"}} == 1'),
                Rule("info", f"{invalid}}} == 0"),
            ),
            "5m",
            "20m",
            "A service that loads a new certificate is through within minutes. Kept as a broken policy.",
            Words(f"{ONE_PORT} certificate not valid", f"{ONE_PORT} Zertifikat ungültig"),
            Words(
                f"{{{{ $labels.school }}}}: the certificate on {ONE_PORT} is not valid.",
                f"{{{{ $labels.school }}}}: Das Zertifikat auf {ONE_PORT} ist ungültig.",
            ),
            FACTS,
            Words(policy_words("consequence"), policy_words("consequence_de")),
            Words(policy_words("remedy"), policy_words("remedy_de")),
        ),
        Alert(
            "PortwatchCertificateExpiring",
            "certificate",
            (
                Rule("critical", "portwatch:certificate:not_after - time() > 0 < 2 * 86400"),
                Rule("warning", "portwatch:certificate:not_after - time() > 0 < 7 * 86400"),
            ),
            "1h",
            "30m",
            "Days matter here, not minutes: an hour lets a renewal that is under way come through. Kept until the audit that finds "
            "it run out has made PortwatchCertificateInvalid of it: it must not be told as mended between the two.",
            Words(f"{ONE_PORT} certificate expires", f"{ONE_PORT} Zertifikat läuft ab"),
            Words(
                f"{{{{ $labels.school }}}}: the certificate on {ONE_PORT} runs out in {left}.",
                f"{{{{ $labels.school }}}}: Das Zertifikat auf {ONE_PORT} läuft in {left} ab.",
            ),
            FACTS,
            fails,
            remedy,
        ),
        Alert(
            "PortwatchCertificateRenewalOverdue",
            "certificate",
            (Rule("info", 'portwatch:policy_fault:required{policy="certificate_fresh"}'),),
            "1d",
            "20m",
            "There are weeks left. A day lets the ACME client, which tries twice a day, make up for a failed try.",
            Words(f"{ONE_PORT} renewal overdue", f"{ONE_PORT} Erneuerung überfällig"),
            Words(
                f"{{{{ $labels.school }}}}: the certificate on {ONE_PORT} was not renewed in time.",
                f"{{{{ $labels.school }}}}: Das Zertifikat auf {ONE_PORT} wurde nicht rechtzeitig erneuert.",
            ),
            FACTS,
            Words(policy_words("consequence"), policy_words("consequence_de")),
            Words(policy_words("remedy"), policy_words("remedy_de")),
        ),
    ]


def disagreement(labels: str) -> Alert:
    """Return the alert on monitors that judge a school, or one of its ports, differently."""
    kinds = 'count by (school, diagnosis) (portwatch_school_diagnosis{diagnosis!="unknown"})'
    port = "school, family, port"
    disputed = (
        f'(count by ({port}) (portwatch_port_verdict{{verdict!~"ok|unused|unknown|blocked_here"}}) '
        f'and on ({port}) portwatch_port_verdict{{verdict=~"ok|unused|blocked_here"}})'
    )
    where = (
        '{{ range query (printf "portwatch_school_diagnosis{school=%q}" $labels.school) | sortByLabel "monitor" }}'
        '{{ label "monitor" . }}: {{ label "diagnosis" . }}. {{ end }}'
    )
    ports = (
        "{{ range query (printf "
        '"(portwatch_port_verdict{school=%q,verdict!=\\"unknown\\"} and on (school, family, port) %DISPUTED%)" '
        "$labels.school) }}"
        '{{ label "monitor" . }}: {{ label "port" . }} {{ label "family" . }} {{ label "verdict" . }}. {{ end }}'
    ).replace("%DISPUTED%", disputed.replace('"', '\\"'))
    return Alert(
        "PortwatchMonitorsDisagree",
        "monitors_disagree",
        (
            Rule(
                "info",
                # Monitors may know a school by other labels; then there is a series for each.
                f"max by (school, {labels}) (portwatch_school_info)\n"
                f"and on (school) (\n  count by (school) ({kinds}) > 1\n  or on (school)\n  {disputed}\n)",
            ),
        ),
        "15m",
        "5m",
        "Each monitor has rounds of its own: a change reaches them minutes apart. An audit later they should agree. Kept for a "
        "few rounds: whoever agrees for one does not agree yet.",
        Words("monitors disagree", "Überwachungen uneins"),
        Words(
            "{{ $labels.school }}: the monitors judge the school differently.",
            "{{ $labels.school }}: Die Überwachungen beurteilen die Schule verschieden.",
        ),
        plus(Words(where + ports, where + ports), FACTS),
        Words(
            "From one place something works that does not from another: a route, a ban or a filter.",
            "Von einem Ort geht etwas, das von einem anderen nicht geht: eine Route, eine Sperre oder ein Filter.",
        ),
        Words(
            "Run portwatchd check from both places and compare; look for the monitor's address in fail2ban and in the "
            "router's filters.",
            "Führen Sie portwatchd check an beiden Orten aus und vergleichen Sie; suchen Sie die Adresse der Überwachung "
            "in fail2ban und in den Filtern des Routers.",
        ),
    )
