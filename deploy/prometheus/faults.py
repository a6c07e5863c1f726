"""Owns the recording rules: what is wrong now, held through moments in which nobody can judge; and fleet figures."""  # noqa: INP001 - a script's part

# ruff: noqa: E501 - queries and sentences are more easily read in one line

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from portwatchd.diagnosis.words import remedies, sentences, tables
from portwatchd.model import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from portwatchd.model import Profile, Words

DAEMON = "monitor, job, instance"
"""What tells one daemon from another. `monitor` is empty on both sides where nobody has set it."""
SCHOOL = f"{DAEMON}, school"
FAMILY = f"{SCHOOL}, family"
PORT = f"{FAMILY}, port, port_name"

SPARED = "portwatch:port_spared:info"
DISTRICT = "portwatch:school_district:info"
WHOLE = ("dns_failed", "line_down", "server_down", "all_forwards_lost", "ipv4_lost", "ipv6_lost")
"""Diagnoses that explain every port of a school, or of one address family."""
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
BLIND = "unknown|dns_failed|line_down"
"""Diagnoses under which nothing else about the school can be seen."""
FRESH_START = 300
"""Seconds after the daemon's start in which a school that it has not yet asked is taken to be as before."""


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule, with the comment that explains it."""

    name: str
    expr: str
    why: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def _held(name: str, on: str, blind: str) -> str:
    """Return the arms that keep what was recorded: while it cannot be judged, and while the daemon is away."""
    return f"""
or on ({on}) ({name} and {blind})
or on ({on}) ({name} and on ({DAEMON}) (up == 0))
or on ({on}) (
  {name} and on ({DAEMON}) (time() - process_start_time_seconds < {FRESH_START})
  unless on ({SCHOOL}) portwatch_school_diagnosis
)"""


def fault_rules(labels: Sequence[str]) -> list[Record]:
    """Return the rules that say what is wrong now; `labels` are the schools' own that shall reach notifications."""
    who = f"* on ({SCHOOL}) group_left ({', '.join(('host', 'profile', *labels))}) portwatch_school_info"
    unwell = f'on ({PORT}) portwatch_port_verdict{{verdict!~"ok|unused"}}'
    blind = f'on ({SCHOOL}) portwatch_school_diagnosis{{diagnosis=~"{BLIND}"}}'
    return [
        Record(
            "portwatch:school_fault:info",
            f"""
label_replace(
  portwatch_school_diagnosis{{diagnosis=~"{"|".join(WHOLE)}"}} {who},
  "family", "$1", "diagnosis", "(ipv[46])_lost"
)"""
            + _held("portwatch:school_fault:info", f"{SCHOOL}, diagnosis", blind),
            "A cause that explains a whole school, or one address family of it (then with the label `family`). It stays "
            "while nothing can be seen of the school, and while the daemon is away: the alert neither ends nor begins "
            "anew then. It ends when the school is seen well, or is no longer watched.",
        ),
        Record(
            "portwatch:port_fault:required",
            f"""
max without (proof) (
  (
    label_replace(
      portwatch_port_verdict{{verdict="forward_lost"}}
      and on ({PORT}) (portwatch_range_ports{{state="forwarded"}} > 0),
      "verdict", "range_incomplete", "", ""
    )
    or on ({PORT}) portwatch_port_verdict{{verdict!~"ok|unused|unknown|blocked_here"}}
  )
  unless on ({SCHOOL}) portwatch:school_fault:info{{family=""}}
  unless on ({FAMILY}) portwatch:school_fault:info{{family!=""}}
)
* on ({PORT}) group_left () portwatch_port_required
{who}"""
            + _held("portwatch:port_fault:required", PORT, unwell),
            "A port that is not well for a reason of its own; the value is 1 where the profile requires it. A fault that "
            "began before the whole school was lost stays, for nobody has repaired it.",
        ),
        Record(
            SPARED,
            f"""
portwatch:port_fault:required{{family="ipv6"}} and on ({SCHOOL}, port) (portwatch_port_up{{family="ipv4"}} == 1)
or on ({PORT}) (
  {SPARED} and on ({PORT}) portwatch:port_fault:required
  unless on ({SCHOOL}, port) (count by ({SCHOOL}, port) (portwatch_port_up) >= 2)
)""",
            "Those of them over IPv6 that IPv4 still serves: every user has IPv4. It stays while one of them cannot be judged.",
        ),
        Record(
            "portwatch:policy_fault:required",
            f"""
((portwatch_port_policy_ok == 0 and on ({PORT}) portwatch_port_verdict{{verdict="ok"}}) + 1)
* on ({PORT}) group_left () portwatch_port_required
{who}"""
            + _held("portwatch:policy_fault:required", f"{PORT}, policy", unwell),
            "A policy that a service breaks although it answers; the value is 1 where the profile requires the port. While "
            "the service does not answer, its policies cannot be tested: then they stay as they were.",
        ),
        Record(
            "portwatch:certificate:not_after",
            f"""
(
  portwatch_port_certificate_not_after_timestamp_seconds < time() + 30 * 86400
  and on ({PORT}) portwatch_port_verdict{{verdict="ok"}}
)
{who}"""
            + _held("portwatch:certificate:not_after", PORT, unwell),
            "Until when a certificate is valid, for those that have at most 30 days left.",
        ),
    ]


