"""Owns the alerts: when each fires, how grave it is, what it tells people, and why it waits as long as it does."""  # noqa: INP001 - a script's part

# ruff: noqa: E501 - a sentence for people is more easily read in one line

from __future__ import annotations

from dataclasses import dataclass

from faults import FAMILY, PORT, SCHOOL, SPARED, WHOLE

from portwatchd.diagnosis.words import remedies, sentences
from portwatchd.model import Policy, Words

NONE = Words("", "")
KEPT = "Kept for two rounds: what comes back for one and goes again is told once."
FAMILY_NAME = '{{ if eq $labels.family "ipv6" }}IPv6{{ else }}IPv4{{ end }}'
ONE_PORT = f"{{{{ $labels.port }}}} ({{{{ $labels.port_name }}}}, {FAMILY_NAME})"
THESE = Words("the ports named here", "die genannten Ports")
ON_THESE = Words("the services named here", "die genannten Dienste")

WITH_PROOF = (
    '{{ with query (printf "count by (verdict, proof) (portwatch_port_verdict{school=%q,family=%q,port=%q})" '
    "$labels.school $labels.family $labels.port) }}{{ with first . }}"
)
PROOF = Words(
    f'{WITH_PROOF}Verdict: {{{{ label "verdict" . }}}}, by proof: {{{{ label "proof" . }}}}. {{{{ end }}}}{{{{ end }}}}',
    f'{WITH_PROOF}Urteil: {{{{ label "verdict" . }}}}, Beweis: {{{{ label "proof" . }}}}. {{{{ end }}}}{{{{ end }}}}',
)
WITH_UNREACHED = (
    '{{ with query (printf "count by (port, port_name) (portwatch_port_up{school=%q%FAMILY%} == 0)" '
    '$labels.school) | sortByLabel "port" }}'
)
EACH_UNREACHED = '{{ range $i, $p := . }}{{ if $i }}, {{ end }}{{ label "port" $p }} ({{ label "port_name" $p }}){{ end }}. {{ end }}'
UNREACHED = Words(
    f"{WITH_UNREACHED}Not reachable: {EACH_UNREACHED}", f"{WITH_UNREACHED}Nicht erreichbar: {EACH_UNREACHED}"
)
FACTS = Words(
    'Host {{ $labels.host }}, profile {{ $labels.profile }}.{{ range query (printf "max without (monitor, job, instance) '
    '(portwatch_school_info{school=%q})" $labels.school) }}{{ range $name, $value := .Labels }}'
    '{{ if not (match "^(__name__|school|host|profile)$" $name) }} {{ $name }}: {{ $value }}.{{ end }}{{ end }}{{ end }}',
    'Host {{ $labels.host }}, Profil {{ $labels.profile }}.{{ range query (printf "max without (monitor, job, instance) '
    '(portwatch_school_info{school=%q})" $labels.school) }}{{ range $name, $value := .Labels }}'
    '{{ if not (match "^(__name__|school|host|profile)$" $name) }} {{ $name }}: {{ $value }}.{{ end }}{{ end }}{{ end }}',
)


GRAVEST = (
    "wrong_device",
    "router_answers",
    "line_down",
    "server_down",
    "forward_lost",
    "range_incomplete",
    "server_filtered",
    "service_down",
    "service_faulty",
)
"""The verdicts on a port, from the gravest on. Where two monitors see different ones, both see at least the milder."""


def _service_words(label: str) -> str:
    """Return the template of a service's consequence: the school's own profile first, then anybody's."""
    table = "portwatch:service_words:info{port_name=%q,profile=%q}"
    own = f'{{{{ with query (printf "{table}" $labels.port_name $labels.profile) }}}}'
    any_ = f'{{{{ with query (printf "{table}" $labels.port_name "") }}}}'
    said = f'{{{{ first . | label "{label}" }}}}'
    return f"{own}{said}{{{{ else }}}}{any_}{said}{{{{ end }}}}{{{{ end }}}}"


OF_SERVICE = Words(_service_words("consequence"), _service_words("consequence_de"))
ONE_FAMILY = "one_family"
OF_ONE_FAMILY = Words(
    "Over IPv4 it still works. Whoever has only IPv6 is shut out; others may have to wait until IPv4 is tried.",
    "Über IPv4 geht es noch. Wer nur IPv6 hat, kommt nicht durch; andere warten womöglich, bis IPv4 an der Reihe ist.",
)
SINCE_PORT = (
    "portwatch_port_verdict_since_timestamp_seconds{school=%q,family=%q,port=%q} and on (monitor, job, instance, school, "
    'family, port, port_name) portwatch_port_verdict{verdict!~\\"ok|unused|unknown|blocked_here\\"}'
)
SINCE_SCHOOL = (
    "portwatch_school_diagnosis_since_timestamp_seconds{school=%q} and on (monitor, job, instance, school) "
    'portwatch_school_diagnosis{diagnosis!~\\"ok|unknown\\"}'
)


