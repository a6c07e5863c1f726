"""Owns the options of `portwatchd run`."""

from __future__ import annotations

import argparse
from pathlib import Path

from portwatchd.config.problem import ConfigError
from portwatchd.options import DEFAULT_LISTEN_ADDRESS, ListenAddress, LogFormat, LogLevel, RunOptions, listen_address
from portwatchd.selection import USAGE, UsageError
from portwatchd.shard import WHOLE, Shard

SHARD_LIMIT = 1000


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options, and what carries them out."""
    parser.add_argument("--config.file", dest="config_file", type=Path, required=True, metavar="PATH")
    parser.add_argument(
        "--web.listen-address",
        dest="listen_addresses",
        type=_listen_address,
        action="append",
        metavar="ADDR",
        help=f"HOST:PORT, [IPV6]:PORT or :PORT, also :PORT+N; may be repeated (default: {DEFAULT_LISTEN_ADDRESS})",
    )
    parser.add_argument(
        "--web.config.file",
        dest="web_config_file",
        type=Path,
        metavar="PATH",
        help="TLS, users and headers, in the format of Prometheus' exporter-toolkit",
    )
    parser.add_argument(
        "--web.systemd-socket",
        dest="systemd_socket",
        action="store_true",
        help="listen on the sockets of systemd's socket activation",
    )
    parser.add_argument("--web.enable-lifecycle", dest="lifecycle", action="store_true", help="allow POST /-/reload")
    parser.add_argument(
        "--storage.path",
        dest="storage_path",
        type=Path,
        metavar="PATH",
        help="the history's file, in place of the configuration's",
    )
    parser.add_argument(
        "--shard", type=int, metavar="N", help="watch only share N of the schools, from 0; with --total-shards"
    )
    parser.add_argument(
        "--total-shards",
        dest="total_shards",
        type=int,
        metavar="M",
        help="into how many the schools are divided",
    )
    parser.add_argument("--log.level", dest="log_level", choices=[*map(str, LogLevel)], default="info")
    parser.add_argument("--log.format", dest="log_format", choices=[*map(str, LogFormat)], default="logfmt")
    parser.set_defaults(command=_run)


def _listen_address(text: str) -> ListenAddress:
    try:
        return listen_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _shard(number: int | None, total: int | None) -> Shard:
    """The share of the schools, or UsageError."""
    if number is None and total is None:
        return WHOLE
    if number is None or total is None or not 0 <= number < total <= SHARD_LIMIT:
        raise UsageError(
            "portwatchd run: --shard=N and --total-shards=M stand together: "
            f"N from 0 up to M-1, M from 1 to {SHARD_LIMIT}"
        )
    return Shard(number, total)


def _run(options: argparse.Namespace) -> int:
    """Run the daemon. Who collects JSON from its log gets what keeps it from starting as JSON too."""
    try:
        return _watch(options)
    except (ConfigError, UsageError) as error:
        if options.log_format != LogFormat.JSON:
            raise
        from portwatchd import journal

        journal.configure(options.log_level, options.log_format)
        journal.cannot_start(error.problems)
        journal.close()
        return USAGE


def _watch(options: argparse.Namespace) -> int:
    from portwatchd import app
    from portwatchd.web.serve import CannotListen

    shard = _shard(options.shard, options.total_shards)
    usual = () if options.systemd_socket else (DEFAULT_LISTEN_ADDRESS,)
    try:
        return app.run(
            RunOptions(
                config_file=options.config_file,
                listen_addresses=tuple(options.listen_addresses or usual),
                web_config_file=options.web_config_file,
                systemd_socket=options.systemd_socket,
                enable_lifecycle=options.lifecycle,
                storage_path=options.storage_path,
                shard=shard,
                log_level=LogLevel(options.log_level),
                log_format=LogFormat(options.log_format),
            )
        )
    except CannotListen as error:
        raise UsageError(f"portwatchd run: {error.strerror}") from None