def memory_rules() -> list[Record]:
    """Return the rules that remember; they need not run often."""
    name = "portwatch:exposed_host:last_seen"
    return [
        Record(
            name,
            f"""
(portwatch_school_exposed_host == 1) * time()
or (last_over_time({name}[1h]) > time() - 7 * 86400) and on ({FAMILY}) portwatch_school_exposed_host""",
            "When the router was last seen to forward every port, for a week: after that the new set-up counts as meant.",
        ),
    ]


def fleet_rules(labels: Sequence[str]) -> list[Record]:
    """Return the figures of the fleet."""
    by_label = [
        Record(
            f"portwatch:{label}_diagnosis:count",
            f"""
count by ({DAEMON}, {label}, diagnosis) (
  portwatch_school_diagnosis * on ({SCHOOL}) group_left ({label}) portwatch_school_info
)""",
        )
        for label in labels
        if label != "contact"
    ]
    return [
        Record(
            DISTRICT,
            f"""
max by ({SCHOOL}, district) (
  label_replace(portwatch_school_info, "district", "none", "district", "")
)""",
            "The district of each school, for the dashboards: `none` where its owner gave it none, so that it can be "
            "chosen, and is not left out, where a district is chosen.",
        ),
        Record("portwatch:school_diagnosis:count", f"count by ({DAEMON}, diagnosis) (portwatch_school_diagnosis)"),
        *by_label,
        Record(
            "portwatch:port_verdict:count",
            f"count by ({DAEMON}, port_name, family, verdict) (portwatch_port_verdict)",
        ),
        Record("portwatch:certificates_expiring:count", f"count by ({DAEMON}) (portwatch:certificate:not_after)"),
        Record(
            "portwatch:probe_failures:ratio_rate5m",
            f"""
sum by ({DAEMON}, port_name) (rate(portwatch_probe_failures_total[5m]))
/ sum by ({DAEMON}, port_name) (rate(portwatch_probes_total[5m]))""",
        ),
    ]


