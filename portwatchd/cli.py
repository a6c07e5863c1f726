"""Owns the command line: its options, its exit statuses, and that no wrong use ends in a traceback."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO, cast

from portwatchd import __version__
from portwatchd.config import Config, duration
from portwatchd.config.load import built_in_profiles, load
from portwatchd.config.problem import ConfigError, Refused
from portwatchd.diagnosis.words import LANGUAGES, choose_language, say
from portwatchd.model import DiagnosisKind, Family, Report, Words
from portwatchd.runcommand import add_run
from portwatchd.selection import DEFAULT_PROFILE, USAGE, UsageError, Wanted, select

WELL, LOST, NOT_JUDGED, INTERRUPTED, PIPE_CLOSED = 0, 1, 3, 130, 141
"""Exit statuses beside USAGE; the last two are what a shell says of a program that SIGINT or SIGPIPE ended."""

STATUSES = (
    "exit status: 0 all well; 1 something is lost or faulty, at one school at least; 2 usage or configuration error; "
    "3 nothing is known to be lost, but a school could not be judged"
)
WRITE_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
PORTS, SCHOOLS = Words("ports", "Ports"), Words("schools", "Schulen")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; the streams are flushed, and a closed pipe ends it quietly."""
    _open_streams()
    try:
        try:
            status = _command(argv)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence()
        return PIPE_CLOSED
    except OSError as error:
        if error.errno not in WRITE_FAULTS:
            raise
        _silence()
        print(f"portwatchd: the output cannot be written: {error.strerror}", file=sys.stderr)
        return USAGE
    return status


def _command(argv: Sequence[str] | None) -> int:
    """Parse and obey; every problem of usage or configuration is told on standard error."""
    try:
        parser = _parser()
        options, rest = parser.parse_known_args(argv)
        if hasattr(options, "names"):  # hosts behind an option are left over by argparse
            options.names += [name for name in rest if not name.startswith("-")]
            rest = [name for name in rest if name.startswith("-")]
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except SystemExit as end:  # argparse has said what it had to say
        return end.code if isinstance(end.code, int) else USAGE
    except (ConfigError, UsageError) as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "portwatchd",
        description="Watches from outside whether schools' routers forward the ports their servers need.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"portwatchd {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_run(commands.add_parser("run", help="watch the schools of a configuration", allow_abbrev=False))
    _add_check(commands.add_parser("check", help="diagnose schools once", epilog=STATUSES, allow_abbrev=False))
    config = commands.add_parser("config", help="check or show a configuration", allow_abbrev=False)
    topics = config.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command, text in (
        ("check", _config_check, "name every problem of a configuration"),
        ("show", _config_show, "show a configuration in whole, with its defaults"),
    ):
        topic = topics.add_parser(name, help=text, allow_abbrev=False)
        topic.add_argument("path", type=Path, metavar="PATH")
        topic.set_defaults(command=command)
    profiles = topics.add_parser("profiles", help="list the built-in profiles", allow_abbrev=False)
    _add_language(profiles)
    profiles.set_defaults(command=_config_profiles)
    _add_history(commands.add_parser("history", help="show what changed at a school", allow_abbrev=False))
    demo = commands.add_parser("demo", help="watch three simulated schools", allow_abbrev=False)
    demo.set_defaults(command=_demo)
    return parser


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="HOST", help="host names or addresses; with --config.file: schools")
    parser.add_argument(
        "--config.file", dest="config_file", type=Path, metavar="PATH", help="check schools of this file"
    )
    parser.add_argument("--profile", metavar="NAME", help=f"a built-in profile (default: {DEFAULT_PROFILE})")
    parser.add_argument(
        "--family", choices=[*map(str, Family), "both"], default="both", help="address families (default: both)"
    )
    parser.add_argument(
        "--tls.ca-file", dest="ca_file", type=Path, metavar="PATH", help="authorities besides the system's"
    )
    parser.add_argument("--json", action="store_true", help="a list of reports for programs")
    parser.add_argument("--watch-only", action="store_true", help="only whether services answer: no audit, no proofs")
    _add_language(parser)
    parser.set_defaults(command=_check)


