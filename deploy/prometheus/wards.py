"""Owns the alerts on the monitor itself: whoever watches is watched too."""  # noqa: INP001 - a script's part

# ruff: noqa: E501 - a sentence for people is more easily read in one line

from __future__ import annotations

from alerts import Alert
from faults import DAEMON

from portwatchd.diagnosis.words import remedies
from portwatchd.model import Words

AT = Words("{{ $labels.instance }}: ", "{{ $labels.instance }}: ")
ON_VM = Words(
    "On the monitor: systemctl status portwatchd, journalctl -u portwatchd.",
    "Auf der Überwachung: systemctl status portwatchd, journalctl -u portwatchd.",
)
BLIND = Words("No school is judged meanwhile.", "Solange wird keine Schule beurteilt.")


def _own(  # noqa: PLR0913, PLR0917 - the columns of a table
    name: str,
    severity: str,
    expr: str,
    wait: str,
    keep: str,
    why: str,
    title: Words,
    summary: Words,
    consequence: Words,
    remedy: Words,
) -> Alert:
    summary = Words(AT.en + summary.en, AT.de + summary.de)
    return Alert(
        name,
        "monitor",
        ((severity, expr),),
        wait,
        keep,
        why,
        title,
        summary,
        Words("", ""),
        consequence,
        remedy,
        of_school=False,
    )


