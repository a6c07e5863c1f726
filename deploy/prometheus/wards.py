"""Owns the alerts on the monitor itself: whoever watches is watched too."""  # noqa: INP001 - a script's part

# ruff: noqa: E501 - a sentence for people is more easily read in one line

from __future__ import annotations

from dataclasses import replace

from alerts import Alert, Rule
from faults import DAEMON
from quiet import MASS, MASS_AGREED, MASS_ALONE

from portwatchd.diagnosis.words import remedies
from portwatchd.model import Words

AT = Words("{{ $labels.instance }}: ", "{{ $labels.instance }}: ")
ON_VM = Words(
    "On the monitor: systemctl status portwatchd, journalctl -u portwatchd.",
    "Auf der Überwachung: systemctl status portwatchd, journalctl -u portwatchd.",
)
NO_SCHOOL = Words("No school is judged meanwhile.", "Solange wird keine Schule beurteilt.")


def _own(  # noqa: PLR0913, PLR0917 - the columns of a table
    name: str,
    severity: str,
    expr: str,
    wait: str,
    keep: str,
    why: str,
    title: Words,
    summary: Words,
    description: Words,
    consequence: Words,
    remedy: Words,
) -> Alert:
    summary = Words(AT.en + summary.en, AT.de + summary.de)
    return Alert(
        name,
        "monitor",
        (Rule(severity, expr),),
        wait,
        keep,
        why,
        title,
        summary,
        description,
        consequence,
        remedy,
    )


def mass_alerts(alone: Alert) -> tuple[Alert, Alert]:
    """Return the outage of the masses as two monitors see it, and as only one of them does; `alone` is that of one monitor."""
    lost = "{{ $value | humanizePercentage }}"
    both = replace(
        alone,
        rules=(Rule("critical", MASS_AGREED),),
        summary=Words(
            f"Two monitors see it: {lost} of the schools are lost, most of them since just now.",
            f"Zwei Überwachungen sehen es: {lost} der Schulen sind verloren, die meisten seit eben.",
        ),
        description=Words(
            "Both monitors see the outside, so it is a provider of many schools, or something that they all share. The "
            "dashboard shows the districts.",
            "Beide Überwachungen sehen die Außenwelt; es ist also ein Anbieter vieler Schulen oder etwas, das sie alle "
            "gemeinsam haben. Das Dashboard zeigt die Bezirke.",
        ),
    )
    one = replace(
        alone,
        rules=(Rule("critical", MASS_ALONE),),
        wait="2m",
        why="The other monitor has rounds of its own, and may see the same a minute later.",
    )
    return both, one