def mass_rules() -> list[Record]:
    """Return what an outage of the masses is."""
    lost = f"count by ({SCHOOL}) (portwatch:school_fault:info)"
    recent = f"{lost} and on ({SCHOOL}) (time() - portwatch_school_diagnosis_since_timestamp_seconds < 900)"
    return [
        Record(
            "portwatch:schools_lost:ratio",
            f"""
(count by ({DAEMON}) ({lost}) or portwatch_schools * 0)
/ on ({DAEMON}) (portwatch_schools > 0)""",
            "The share of all watched schools that are lost as a whole or over one address family.",
        ),
        Record(
            "portwatch:schools_lost_recently:count",
            f"count by ({DAEMON}) ({recent})",
            "How many of them were lost within the last quarter of an hour.",
        ),
        Record(
            "portwatch:mass_outage:ratio",
            f"""
portwatch:schools_lost:ratio > 0.2
  and on ({DAEMON}) (
    portwatch:schools_lost_recently:count >= 5
    and on ({DAEMON}) portwatch:schools_lost_recently:count / on ({DAEMON}) portwatch_schools > 0.1
  )
or (portwatch:schools_lost:ratio > 0.1 and on ({DAEMON}) portwatch:mass_outage:ratio)""",
            "More than a fifth of the schools are lost, at least five and a tenth of all within a quarter of an hour. Both "
            "are asked for: schools that are off all summer are no outage of the masses and must not silence the others. "
            "It ends when less than a tenth is lost.",
        ),
    ]


def word_rules(profiles: Iterable[Profile]) -> list[Record]:
    """Return what annotations look up: the consequence of each service, and the words for each policy."""
    known: dict[str, Words] = {}
    made: list[Record] = []

    def add(port_name: str, profile: str, words: Words) -> None:
        labels = {"port_name": port_name, "consequence": words.en, "consequence_de": words.de}
        made.append(
            Record(
                "portwatch:service_words:info", "vector(1)", labels=labels | ({"profile": profile} if profile else {})
            )
        )

    for profile in profiles:
        for service in profile.services:
            words = service.consequence
            if not words.en:
                continue
            if service.name not in known:
                known[service.name] = words
                add(service.name, "", words)
            elif known[service.name] != words:
                add(service.name, profile.name, words)
    for policy in Policy:
        broken, cure = sentences.BROKEN[policy], remedies.POLICIES[policy]
        labels = {
            "policy": policy.value,
            "title": f"{tables.POLICIES[policy].en}: broken",
            "title_de": f"{tables.POLICIES[policy].de}: verletzt",
            "consequence": CONSEQUENCES[policy][0],
            "consequence_de": CONSEQUENCES[policy][1],
            "remedy": cure.en,
            "remedy_de": cure.de,
            "broken": broken.en.format("this port"),
            "broken_de": broken.de.format("diesem Port"),
        }
        made.append(Record("portwatch:policy_words:info", "vector(1)", labels=labels))
    return made


CONSEQUENCES: Mapping[Policy, tuple[str, str]] = {
    Policy.HTTPS_REDIRECT: (
        "Who types the name without https sees nothing, or stays unencrypted.",
        "Wer den Namen ohne https eintippt, sieht nichts oder bleibt unverschlüsselt.",
    ),
    Policy.HSTS: (
        "Browsers can be led to an unencrypted page.",
        "Browser lassen sich auf eine unverschlüsselte Seite locken.",
    ),
    Policy.ACME_REACHABLE: (
        "The Let's Encrypt certificate cannot be renewed: it expires within weeks.",
        "Das Let's-Encrypt-Zertifikat kann nicht erneuert werden: In einigen Wochen läuft es ab.",
    ),
    Policy.TLS_OFFERED: (
        "Mail, files and passwords cross the internet readable, or programs refuse to connect.",
        "E-Mails, Dateien und Passwörter gehen lesbar durchs Internet, oder Programme verbinden sich nicht.",
    ),
    Policy.PLAINTEXT_REFUSED: (
        "Passwords can cross the internet readable.",
        "Passwörter können lesbar durchs Internet gehen.",
    ),
    Policy.CERTIFICATE_VALID: (
        "Browsers warn, and programs refuse to connect.",
        "Browser warnen, und Programme verbinden sich nicht.",
    ),
    Policy.CERTIFICATE_FRESH: (
        "The certificate runs out soon, and then every encrypted service fails.",
        "Das Zertifikat läuft bald ab, dann fallen alle verschlüsselten Dienste aus.",
    ),
}
