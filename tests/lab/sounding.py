"""Owns the lab's own probes: raw connects with a limited TTL, and scripted dialogues.

Run in the monitor, unprivileged, as a program: it takes a JSON list of probes and prints a JSON list of findings. It
shares no code with portwatchd, so that it can bear witness for the lab.
"""

from __future__ import annotations

import errno
import json
import select
import socket
import ssl
import struct
import sys
import time
from contextlib import suppress
from typing import Any

# Not in Python's socket module.
IP_RECVERR, IP_MINTTL, IPV6_RECVERR, IPV6_MINHOPCOUNT = 11, 21, 25, 73
SOCK_EXTENDED_ERR = struct.Struct("=IBBBBII")
ORIGINS = {2: "icmp", 3: "icmp6"}
PATIENCE = 4.0
"""Seconds for an answer in a dialogue."""
OUTCOMES = {0: "connected", errno.ECONNREFUSED: "refused", errno.EHOSTUNREACH: "unreachable"}
UNREACHABLE = {("icmp", 3): "unreachable", ("icmp6", 1): "unreachable"}
EXCEEDED = {("icmp", 11): "time-exceeded", ("icmp6", 3): "time-exceeded"}


def connect(probe: dict[str, Any]) -> dict[str, Any]:
    """Connect once: keys `address`, `port`, and if wanted `ttl` (of the SYN), `min_ttl` (of the answer), `timeout`."""
    sixth = ":" in probe["address"]
    level = socket.IPPROTO_IPV6 if sixth else socket.IPPROTO_IP
    began = time.monotonic()
    with socket.socket(socket.AF_INET6 if sixth else socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(level, IPV6_RECVERR if sixth else IP_RECVERR, 1)
        if "ttl" in probe:
            sock.setsockopt(level, socket.IPV6_UNICAST_HOPS if sixth else socket.IP_TTL, probe["ttl"])
        if "min_ttl" in probe:
            sock.setsockopt(level, IPV6_MINHOPCOUNT if sixth else IP_MINTTL, probe["min_ttl"])
        error = sock.connect_ex((probe["address"], probe["port"]))
        if error != errno.EINPROGRESS:
            return {"outcome": errno.errorcode.get(error, "connected"), "icmp": [], "seconds": 0.0}
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        # A second SYN leaves after one second; a shorter wait keeps it to one.
        answered = poll.poll(1000 * probe.get("timeout", 0.5))
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        icmp = list(_errors(sock))
    outcome = OUTCOMES.get(error, errno.errorcode.get(error, "?")) if answered else "silent"
    return {"outcome": outcome, "icmp": icmp, "seconds": round(time.monotonic() - began, 3)}


def _errors(sock: socket.socket) -> list[dict[str, Any]]:
    """Return the ICMP errors in a socket's error queue."""
    found = []
    with suppress(BlockingIOError):
        while True:
            for _level, _kind, data in sock.recvmsg(512, 512, socket.MSG_ERRQUEUE)[1]:
                _errno, origin, kind, code, _pad, _info, _data = SOCK_EXTENDED_ERR.unpack_from(data)
                if origin not in ORIGINS:
                    continue
                key = (ORIGINS[origin], kind)
                offender = data[SOCK_EXTENDED_ERR.size :]
                if ORIGINS[origin] == "icmp":
                    address = socket.inet_ntop(socket.AF_INET, offender[4:8])
                else:
                    address = socket.inet_ntop(socket.AF_INET6, offender[8:24])
                name = EXCEEDED.get(key) or UNREACHABLE.get(key) or str(key)
                found.append({"kind": name, "code": code, "from": address})
    return found


def talk(probe: dict[str, Any]) -> dict[str, Any]:
    """Hold a dialogue: keys `address`, `port`, `name`, `ca_file` and `steps`.

    A step is a text to send, an empty text to hear first, or `TLS`. All text is Latin-1, so that it can carry bytes.
    What was heard after each step is in `heard`; after `TLS` it is the version, or why the handshake failed.
    """
    heard: list[str] = []
    address = (probe["address"], probe["port"])
    sock: socket.socket = socket.create_connection(address, timeout=PATIENCE)
    try:
        for step in probe["steps"]:
            if step == "TLS":
                context = ssl.create_default_context(cafile=probe["ca_file"])
                try:
                    secure = context.wrap_socket(sock, server_hostname=probe["name"])
                except OSError as failure:
                    heard.append(str(failure))
                    break
                sock = secure
                heard.append(str(secure.version()))
                continue
            sock.sendall(step.encode("latin-1"))
            heard.append(_hear(sock))
    finally:
        sock.close()
    return {"heard": heard}


def _hear(sock: socket.socket) -> str:
    """Return what the peer says until it pauses for a moment, or closes."""
    told = b""
    with suppress(TimeoutError, ConnectionResetError):
        while piece := sock.recv(65536):
            told += piece
            sock.settimeout(0.15)
    sock.settimeout(PATIENCE)
    return told.decode("latin-1")


if __name__ == "__main__":
    kinds = {"connect": connect, "talk": talk}
    json.dump([kinds[probe["kind"]](probe) for probe in json.loads(sys.argv[1])], sys.stdout)
