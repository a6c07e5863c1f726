"""Where lists come from: files that are watched, and URLs that are asked."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from glob import glob
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from portwatchd import __version__
from portwatchd.config import FileSd, HttpSd
from portwatchd.config.document import SIZE_LIMIT, decode, read_text
from portwatchd.config.problem import Problems, escaped
from portwatchd.config.values import spell
from portwatchd.discovery.entries import Listing, listing
from portwatchd.discovery.groups import Broken, Group, from_json, from_yaml
from portwatchd.discovery.shelf import key_of
from portwatchd.model import Foreign

POLL_SECONDS = 5.0
"""How often files are looked at for changes."""
ANSWER_SECONDS = 30.0
"""How long a URL may take for its whole answer; less where it is asked more often."""
REDIRECTS = 5
CONTENT_TYPE = re.compile(r'application/json(;\s*charset=("utf-8"|utf-8))?', re.IGNORECASE)
"""Prometheus' own rule for the answer of http_sd."""
QUERY = re.compile(r"\?[^\s'\"]+")


class Source(Protocol):
    """A list that can be read again and again."""

    name: str
    key: str
    """What tells it from others, and nobody its URL."""
    refresh: float
    """Seconds after which it is read whether it seems to have changed or not."""
    poll: float
    """Seconds between looks."""

    async def read(self, *, whole: bool) -> Listing | None:
        """Read it; None where it has not changed, unless the `whole` is asked for. Broken where there is no list."""
        ...


class FileSource:
    """The files that a file_sd's patterns match. A file that is broken keeps its last good list."""

    def __init__(self, wanted: FileSd) -> None:
        self.name = Foreign(" ".join(map(str, wanted.files)).encode(errors="replace")).shown()
        self.key = key_of("files", *map(str, wanted.files))
        self.refresh = wanted.refresh_interval
        self.poll = min(POLL_SECONDS, wanted.refresh_interval)
        self._patterns = [str(file) for file in wanted.files]
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._groups: dict[str, list[Group]] = {}
        self._faults: dict[str, str] = {}

    async def read(self, *, whole: bool) -> Listing | None:
        """Look in a thread: a file server that does not answer must hold nobody up."""
        return await asyncio.to_thread(self._read, whole=whole)

    def _read(self, *, whole: bool) -> Listing | None:
        # Path.glob takes no absolute patterns.
        found = {name: _stamp(name) for pattern in self._patterns for name in sorted(glob(pattern))}  # noqa: PTH207
        stamps = {name: stamp for name, stamp in found.items() if stamp is not None}
        if not whole and stamps == self._stamps:
            return None
        for name in self._stamps.keys() - stamps.keys():
            self._groups.pop(name, None)
            self._faults.pop(name, None)
        for name, stamp in stamps.items():
            if whole or self._stamps.get(name) != stamp:
                try:
                    self._groups[name] = read_file(Path(name))
                    self._faults.pop(name, None)
                except Broken as reason:
                    self._faults[name] = f"{escaped(name)}: {reason}"
        self._stamps = stamps
        groups = [group for name in stamps for group in self._groups.get(name, ())]
        return listing(groups, [self._faults[name] for name in stamps if name in self._faults])


def _stamp(name: str) -> tuple[int, ...] | None:
    """What tells one state of a file from another; None where it is gone."""
    try:
        about = Path(name).stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return (error.errno or 0,)
    return about.st_dev, about.st_ino, about.st_mtime_ns, about.st_ctime_ns, about.st_size


def read_file(path: Path) -> list[Group]:
    """The groups of one file, by its ending; Broken says why there are none."""
    problems = Problems()
    text = read_text(path, problems.sheet(""))
    if text is None:
        raise Broken(_first(problems))
    return from_json(text) if path.suffix.lower() == ".json" else from_yaml(text)


def _first(problems: Problems) -> str:
    problem = problems.found()[0]
    return f"line {problem.line}: {problem.reason}" if problem.line else problem.reason


class HttpSource:
    """A URL that serves a list."""

    def __init__(self, wanted: HttpSd, ca_file: Path | None) -> None:
        self._url = wanted.url
        self._ca_file = ca_file
        parts = urlsplit(wanted.url)
        self.name = Foreign(urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")).encode()).shown()
        """The URL without its query, which may hold a secret."""
        self.key = key_of("url", wanted.url)
        self.refresh = self.poll = wanted.refresh_interval

    async def read(self, *, whole: bool) -> Listing | None:  # noqa: ARG002 - an answer is always whole
        """Ask as Prometheus does, and want what it wants."""
        seconds = min(ANSWER_SECONDS, self.refresh)
        try:
            data = await self._answer(seconds)
        except TimeoutError:
            raise Broken(f"no whole answer within {spell(seconds)}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Broken(_why(error)) from None
        problems = Problems()
        text = decode(data, problems.sheet(""))
        if text is None:
            raise Broken(_first(problems))
        return listing(await asyncio.to_thread(from_json, text))

    async def _answer(self, seconds: float) -> bytes:
        headers = {
            "Accept": "application/json",
            "User-Agent": f"portwatchd/{__version__}",
            "X-Prometheus-Refresh-Interval-Seconds": f"{self.refresh:g}",
        }
        # Made anew each time: the authorities' file may be another by now.
        tls = await asyncio.to_thread(_authorities, self._ca_file) if self._url.startswith("https") else True
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as client,
            client.get(self._url, ssl=tls, max_redirects=REDIRECTS) as answer,
        ):
            if answer.status != 200:
                raise Broken(f"the server answers with status {answer.status}")
            kind = answer.headers.get("Content-Type", "")
            if not CONTENT_TYPE.fullmatch(kind.strip()):
                raise Broken(f"the answer is {escaped(kind[:60]) or 'of no type'}, but application/json is wanted")
            data = bytearray()
            async for piece in answer.content.iter_chunked(65536):
                data += piece
                if len(data) > SIZE_LIMIT:
                    raise Broken(f"the answer is larger than {SIZE_LIMIT // 2**20} MiB")
            return bytes(data)


def _why(error: Exception) -> str:
    """An error in words. A URL in it loses its query, which may hold a secret."""
    if isinstance(error, aiohttp.TooManyRedirects):
        return f"more than {REDIRECTS} redirects"
    return QUERY.sub("?...", escaped(str(error))) or type(error).__name__


def _authorities(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities, and the configuration's own."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(os.fspath(ca_file))
    return context
