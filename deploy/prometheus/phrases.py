"""Owns the pieces of the alerts' sentences: templates that Prometheus fills in, in both languages."""  # noqa: INP001 - a script's part

# ruff: noqa: E501 - a sentence for people is more easily read in one line

from __future__ import annotations

from portwatchd.model import Words

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


def _service_words(label: str) -> str:
    """Return the template of a service's consequence: the school's own profile first, then anybody's."""
    table = "portwatch:service_words:info{port_name=%q,profile=%q}"
    own = f'{{{{ with query (printf "{table}" $labels.port_name $labels.profile) }}}}'
    any_ = f'{{{{ with query (printf "{table}" $labels.port_name "") }}}}'
    said = f'{{{{ first . | label "{label}" }}}}'
    return f"{own}{said}{{{{ else }}}}{any_}{said}{{{{ end }}}}{{{{ end }}}}"


OF_SERVICE = Words(_service_words("consequence"), _service_words("consequence_de"))
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


def since(query: str, *labels: str) -> str:
    """Return the template of the time since when it is so: the fault's, where the daemon says it, not the alert's."""
    given = " ".join(f"$labels.{label}" for label in labels)
    form = '(. | first | value | toTime).Local.Format "2006-01-02 15:04 MST"'
    return f'{{{{ with query (printf "min({query})" {given}) }}}}{{{{ {form} }}}}{{{{ end }}}}'


def policy_words(label: str) -> str:
    """Return the template of what is said of a policy."""
    return (
        '{{ with query (printf "portwatch:policy_words:info{policy=%q}" $labels.policy) }}'
        f'{{{{ first . | label "{label}" }}}}{{{{ end }}}}'
    )


def fill(words: Words, what: Words) -> Words:
    """Put something into the gap of a sentence, in each language."""
    return Words(words.en.format(what.en), words.de.format(what.de))


def plus(*parts: Words) -> Words:
    """Join sentences, in each language."""
    return Words("".join(part.en for part in parts).strip(), "".join(part.de for part in parts).strip())