def _add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("school", metavar="SCHOOL")
    parser.add_argument(
        "--config.file", dest="config_file", type=Path, metavar="PATH", help="where the history's path is configured"
    )
    parser.add_argument(
        "--storage.path",
        dest="storage_path",
        type=Path,
        metavar="PATH",
        help=f"the history's file (default: {Config().storage_path})",
    )
    parser.add_argument(
        "--since",
        type=since,
        default="30d",
        metavar="TIME",
        help="how long ago (36h, 30d), Unix seconds, or a time like 2026-01-31T12:00:00Z (default: 30d)",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(command=_history)


def since(text: str) -> float:
    """Read a time in Unix seconds: so long ago, Unix seconds, or RFC 3339."""
    from portwatchd.web.query import moment

    with contextlib.suppress(Refused):
        return time.time() - duration(0, 100 * 366 * 86400)(text)
    try:
        return moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _add_language(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lang", choices=LANGUAGES, help="language of the words (default: that of LC_ALL or LANG)")


def exit_status(reports: Sequence[Report]) -> int:
    """Return the status of a check. A loss outweighs a school that could not be judged: it can be mended."""
    kinds = {report.diagnosis.kind for report in reports}
    if kinds - {DiagnosisKind.OK, DiagnosisKind.UNKNOWN}:
        return LOST
    return NOT_JUDGED if DiagnosisKind.UNKNOWN in kinds else WELL


def _check(options: argparse.Namespace) -> int:
    schools, config = select(
        Wanted(
            names=tuple(options.names),
            config_file=options.config_file,
            profile=options.profile,
            family=options.family,
            ca_file=options.ca_file,
        )
    )
    lang = _language(options)

    from rich.console import Console

    from portwatchd import app
    from portwatchd.checkview import show
    from portwatchd.progress import CheckProgress

    class Output(Console):
        """A console that leaves a closed pipe to `main`."""

        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 - rich calls it while it handles the BrokenPipeError

    names = [school.name for school in schools]
    with CheckProgress(Console(stderr=True), names, say(PORTS, lang), say(SCHOOLS, lang)) as progress:
        reports = app.check(schools, config=config, watch_only=options.watch_only, progress=progress)
    if options.json:
        from portwatchd.web.api import school_json

        utf8 = sys.stdout.encoding.lower() in {"utf-8", "utf8"}
        print(json.dumps([school_json(r, lang) for r in reports], ensure_ascii=not utf8, indent=2, allow_nan=False))
    else:
        terminal = sys.stdout.isatty() and os.environ.get("TERM") not in {None, "", "dumb"}
        show(reports, Output(force_terminal=terminal), lang, terminal=terminal)
    return exit_status(reports)


def _history(options: argparse.Namespace) -> int:
    from portwatchd.history.place import Unusable
    from portwatchd.history.view import history

    config = load(options.config_file) if options.config_file else Config()
    path = options.storage_path or config.storage_path
    if path is None:
        raise UsageError("the configuration keeps no history: storage.path is null")
    try:
        text = history(path, options.school, since=options.since, until=time.time(), as_json=options.json)
    except (Unusable, LookupError) as error:
        raise UsageError(str(error.args[0])) from None
    print(text, end="" if text.endswith("\n") else "\n")
    return WELL


def _language(options: argparse.Namespace) -> str:
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return options.lang or choose_language(next(filter(None, names), None))


def _config_check(options: argparse.Namespace) -> int:
    from portwatchd.config.show import describe

    print(f"{options.path}: {describe(load(options.path))}")
    return WELL


def _config_show(options: argparse.Namespace) -> int:
    from portwatchd.config.show import effective

    print(effective(load(options.path)), end="")
    return WELL


def _config_profiles(options: argparse.Namespace) -> int:
    from portwatchd.config.show import profiles_table

    print(profiles_table(built_in_profiles(), _language(options)), end="")
    return WELL


def _demo(_options: argparse.Namespace) -> int:
    from portwatchd.demo.main import run_demo

    return run_demo()


def _open_streams() -> None:
    """Put something in place of a closed stream, and let no character that a stream cannot write end the program."""
    # In this order the descriptors 0 to 2 are taken again, and never become a socket that somebody prints to.
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _nowhere(mode: str) -> TextIO:
    return cast("TextIO", open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123 - open until the end


def _silence() -> None:
    """Lead standard output elsewhere once it fails, so that the interpreter's last flush meets no error."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