def own_alerts(job: str, interval: int) -> list[Alert]:
    """Return the alerts on the daemon; `interval` is that of its rounds, in seconds."""
    return [
        _own(
            "PortwatchMonitorIsolated",
            "critical",
            "portwatch_monitor_isolated == 1",
            "1m",
            "2m",
            "The daemon has asked its canaries already. While it waits, it hushes the schools. Kept until every school has been asked anew.",
            Words("monitor isolated", "Überwachung abgeschnitten"),
            Words("the monitor itself is cut off.", "Die Überwachung selbst ist abgeschnitten."),
            Words(
                "All its canaries are lost, or most schools at once. portwatch_monitor_canary_up says which canaries; try one "
                "of them from the monitor.",
                "Alle Rechner aus monitor.canaries sind verloren, oder die meisten Schulen zugleich. portwatch_monitor_canary_up "
                "sagt, welche; probieren Sie einen von der Überwachung aus.",
            ),
            NO_SCHOOL,
            remedies.MONITOR,
        ),
        _own(
            "PortwatchMassOutage",
            "critical",
            MASS,
            "0s",
            "5m",
            "At once: it must be there before the alerts on the single schools are, to keep them quiet. Kept for some rounds: the schools do not all come back in one.",
            Words("many schools lost at once", "viele Schulen zugleich verloren"),
            Words(
                "{{ $value | humanizePercentage }} of the schools are lost, most of them since just now.",
                "{{ $value | humanizePercentage }} der Schulen sind verloren, die meisten seit eben.",
            ),
            Words(
                "As far as the monitor can see, it is not cut off itself. Lost now: {{ with query (printf "
                '"count by (diagnosis) (portwatch:school_fault:info{job=%q,instance=%q})" $labels.job $labels.instance) }}'
                '{{ range $i, $d := . | sortByLabel "diagnosis" }}{{ if $i }}, {{ end }}{{ label "diagnosis" $d }} '
                "{{ value $d }}{{ end }}{{ else }}see the dashboard{{ end }}. Find out what these schools share.",
                "Soweit die Überwachung sehen kann, ist sie nicht selbst abgeschnitten. Verloren sind: {{ with query (printf "
                '"count by (diagnosis) (portwatch:school_fault:info{job=%q,instance=%q})" $labels.job $labels.instance) }}'
                '{{ range $i, $d := . | sortByLabel "diagnosis" }}{{ if $i }}, {{ end }}{{ label "diagnosis" $d }} '
                "{{ value $d }}{{ end }}{{ else }}siehe Dashboard{{ end }}. Suchen Sie, was diese Schulen gemeinsam haben.",
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
            "The host that the control asks may restart, too. Kept as long, for the same reason.",
            Words("port {{ $labels.port }} blocked here", "Port {{ $labels.port }} hier gesperrt"),
            Words(
                "the monitor cannot reach port {{ $labels.port }} anywhere.",
                "Die Überwachung erreicht Port {{ $labels.port }} nirgends.",
            ),
            Words(
                "The host of monitor.controls for port {{ $labels.port }} does not answer, though the monitor is not cut off. "
                "Try that host from another place.",
                "Der Rechner aus monitor.controls für Port {{ $labels.port }} antwortet nicht, obwohl die Überwachung nicht "
                "abgeschnitten ist. Probieren Sie ihn von einem anderen Ort aus.",
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
            "A restart takes seconds, and three scrapes must fail. A daemon that hangs answers no scrape either. Kept until every school has been asked anew.",
            Words("portwatchd does not answer", "portwatchd antwortet nicht"),
            Words("portwatchd cannot be scraped.", "portwatchd lässt sich nicht abfragen."),
            Words(
                "It does not run, hangs, or cannot be reached by Prometheus (up is 0, or there is no target). What was lost "
                "before stays so until it can be seen again. Start it, or mend the way to it.",
                "Es läuft nicht, hängt oder ist für Prometheus nicht erreichbar (up ist 0, oder es fehlt das Ziel). Was vorher "
                "verloren war, bleibt es, bis man es wieder sieht. Starten Sie es, oder richten Sie den Weg dorthin.",
            ),
            NO_SCHOOL,
            ON_VM,
        ),
        _own(
            "PortwatchStalled",
            "critical",
            f"count by ({DAEMON}) (time() - portwatch_school_last_round_timestamp_seconds > {10 * interval}) > 0",
            "5m",
            "2m",
            "Ten intervals without a round, and five minutes more: a reload or a long sweep of a range is over by then. Kept for two rounds: one is no recovery.",
            Words("rounds do not come", "Runden bleiben aus"),
            Words(
                f"{{{{ $value }}}} schools have had no round for {10 * interval // 60} minutes.",
                f"{{{{ $value }}}} Schulen hatten seit {10 * interval // 60} Minuten keine Runde.",
            ),
            Words(
                "portwatchd answers Prometheus, but its rounds do not end (portwatch_school_last_round_timestamp_seconds). Look "
                "at processor and memory of the monitor, keep the journal, and restart it.",
                "portwatchd antwortet Prometheus, aber seine Runden enden nicht (portwatch_school_last_round_timestamp_seconds). "
                "Prüfen Sie Prozessor und Speicher der Überwachung, heben Sie das Journal auf und starten Sie neu.",
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
            "Single rounds are skipped where a school is slow; one in twenty over half an hour is load. At least ten, for a small fleet has few rounds. Kept for as long as the rate looks back.",
            Words("rounds skipped", "Runden ausgelassen"),
            Words(
                "{{ $value | humanizePercentage }} of the rounds are left out.",
                "{{ $value | humanizePercentage }} der Runden werden ausgelassen.",
            ),
            Words(
                "A school's round is left out while the one before still runs. Where it is all schools, the monitor is too slow "
                "for so many; where it is some, their answers are. Compare portwatch_scheduler_in_flight with concurrency.",
                "Eine Runde wird ausgelassen, solange die vorige derselben Schule läuft. Betrifft es alle Schulen, ist die "
                "Überwachung zu langsam für so viele; betrifft es einzelne, antworten diese langsam. Vergleichen Sie "
                "portwatch_scheduler_in_flight mit concurrency.",
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
            "portwatch_config_last_reload_successful == 0 or portwatch_web_config_last_reload_successful == 0",
            "5m",
            "0s",
            "Whoever edits the configuration may mend a slip first. Not kept: a reload that succeeds is the end.",
            Words("configuration not loaded", "Konfiguration nicht geladen"),
            Words("the configuration could not be read.", "Die Konfiguration war nicht lesbar."),
            Words(
                "The last reading found a mistake in the configuration, or in that of the web side. Mend it and reload; the "
                "journal names file, line and reason.",
                "Das letzte Lesen fand einen Fehler in der Konfiguration oder in der des Webzugangs. Beheben Sie ihn und "
                "laden Sie neu; das Journal nennt Datei, Zeile und Grund.",
            ),
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
            "A backup may lock the file for a moment. Kept for some writes: one that succeeds is not the end.",
            Words("storage not written", "Speicher nicht beschreibbar"),
            Words("the memory over restarts cannot be written.", "Das Gedächtnis ist nicht beschreibbar."),
            Words(
                "The last write to the database of storage.path failed; watching goes on. The journal names the reason: a full "
                "disk, rights, or a file system that has become read-only.",
                "Das letzte Schreiben in die Datenbank von storage.path schlug fehl; überwacht wird weiter. Das Journal nennt "
                "den Grund: Platte voll, Rechte, oder ein Dateisystem, das nur noch lesbar ist.",
            ),
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
            "Time to reload a list that was written halfway. It ends by itself after six hours: then the list is meant so. Not kept: the schools are back, or are not.",
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
                "{{ with $labels.source }}The schools that this list no longer names are watched on. If it is meant so, the "
                "next reading puts it in force; else mend the list.{{ else }}Compare the schools that are watched now (/sd, "
                "/api/v1/schools) with your own list. Was it meant so, nothing is to be done.{{ end }}",
                "{{ with $labels.source }}Die Schulen, die diese Liste nicht mehr nennt, werden weiter überwacht. Ist es so "
                "gemeint, gilt sie beim nächsten Lesen; sonst bringen Sie die Liste in Ordnung.{{ else }}Vergleichen Sie die "
                "überwachten Schulen (/sd, /api/v1/schools) mit Ihrer eigenen Liste. War es so gemeint, ist nichts zu "
                "tun.{{ end }}",
            ),
            Words(
                "Schools that have dropped out are not watched, and their alerts have ended; those of a list that is held "
                "back are watched on until the list is read so once more.",
                "Herausgefallene Schulen werden nicht überwacht, und ihre Meldungen sind beendet; die einer zurückgehaltenen "
                "Liste werden weiter überwacht, bis die Liste noch einmal so gelesen wird.",
            ),
            Words(
                "Look at the lists of schools. Who is watched, discovered schools too, is on /sd and /api/v1/schools; the "
                "journal tells of each list that could not be read or is held back; portwatchd config show PATH names only "
                "the schools of the configuration and of its school_files.",
                "Prüfen Sie die Listen der Schulen. Wer überwacht wird, auch gefundene Schulen, steht unter /sd und "
                "/api/v1/schools; das Journal nennt jede Liste, die nicht lesbar war oder zurückgehalten wird; portwatchd "
                "config show PFAD nennt nur die Schulen der Konfiguration und ihrer school_files.",
            ),
        ),
        _own(
            "PortwatchDiscoveryFailed",
            "warning",
            "portwatch_discovery_ok == 0",
            "10m",
            "0s",
            "A list that is being written, or a server that restarts, can be read again within minutes. Not kept: a reading that succeeds is the end.",
            Words("list of schools not read", "Liste der Schulen nicht lesbar"),
            Words(
                "the list {{ $labels.source }} cannot be read.",
                "Die Liste {{ $labels.source }} ist nicht lesbar.",
            ),
            Words(
                '{{ with query (printf "portwatch_discovery_last_success_timestamp_seconds{job=%q,instance=%q,source=%q} > 0" '
                "$labels.job $labels.instance $labels.source) }}Last read "
                '{{ (. | first | value | toTime).Local.Format "2006-01-02 15:04 MST" }}. {{ end }}'
                "The journal names the reason.",
                '{{ with query (printf "portwatch_discovery_last_success_timestamp_seconds{job=%q,instance=%q,source=%q} > 0" '
                "$labels.job $labels.instance $labels.source) }}Zuletzt gelesen "
                '{{ (. | first | value | toTime).Local.Format "2006-01-02 15:04 MST" }}. {{ end }}'
                "Das Journal nennt den Grund.",
            ),
            Words(
                "New schools are not watched, and removed ones still are: the list that was read last holds, over a restart too.",
                "Neue Schulen werden nicht überwacht, entfernte noch immer: Es gilt die zuletzt gelesene Liste, auch nach einem Neustart.",
            ),
            Words(
                "Read the file, or ask the URL, from the monitor and with portwatchd's rights; then mend what the journal names.",
                "Lesen Sie die Datei oder fragen Sie die URL von der Überwachung aus und mit den Rechten von portwatchd; "
                "beheben Sie dann, was das Journal nennt.",
            ),
        ),
        Alert(
            "Watchdog",
            "watchdog",
            (Rule("info", "vector(1)"),),
            "0s",
            "0s",
            "Always fires: whoever receives it raises the alarm when it stays away.",
            Words("alerting works", "die Meldekette lebt"),
            Words("Alerting works: this alert always fires.", "Die Meldekette lebt: Diese Meldung kommt immer."),
            Words(
                "Send it to a service outside the monitor that raises the alarm when it stays away: then Prometheus, "
                "Alertmanager or the way from there is broken.",
                "Schicken Sie sie an einen Dienst außerhalb der Überwachung, der Alarm schlägt, wenn sie ausbleibt: Dann ist "
                "Prometheus, Alertmanager oder der Weg von dort gestört.",
            ),
            Words("None.", "Keine."),
            Words("Nothing to do, as long as it comes.", "Nichts zu tun, solange sie kommt."),
        ),
    ]
