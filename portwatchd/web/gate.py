"""The gate: the access as the file says it now, and the middleware that lets requests through it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from portwatchd.config import ConfigError
from portwatchd.web.access import Access, read_access
from portwatchd.web.users import Busy, Users

LOOK_SECONDS = 1.0
"""How old what is known of the files may be when somebody comes."""

log = structlog.get_logger()


class Gate:
    """Owns the access. A file that is broken leaves the access that was."""

    def __init__(self, file: Path | None, on_read: Callable[[bool], None] = lambda _: None) -> None:
        """Read the file; ConfigError with every problem of it. None lets everybody in.

        `on_read` hears of each later reading whether it succeeded.
        """
        self._file = file
        self._on_read = on_read
        self._users = Users()
        self._access, self._tls = Access(), None
        self._looked = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._stamps: tuple[object, ...] = ()
        if file is not None:
            self._access, self._tls = read_access(file)
            self._stamps = _stamps(file, self._access)

    async def tls(self) -> ssl.SSLContext | None:
        """The context for the next connection; None for one in clear."""
        await self._look()
        return self._tls

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in whoever has the right password; health and readiness are asked for it too."""
        await self._look()
        hashes = self._access.users
        if hashes:
            try:
                may = await self._users.may(request.headers.get("Authorization", ""), hashes)
            except Busy:
                raise web.HTTPServiceUnavailable(text="Too many passwords at once, try again later.\n") from None
            if not may:
                challenge = {"WWW-Authenticate": 'Basic realm="portwatchd", charset="UTF-8"'}
                raise web.HTTPUnauthorized(text="Unauthorized\n", headers=challenge)
        return await handler(request)

    async def dress(self, _: web.Request, response: web.StreamResponse) -> None:
        """Set the headers that the file names."""
        for name, value in self._access.headers.items():
            if value:
                response.headers[name] = value

    async def _look(self) -> None:
        """Read the file again if it, or a file that it names, has changed; all who come meanwhile wait for it."""
        if self._file is None:
            return
        loop = asyncio.get_running_loop()
        if self._looking is None and loop.time() - self._looked >= LOOK_SECONDS:
            self._looked = loop.time()
            self._looking = loop.create_task(self._read(self._file))
        if self._looking is not None:
            await asyncio.shield(self._looking)

    async def _read(self, file: Path) -> None:
        try:
            stamps = await asyncio.to_thread(_stamps, file, self._access)
            if stamps == self._stamps:
                return
            self._stamps = stamps
            closed = bool(self._access.users)
            self._access, self._tls = await asyncio.to_thread(read_access, file)
            self._stamps = await asyncio.to_thread(_stamps, file, self._access)
            self._on_read(True)
            log.info("web configuration read", file=str(file))
            if closed and not self._access.users:  # an emptied file is a valid one, and may be a mistake
                log.warning("nobody is asked for a password any more", file=str(file))
        except ConfigError as error:
            self._on_read(False)
            for problem in error.problems:
                log.warning("web configuration refused; the old one stays", problem=str(problem))
        finally:
            self._looking = None

    def close(self) -> None:
        """Look at no more passwords."""
        self._users.close()


def _stamps(file: Path, access: Access) -> tuple[object, ...]:
    """What tells one state of the files from another."""
    stamps: list[object] = []
    for path in (file, *access.files):
        try:
            about = path.stat()
        except OSError as error:
            stamps.append(error.errno)
        else:
            stamps.append((about.st_ino, about.st_mtime_ns, about.st_size))
    return tuple(stamps)