def _since(query: str, *labels: str) -> str:
    """Return the template of the time since when it is so: the fault's, where the daemon says it, not the alert's."""
    given = " ".join(f"$labels.{label}" for label in labels)
    form = '(. | first | value | toTime).Local.Format "2006-01-02 15:04 MST"'
    return f'{{{{ with query (printf "min({query})" {given}) }}}}{{{{ {form} }}}}{{{{ end }}}}'


def _policy_words(label: str) -> str:
    return (
        '{{ with query (printf "portwatch:policy_words:info{policy=%q}" $labels.policy) }}'
        f'{{{{ first . | label "{label}" }}}}{{{{ end }}}}'
    )


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
    """What is at least as grave: whoever sees that agrees in a quorum. Without it, it must be the same."""


def _fill(words: Words, what: Words) -> Words:
    return Words(words.en.format(what.en), words.de.format(what.de))


def _plus(*parts: Words) -> Words:
    return Words("".join(part.en for part in parts).strip(), "".join(part.de for part in parts).strip())


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
        _plus(Words("{{ $labels.school }}: ", "{{ $labels.school }}: "), summary),
        _plus(unreached, FACTS),
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
        _since(SINCE_SCHOOL, "school"),
        f'portwatch:school_fault:info{{diagnosis=~"{graver}"}}',
    )


def _ports(
    name: str, cause: str, verdicts: str, wait: str, why: str, words: tuple[Words, Words, Words], critical: str
) -> Alert:
    """Return an alert on single ports; the severity follows from what their loss means."""
    title, summary, remedy = words
    chosen = f'portwatch:port_fault:required{{verdict=~"{verdicts}"'
    alone, spared = f"unless on ({PORT}) {SPARED}", f"and on ({PORT}) {SPARED}"
    graver = "|".join(GRAVEST[: max(map(GRAVEST.index, verdicts.split("|"))) + 1])
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
        _plus(Words(f"{ONE_PORT} ", f"{ONE_PORT} "), title),
        _plus(
            Words("{{ $labels.school }}: ", "{{ $labels.school }}: "),
            _fill(summary, Words(ONE_PORT, ONE_PORT)),
            Words(".", "."),
        ),
        _plus(PROOF, FACTS),
        OF_SERVICE,
        remedy,
        _since(SINCE_PORT, "school", "family", "port"),
        f'portwatch:port_fault:required{{verdict=~"{graver}"}}',
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
                    + _fill(r.FORWARD_IPV6, THESE).en
                    + "{{ else }}"
                    + _fill(r.FORWARD, THESE).en
                    + "{{ end }}",
                    '{{ if eq $labels.family "ipv6" }}'
                    + _fill(r.FORWARD_IPV6, THESE).de
                    + "{{ else }}"
                    + _fill(r.FORWARD, THESE).de
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
                _fill(r.ROUTER_ANSWERS, THESE),
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
                _fill(r.FORWARD, THESE),
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
                _plus(Words("", ""), s.WRONG_DEVICE),
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
                _plus(
                    _fill(r.SERVICE_DOWN, ON_THESE),
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
            Words(f"{ONE_PORT} {_policy_words('title')}", f"{ONE_PORT} {_policy_words('title_de')}"),
            Words(
                f"{{{{ $labels.school }}}}: {_policy_words('broken')} ({ONE_PORT}).",
                f"{{{{ $labels.school }}}}: {_policy_words('broken_de')} ({ONE_PORT}).",
            ),
            FACTS,
            Words(_policy_words("consequence"), _policy_words("consequence_de")),
            Words(_policy_words("remedy"), _policy_words("remedy_de")),
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
            Words(_policy_words("consequence"), _policy_words("consequence_de")),
            Words(_policy_words("remedy"), _policy_words("remedy_de")),
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
            Words(_policy_words("consequence"), _policy_words("consequence_de")),
            Words(_policy_words("remedy"), _policy_words("remedy_de")),
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
        _plus(Words(where + ports, where + ports), FACTS),
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
