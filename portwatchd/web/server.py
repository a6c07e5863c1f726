"""The routes: what is served where, in which format, and how an error is told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from typing import Protocol
from urllib.parse import unquote, urlencode

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from portwatchd.model import DiagnosisKind, Report, School
from portwatchd.web.api import Json, school_json, sd_json
from portwatchd.web.pages import Pages
from portwatchd.web.query import events_query, language, selection

SEND_SECONDS = 60.0
"""How long a client may take for an answer that is streamed. Of what slow ones hold there are never more generations
than rounds in this time."""
STREAMS = 64
"""Answers streamed at once: what they hold is bounded, and 50 scrapers at once are served."""
Events = Callable[[float | None, str | None], Awaitable[list[Json]]]
"""Whoever keeps the changes: returns them in order of time, since a Unix time, of one school or of all."""
SLICE_SECONDS = 0.005
"""Of making JSON at one go; then the event loop has its turn."""
SCHOOLS_PATH = "/api/v1/schools/"


class Exposition(Protocol):
    """Whoever answers scrapes."""

    def answer(
        self,
        accept: str,
        accept_encoding: str,
        names: Iterable[str],
    ) -> tuple[dict[str, str], AsyncIterator[bytes]]:
        """Return the headers of the answer to a scrape, and its pieces."""
        ...


class Site:
    """The handlers, and what they show."""

    def __init__(
        self,
        *,
        store: Exposition,
        reports: Mapping[str, Report],
        schools: Callable[[], Collection[School]],
        ready: Callable[[], bool],
        reload: Callable[[], Awaitable[str | None]] | None,
        events: Events | None,
    ) -> None:
        self._store = store
        self._reports = reports
        self._schools = schools
        self._ready = ready
        self._reload = reload
        self._events = events
        self._pages = Pages()
        self._streams = 0

    def routes(self) -> list[web.RouteDef]:
        """Return every route; GET answers HEAD too."""
        return [
            web.get("/", self.landing),
            web.get("/metrics", self.metrics),
            web.get("/api/v1/schools", self.list_schools),
            web.get(SCHOOLS_PATH + "{name:.+}", self.one_school),
            web.get("/api/v1/events", self.list_events),
            web.get("/sd", self.discovery),
            web.get("/-/healthy", self.healthy),
            web.get("/-/ready", self.readiness),
            web.post("/-/reload", self.reload),
            web.put("/-/reload", self.reload),
        ]

    async def landing(self, request: web.Request) -> web.Response:
        """The page for people. What it cannot understand of its query it passes over."""
        asked = request.query.get("diagnosis", "")
        lang = _page_language(request)
        page = self._pages.landing(
            self._reports.values(),
            watched=len(self._schools()),
            now=time.time(),
            lang=lang,
            only=DiagnosisKind(asked) if asked in {kind.value for kind in DiagnosisKind} else None,
        )
        headers = {"Content-Security-Policy": self._pages.policy, "Content-Language": lang, "Vary": "Accept-Language"}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """What Prometheus scrapes."""
        headers, pieces = self._store.answer(
            request.headers.get("Accept", ""),
            request.headers.get("Accept-Encoding", ""),
            request.query.getall("name[]", []),
        )
        return await self._stream(request, headers, pieces)

    async def list_schools(self, request: web.Request) -> web.StreamResponse:
        """The schools that the query asks for, streamed. `Link` names the next page where there is one."""
        lang = _language(request)
        try:
            chosen = selection(request.query.items())
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        page, more = chosen.page(self._reports)
        headers = {"Content-Language": lang, "Vary": "Accept-Language, Accept-Encoding"}
        if more:
            following = [(key, value) for key, value in request.query.items() if key != "after"]
            query = urlencode([*following, ("after", page[-1].school.name)])
            headers["Link"] = f'<{request.path}?{query}>; rel="next"'
        return await self._stream_json(request, headers, (school_json(report, lang) for report in page))

    async def one_school(self, request: web.Request) -> web.Response:
        """One school, by its quoted name. One whose first round is not done is known, but has nothing to show yet."""
        lang = _language(request)
        name = unquote(request.raw_path.partition("?")[0].removeprefix(SCHOOLS_PATH))
        report = self._reports.get(name)
        if report is not None:
            headers = {"Content-Language": lang, "Vary": "Accept-Language"}
            return web.json_response(school_json(report, lang), headers=headers)
        if any(school.name == name for school in self._schools()):
            raise web.HTTPServiceUnavailable(text="no round of this school is done yet", headers={"Retry-After": "60"})
        raise web.HTTPNotFound(text="there is no school of this name")

    async def list_events(self, request: web.Request) -> web.Response:
        """What changed: from `since` on (Unix seconds, or RFC 3339) the first changes, else the latest ones."""
        try:
            since, school = events_query(request.query.items())
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        if self._events is None:
            raise web.HTTPServiceUnavailable(text="no history is kept")
        return web.json_response(await self._events(since, school))

    async def discovery(self, request: web.Request) -> web.StreamResponse:
        """The schools as Prometheus' HTTP service discovery reads them."""
        return await self._stream_json(request, {}, (sd_json(school) for school in list(self._schools())))

    async def healthy(self, _: web.Request) -> web.Response:
        """The event loop turns."""
        return web.Response(text="portwatchd is healthy.\n")

    async def readiness(self, _: web.Request) -> web.Response:
        """What is exported is worth reading."""
        if self._ready():
            return web.Response(text="portwatchd is ready.\n")
        return web.Response(status=503, text="portwatchd is not ready: the first round is not done.\n")

    async def reload(self, _: web.Request) -> web.Response:
        """Read the configuration anew. A failure says why, and leaves the old one running."""
        if self._reload is None:
            return web.Response(status=403, text="Lifecycle API is not enabled.\n")
        reason = await self._reload()
        if reason is None:
            return web.Response()
        return web.Response(status=500, text=f"failed to reload config: {reason}\n")

    async def _stream_json(
        self,
        request: web.Request,
        headers: dict[str, str],
        objects: Iterable[Json],
    ) -> web.StreamResponse:
        headers |= {"Content-Type": "application/json; charset=utf-8"}
        return await self._stream(request, headers, _json_pieces(objects), compress=True)

    async def _stream(
        self,
        request: web.Request,
        headers: Mapping[str, str],
        pieces: AsyncIterator[bytes],
        *,
        compress: bool = False,
    ) -> web.StreamResponse:
        """Send pieces as the client takes them. A client too slow for it is cut off."""
        if request.method == "HEAD":
            return web.Response(headers=headers)
        if self._streams >= STREAMS:
            raise web.HTTPServiceUnavailable(text=f"Limit of concurrent requests reached ({STREAMS}), try again later.")
        response = web.StreamResponse(headers=headers)
        if compress:
            response.enable_compression()
        self._streams += 1
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await response.prepare(request)
                async for piece in pieces:
                    await response.write(piece)
                await response.write_eof()
        except ConnectionResetError:
            pass  # the client has hung up, as one may
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._streams -= 1
        return response


