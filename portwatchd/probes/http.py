"""HTTP and HTTPS: one GET, whose answer shows the redirect or HSTS, and in an audit the ACME path (RFC 9110, 9112)."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from portwatchd.model import Foreign, Outcome, Policy, Protocol, Stage, Target
from portwatchd.probes.conversation import Conversation, Failed
from portwatchd.probes.web_policies import judge_hsts, judge_redirect
from portwatchd.wire.http import Response, response, title_so_far
from portwatchd.wire.replies import quoted

CHALLENGE = "/.well-known/acme-challenge/portwatchd-probe"
"""A path where Let's Encrypt looks for its proof (RFC 8555 8.3). No such file is there, and a 404 is an answer."""

_USUAL = {Protocol.HTTP: 80, Protocol.HTTPS: 443}


async def probe(talk: Conversation, target: Target) -> None:
    """The server answers a GET with anything but an error of its own (status 500 and above)."""
    with talk.stage(Stage.DIALOGUE):
        answer = await _get(talk, target, "/")
        talk.trace.banner = answer.banner
        if title := await talk.hear(title_so_far):
            talk.trace.banner = Foreign(answer.banner.raw + b" | Title: " + title)
        if target.service.protocol is Protocol.HTTPS:
            holds, reason = judge_hsts(answer.values("strict-transport-security"))
            talk.trace.note(Policy.HSTS, holds, reason)
        else:
            name = target.server_name or _bracketed(target.address)
            verdict, reason = judge_redirect(answer, name, named=bool(target.server_name))
            talk.trace.note(Policy.HTTPS_REDIRECT, verdict, reason)
        if answer.status >= 500:
            raise Failed(Outcome.SERVICE_REFUSES, f"answers {quoted(answer.line)}")


async def ask_challenge(talk: Conversation, target: Target) -> None:
    """Note that the path of ACME challenges is answered, whatever the status: Let's Encrypt can get there (HTTP-01)."""
    with talk.stage(Stage.DIALOGUE):
        answer = await _get(talk, target, CHALLENGE)
        talk.trace.note(Policy.ACME_REACHABLE, holds=True, reason=f"answers {quoted(answer.line)}")


async def _get(talk: Conversation, target: Target, path: str) -> Response:
    host = target.server_name or _bracketed(target.address)
    if target.port != _USUAL.get(target.service.protocol):
        host = f"{host}:{target.port}"  # RFC 9110 7.2
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: portwatchd",
        "Accept: */*",
        "Connection: close",
        "",
        "",
    )
    await talk.send("\r\n".join(lines).encode())
    return await talk.hear(response)


def _bracketed(address: str) -> str:
    """Return an address as a URL names it, without the zone that means nothing to the server (RFC 6874)."""
    parsed = ip_address(address.partition("%")[0])
    return f"[{parsed}]" if isinstance(parsed, IPv6Address) else str(parsed)