def own_alerts(job: str, interval: int) -> list[Alert]:
    """Return the alerts on the daemon; `interval` is that of its rounds, in seconds."""
    return [
        _own(
            "PortwatchMonitorIsolated",
            "critical",
            "portwatch_monitor_isolated == 1",
            "1m",
            "2m",
            "The daemon has asked its canaries already. Sooner than the soonest alert on a school plus group_wait.",
            Words("monitor isolated", "Überwachung abgeschnitten"),
            Words("the monitor itself is cut off.", "Die Überwachung selbst ist abgeschnitten."),
            BLIND,
            remedies.MONITOR,
        ),
        _own(
            "PortwatchMassOutage",
            "critical",
            "portwatch:mass_outage:ratio",
            "0s",
            "5m",
            "At once: it must be there before the alerts on the single schools are, to keep them quiet.",
            Words("many schools lost at once", "viele Schulen zugleich verloren"),
            Words(
                "{{ $value | humanizePercentage }} of the schools are lost, most of them since just now.",
                "{{ $value | humanizePercentage }} der Schulen sind verloren, die meisten seit eben.",
            ),
            Words(
                "Either the monitor's line or a provider of many schools is faulty; single schools are not told of meanwhile.",
                "Entweder ist die Leitung der Überwachung gestört oder ein Anbieter vieler Schulen; einzelne Schulen werden "
                "solange nicht gemeldet.",
            ),
            Words(
                "Reach one of the schools from another place. If that works, look at the monitor's line; else ask the "
                "provider that the schools share.",
                "Rufen Sie eine der Schulen von einem anderen Ort auf. Geht das, prüfen Sie die Leitung der Überwachung; "
                "sonst fragen Sie den Anbieter, den die Schulen gemeinsam haben.",
            ),
        ),
        _own(
            "PortwatchBlockedHere",
            "warning",
            f"portwatch_monitor_control_up == 0\nunless on ({DAEMON}) portwatch_monitor_isolated == 1",
            "5m",
            "5m",
            "The host that the control asks may restart, too.",
            Words("port {{ $labels.port }} blocked here", "Port {{ $labels.port }} hier gesperrt"),
            Words(
                "the monitor cannot reach port {{ $labels.port }} anywhere.",
                "Die Überwachung erreicht Port {{ $labels.port }} nirgends.",
            ),
            Words("This port is judged at no school.", "Dieser Port wird an keiner Schule beurteilt."),
            Words(
                "Check that the control's host is up; then ask the hosting company to open the port (many block outgoing 25).",
                "Prüfen Sie, ob der Rechner der Kontrolle läuft; dann lassen Sie den Port vom Rechenzentrum öffnen (viele "
                "sperren ausgehend 25).",
            ),
        ),
        _own(
            "PortwatchDown",
            "critical",
            f'up{{job="{job}"}} == 0\nor absent(up{{job="{job}"}})',
            "1m",
            "2m",
            "A restart takes seconds, and three scrapes must fail. A daemon that hangs answers no scrape either.",
            Words("portwatchd does not answer", "portwatchd antwortet nicht"),
            Words("portwatchd cannot be scraped.", "portwatchd lässt sich nicht abfragen."),
            BLIND,
            ON_VM,
        ),
        _own(
            "PortwatchStalled",
            "critical",
            f"count by ({DAEMON}) (time() - portwatch_school_last_round_timestamp_seconds > {10 * interval}) > 0",
            "5m",
            "2m",
            "Ten intervals without a round, and five minutes more: a reload or a long sweep of a range is over by then.",
            Words("rounds do not come", "Runden bleiben aus"),
            Words(
                f"{{{{ $value }}}} schools have had no round for {10 * interval // 60} minutes.",
                f"{{{{ $value }}}} Schulen hatten seit {10 * interval // 60} Minuten keine Runde.",
            ),
            Words(
                "What is shown of these schools is old.",
                "Was von diesen Schulen gezeigt wird, ist veraltet.",
            ),
            ON_VM,
        ),
        _own(
            "PortwatchRoundsSkipped",
            "warning",
            f"""
rate(portwatch_scheduler_rounds_skipped_total[15m])
/ on ({DAEMON}) (
  rate(portwatch_scheduler_rounds_skipped_total[15m])
  + on ({DAEMON}) rate(portwatch_scheduler_lag_seconds_count[15m])
) > 0.05
and on ({DAEMON}) increase(portwatch_scheduler_rounds_skipped_total[15m]) >= 10""",
            "15m",
            "15m",
            "Single rounds are skipped where a school is slow; one in twenty over half an hour is load. At least ten, for a small fleet has few rounds.",
            Words("rounds skipped", "Runden ausgelassen"),
            Words(
                "{{ $value | humanizePercentage }} of the rounds are left out.",
                "{{ $value | humanizePercentage }} der Runden werden ausgelassen.",
            ),
            Words("Changes are seen later than they should be.", "Änderungen werden später bemerkt, als sie sollten."),
            Words(
                "Give the monitor more processor, a higher concurrency or a longer interval, or split the schools (--shard).",
                "Geben Sie der Überwachung mehr Prozessor, höhere concurrency oder ein längeres Intervall, oder teilen Sie "
                "die Schulen auf (--shard).",
            ),
        ),
        _own(
            "PortwatchReloadFailed",
            "warning",
            "portwatch_config_last_reload_successful == 0",
            "5m",
            "0s",
            "Whoever edits the configuration may mend a slip first.",
            Words("configuration not loaded", "Konfiguration nicht geladen"),
            Words("the configuration could not be read.", "Die Konfiguration war nicht lesbar."),
            Words("The old configuration goes on.", "Die alte Konfiguration gilt weiter."),
            Words(
                "portwatchd config check PATH names every fault.", "portwatchd config check PFAD nennt jeden Fehler."
            ),
        ),
        _own(
            "PortwatchStorageFailed",
            "warning",
            "portwatch_storage_ok == 0",
            "5m",
            "5m",
            "A backup may lock the file for a moment.",
            Words("storage not written", "Speicher nicht beschreibbar"),
            Words("the memory over restarts cannot be written.", "Das Gedächtnis ist nicht beschreibbar."),
            Words(
                "After a restart the history has a gap, and what was learnt is lost.",
                "Nach einem Neustart hat der Verlauf eine Lücke, und Gelerntes ist weg.",
            ),
            Words(
                "Check free space and rights of the directory of storage.path.",
                "Prüfen Sie Platz und Rechte des Verzeichnisses von storage.path.",
            ),
        ),
        _own(
            "PortwatchSchoolsDropped",
            "warning",
            "portwatch_schools < 0.9 * max_over_time(portwatch_schools[6h]) or portwatch_discovery_held_back > 0",
            "10m",
            "0s",
            "Time to reload a list that was written halfway. It ends by itself after six hours: then the list is meant so.",
            Words("fewer schools", "weniger Schulen"),
            Words(
                "{{ with $labels.source }}The list {{ . }} has lost more than half of its schools and is held back: "
                "{{ $value }} schools.{{ else }}{{ $value }} schools are watched, a tenth fewer than within the last six "
                "hours.{{ end }}",
                "{{ with $labels.source }}Die Liste {{ . }} hat mehr als die Hälfte ihrer Schulen verloren und wird "
                "zurückgehalten: {{ $value }} Schulen.{{ else }}{{ $value }} Schulen werden überwacht, ein Zehntel weniger "
                "als in den letzten sechs Stunden.{{ end }}",
            ),
            Words(
                "Schools that have dropped out are not watched, and their alerts have ended; those of a list that is held "
                "back are watched on until the list is read so once more.",
                "Herausgefallene Schulen werden nicht überwacht, und ihre Meldungen sind beendet; die einer zurückgehaltenen "
                "Liste werden weiter überwacht, bis die Liste noch einmal so gelesen wird.",
            ),
            Words(
                "Check the lists of schools and the service discovery; portwatchd config show PATH says what is read.",
                "Prüfen Sie die Listen der Schulen und die Service-Discovery; portwatchd config show PFAD sagt, was gelesen "
                "wird.",
            ),
        ),
        Alert(
            "Watchdog",
            "watchdog",
            (("info", "vector(1)"),),
            "0s",
            "0s",
            "Always fires: whoever receives it raises the alarm when it stays away.",
            Words("alerting works", "die Meldekette lebt"),
            Words("Alerting works: this alert always fires.", "Die Meldekette lebt: Diese Meldung kommt immer."),
            Words("", ""),
            Words("None.", "Keine."),
            Words("Nothing to do, as long as it comes.", "Nichts zu tun, solange sie kommt."),
            of_school=False,
        ),
    ]