async def _json_pieces(objects: Iterable[Json]) -> AsyncIterator[bytes]:
    """Yield a list, an object a line, in pieces of SLICE_SECONDS."""
    loop = asyncio.get_running_loop()
    lines: list[str] = []
    opening, began = "[", loop.time()
    for one in objects:
        lines.append(f"{opening}\n{json.dumps(one)}")
        opening = ","
        if loop.time() - began > SLICE_SECONDS:
            yield "".join(lines).encode()
            lines.clear()
            await asyncio.sleep(0)
            began = loop.time()
    yield f"{''.join(lines)}{'[' if opening == '[' else chr(10)}]\n".encode()


def _language(request: web.Request) -> str:
    try:
        return language(request.query.get("lang"), request.headers.get("Accept-Language", ""))
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _page_language(request: web.Request) -> str:
    try:
        return language(request.query.get("lang"), request.headers.get("Accept-Language", ""))
    except ValueError:
        return language(None, request.headers.get("Accept-Language", ""))


KEPT_HEADERS = frozenset({"Allow", "Retry-After", "WWW-Authenticate"})
"""What an error tells its reader beside its text (RFC 9110 sections 10.2 and 11.6.1)."""


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell errors of the API as `{"error": ...}`; others stay plain text."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or not request.path.startswith("/api/"):
            raise
        headers = {key: value for key, value in error.headers.items() if key in KEPT_HEADERS}
        return web.json_response({"error": error.text or error.reason}, status=error.status, headers=headers)


async def _modest(_: web.Request, response: web.StreamResponse) -> None:
    """No version to attack by; no guessing of types, no framing, no telling where a reader came from."""
    response.headers["Server"] = "portwatchd"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers.setdefault("Cache-Control", "no-store")


def create_app(
    *,
    store: Exposition,
    reports: Mapping[str, Report],
    schools: Callable[[], Collection[School]],
    ready: Callable[[], bool],
    reload: Callable[[], Awaitable[str | None]] | None = None,
    events: Events | None = None,
    middlewares: Iterable[Middleware] = (),
) -> web.Application:
    """Return the application. `reload` returns why it failed, or None; without it the lifecycle API is off."""
    site = Site(store=store, reports=reports, schools=schools, ready=ready, reload=reload, events=events)
    app = web.Application(middlewares=[errors_as_json, *middlewares])
    app.add_routes(site.routes())
    app.on_response_prepare.append(_modest)
    return app
