"""Owns the end of an alert's way: a mail server and a webhook that write down what reaches them, a JSON object a line.

Run in the monitor as a program: it takes the file to write to, the mail server's port and the webhook's.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope, Session


class Book:
    """The file in which everything is written down."""

    def __init__(self, path: Path) -> None:
        """Write to a file, which exists afterwards."""
        self._path = path
        path.touch()

    def note(self, **facts: Any) -> None:  # noqa: ANN401 - whatever JSON can say
        """Write down one thing that came, with its time."""
        with self._path.open("a") as book:
            book.write(json.dumps({"at": time.time(), **facts}) + "\n")

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take a mail."""
        content = envelope.original_content or b""
        message = email.message_from_bytes(content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
        self.note(
            kind="mail",
            to=envelope.rcpt_tos,
            subject=str(message["Subject"]),
            text=parts.get("text/plain", ""),
            html=parts.get("text/html", ""),
        )
        return "250 OK"

    async def post(self, request: web.Request) -> web.Response:
        """Take a webhook's call."""
        self.note(kind="webhook", path=request.path, body=await request.json())
        return web.Response()


async def serve(path: str, mail_port: str, hook_port: str) -> None:
    """Serve until the process is ended."""
    book = Book(Path(path))
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: SMTP(book, hostname="lab", loop=loop), "127.0.0.1", int(mail_port))
    app = web.Application()
    app.add_routes([web.post("/{name}", book.post)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(hook_port)).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:4]))
