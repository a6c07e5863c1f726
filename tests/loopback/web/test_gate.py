"""TLS, passwords and headers on real connections, and files that change meanwhile."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import bcrypt
import pytest
import trustme
from aiohttp import web
from structlog.testing import capture_logs

from portwatchd.options import ListenAddress
from portwatchd.web import gate as module
from portwatchd.web.gate import Gate
from portwatchd.web.serve import WebServer
from portwatchd.web.server import errors_as_json
from tests.running import descriptors, eventually

TLS = "tls_server_config: {cert_file: a.crt, key_file: a.key"
RIGHT = "alice:right"


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


class Place:
    """A server with a gate, and its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "web.yml"
        self.where = ""
        self.readings: list[bool] = []
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(folder / "ca.crt")
        self.certify("127.0.0.1")

    def certify(self, *names: str) -> None:
        made = self.authority.issue_cert(*names)
        (self.folder / "a.crt").write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
        (self.folder / "a.key").write_bytes(made.private_key_pem.bytes())

    def say(self, text: str) -> None:
        (self.folder / "new").write_text(text)
        (self.folder / "new").rename(self.file)

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    async def status(self, path: str = "/", *, tls: ssl.SSLContext | None = None, auth: str = "") -> int:
        scheme = "https" if tls else "http"
        headers = {"Authorization": f"Basic {base64.b64encode(auth.encode()).decode()}"} if auth else {}
        async with (
            aiohttp.ClientSession(headers=headers) as client,
            client.get(f"{scheme}://{self.where}{path}", ssl=tls or True) as answer,
        ):
            self.headers = answer.headers
            return answer.status


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    made = Place(tmp_path)
    made.say("")

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application(middlewares=[errors_as_json])
    app.add_routes([web.get("/", hello), web.get("/api/v1/schools", hello)])
    server = WebServer(app, Gate(made.file, made.readings.append))
    (made.where,) = await server.start([ListenAddress("127.0.0.1", 0)])
    yield made
    await server.stop()


async def test_users_come_and_go_without_a_restart(place: Place) -> None:
    assert await place.status() == 200
    place.say(f"basic_auth_users: {{alice: {hashed('right')}}}")
    assert await place.status() == 401
    assert place.headers["WWW-Authenticate"].startswith("Basic ")
    assert await place.status("/api/v1/schools") == 401
    assert place.headers["WWW-Authenticate"].startswith("Basic ")
    assert await place.status(auth=RIGHT) == 200
    assert await place.status(auth="alice:wrong") == 401
    place.say(f"basic_auth_users: {{alice: {hashed('another')}}}")
    assert await place.status(auth=RIGHT) == 401


async def test_a_broken_file_leaves_the_access_that_was(place: Place) -> None:
    place.say(f"basic_auth_users: {{alice: {hashed('right')}}}")
    assert await place.status() == 401
    place.say("basic_auth_users: {alice: right}")
    assert await place.status() == 401
    assert await place.status(auth=RIGHT) == 200
    assert place.readings == [True, False]
    place.file.unlink()
    assert await place.status() == 401
    place.say("")
    assert await place.status() == 200
    assert place.readings == [True, False, False, True]


async def test_a_file_that_asks_for_no_password_any_more_is_told_of(place: Place) -> None:
    place.say(f"basic_auth_users: {{alice: {hashed('right')}}}")
    with capture_logs() as logs:
        assert await place.status() == 401
        place.say("")
        assert await place.status() == 200
    told = [one["event"] for one in logs if one["log_level"] == "warning"]
    assert told == ["nobody is asked for a password any more"]


async def test_tls_begins_and_a_new_certificate_is_shown_without_a_restart(place: Place) -> None:
    place.say(f"{TLS}}}")
    assert await place.status(tls=place.client()) == 200
    place.certify("127.0.0.9")
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await place.status(tls=place.client())
    place.certify("127.0.0.1")
    assert await place.status(tls=place.client()) == 200


async def test_clients_need_a_certificate(place: Place) -> None:
    place.say(f"{TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt, max_version: TLS12}}")
    with pytest.raises(aiohttp.ClientError):
        await place.status(tls=place.client())
    context = place.client()
    place.authority.issue_cert("client.example.org").configure_cert(context)
    assert await place.status(tls=context) == 200
    stranger = place.client()
    trustme.CA().issue_cert("client.example.org").configure_cert(stranger)
    with pytest.raises(aiohttp.ClientError):
        await place.status(tls=stranger)


async def test_headers_are_set_on_errors_too(place: Place) -> None:
    place.say("http_server_config: {headers: {X-Frame-Options: sameorigin, x-xss-protection: '0'}}")
    assert await place.status() == 200
    assert place.headers["X-Frame-Options"] == "sameorigin"
    assert place.headers["X-XSS-Protection"] == "0"


async def test_who_speaks_clear_to_tls_is_turned_out_and_others_are_served(place: Place) -> None:
    place.say(f"{TLS}}}")
    host, _, port = place.where.rpartition(":")
    before = descriptors()
    for _ in range(20):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.read()
        writer.close()
    assert await place.status(tls=place.client()) == 200
    await eventually(lambda: descriptors() <= before + 3)
