"""Lives of a process that remembers as fast as it can, each ended by SIGKILL at a random moment, on one file.

    python -m tests.loopback.history.lane PATH KILLS SEED

prints what every life found of the one before it as a JSON object. A life is a fork of this process: the time until
the kill is spent with the file, not with imports.
"""

import contextlib
import json
import os
import random
import select
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import NoReturn

from portwatchd.history.keeper import History
from portwatchd.history.writer import FLUSH_SECONDS
from portwatchd.model import (
    Diagnosis,
    DiagnosisKind,
    Family,
    Outcome,
    Profile,
    Report,
    School,
    Standing,
    Transition,
    VerdictKind,
)
from portwatchd.net.clock import SystemClock
from portwatchd.rounds.memory import Memory

SCHOOLS = 10
BEGIN = 1_790_000_000.0
LIFE = 1.6
"""Seconds that a life lasts at most."""
LOSS = FLUSH_SECONDS + 0.3
"""Seconds before the kill from which all must be there; the project allows one interval, a minute."""
PAUSE = 0.0005
SMTP = (Family.IPV4, "smtp")
PROFILE = Profile("iserv", ())
BROKEN_CHAIN = """SELECT count(*) FROM (SELECT before, lag(after) OVER (PARTITION BY school ORDER BY at) AS prior
    FROM transition) WHERE prior IS NOT NULL AND before IS NOT prior"""
LAST = "SELECT school, max(at), after FROM transition GROUP BY school"


def live(path: Path, expected: int, pipe: int) -> NoReturn:
    """Start as a daemon does, say what is wrong with what is found, and then change beliefs without end."""

    def say(text: str) -> None:
        os.write(pipe, f"{text}\n".encode())

    said: list[bool] = []
    begun = time.monotonic()
    history = History.open(path, retention=1e10, clock=SystemClock(), on_state=said.append)
    loaded = history.load()
    say(f"started {time.monotonic() - begun}")
    if said != [True]:
        say(f"! the storage is said to be {said}")
    for problem in problems(path, loaded, expected):
        say(f"! {problem}")
    number = max((int(memory.standings[SMTP].since - BEGIN) for memory in loaded.values()), default=0)
    say(f"found {number}")
    while True:
        number += 1
        name = f"school-{number % SCHOOLS}"
        memory = loaded.setdefault(name, Memory())
        standing = memory.standings.get(SMTP)
        before = standing.believed if standing else None
        after = VerdictKind.FORWARD_LOST if before is VerdictKind.OK else VerdictKind.OK
        memory.standings[SMTP] = Standing(after, BEGIN + number)
        memory.outcomes[SMTP] = Outcome.OK
        change = Transition(BEGIN + number, name, *SMTP, "25", before, after)
        diagnosis = Diagnosis(DiagnosisKind.OK)
        school = School(name, "h", "h", PROFILE)
        history.remember(Report(school, BEGIN + number, 0.1, diagnosis, BEGIN, transitions=(change,)), memory)
        say(f"{number} {time.monotonic()}")
        time.sleep(PAUSE)


def problems(path: Path, loaded: dict[str, Memory], expected: int) -> list[str]:
    """Return what is wrong: the file, a change that is there twice or not at all, beliefs that changes do not tell."""
    found = []
    with contextlib.closing(sqlite3.connect(path)) as connection:
        ((sound,),) = connection.execute("PRAGMA integrity_check")
        if sound != "ok":
            found.append(f"integrity_check: {sound}")
        ((broken,),) = connection.execute(BROKEN_CHAIN)
        if broken:
            found.append(f"{broken} changes do not begin where the one before ended")
        last = {school: (at, after) for school, at, after in connection.execute(LAST)}
    believed = {
        name: (memory.standings[SMTP].since, memory.standings[SMTP].believed) for name, memory in loaded.items()
    }
    if last != believed:
        found.append("memories and changes differ")
    newest = max((int(at - BEGIN) for at, _ in last.values()), default=0)
    if newest < expected:
        found.append(f"forgotten: {newest + 1} to {expected}")
    if list(path.parent.glob(f"{path.name}.bad-*")):
        found.append("a file was put aside")
    return found


def kill_at_random(path: Path, expected: int, rng: random.Random) -> tuple[list[str], float]:
    """Let a process live for a while; return its lines, and when it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        live(path, expected, writing)
    os.close(writing)
    end = time.monotonic() + rng.uniform(0, LIFE)
    text = b""
    while (left := end - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0]:
            piece = os.read(reading, 65536)
            if not piece:
                break
            text += piece
    killed = time.monotonic()
    os.kill(child, signal.SIGKILL)
    while piece := os.read(reading, 65536):
        text += piece
    os.close(reading)
    _, status = os.waitpid(child, 0)
    lines = text.decode().splitlines()
    if not os.WIFSIGNALED(status):
        lines.append(f"! it ended by itself with status {os.waitstatus_to_exitcode(status)}")
    return lines, killed


def main(path: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    expected, newest, lost = 0, 0, [0]
    starts: list[float] = []
    wrong: list[str] = []
    for kill in range(kills):
        lines, killed = kill_at_random(path, expected, rng)
        wrong += [f"kill {kill}: {line}" for line in lines if line.startswith("!")]
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "started":
                starts.append(float(rest))
            elif word == "found":
                lost.append(max(0, newest - int(rest)))
                newest = int(rest)
            elif word.isdigit() and rest:
                newest = int(word)
                if float(rest) <= killed - LOSS:
                    expected = max(expected, int(word))
    history = History.open(path, retention=1e10, clock=SystemClock(), on_state=lambda _: None)
    wrong += problems(path, history.load(), expected)
    history.close()
    facts = {"kills": kills, "started": len(starts), "slowest": max(starts), "changes": newest, "lost": max(lost)}
    json.dump(facts | {"wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
