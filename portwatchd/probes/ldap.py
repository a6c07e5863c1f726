"""LDAPS: an anonymous bind, the root DSE, and an unbind (RFC 4511, RFC 4512 5.1)."""

from __future__ import annotations

from portwatchd.model import Foreign, Outcome, Stage, Target
from portwatchd.probes.conversation import Conversation, Failed
from portwatchd.wire import ber
from portwatchd.wire.lines import Buffer, Malformed, Reader, Reading

BIND, BIND_RESPONSE, UNBIND = 0x60, 0x61, 0x42
SEARCH, ENTRY, SEARCH_DONE, REFERENCE = 0x63, 0x64, 0x65, 0x73
EXTENDED_RESPONSE = 0x78
SIMPLE, PRESENT = 0x80, 0x87

ATTRIBUTES = (b"namingContexts", b"vendorName", b"supportedLDAPVersion")
"""What the root DSE is asked for: it tells one school's directory from another's."""

REFUSED_BY_POLICY = frozenset({7, 8, 13, 48, 49, 50, 53})
"""Result codes of a server that is well and wants no anonymous client (RFC 4511 A.2): authMethodNotSupported,
strongerAuthRequired, confidentialityRequired, inappropriateAuthentication, invalidCredentials,
insufficientAccessRights, unwillingToPerform."""

RESULTS = {1: "operations error", 2: "protocol error", 51: "busy", 52: "unavailable", 80: "other error"}

Message = tuple[int, tuple[ber.Element, ...]]
"""Tag of the operation, and its parts."""


async def probe(talk: Conversation, _target: Target) -> None:
    """The server answers a bind, if only to refuse it by policy, and then the search for its root DSE."""
    with talk.stage(Stage.DIALOGUE):
        await talk.send(_bind(1))
        bound = await _result(talk, 1, BIND_RESPONSE)
        if bound not in {0, *REFUSED_BY_POLICY}:
            raise Failed(
                Outcome.SERVICE_REFUSES, f"answers the bind with result {bound} {RESULTS.get(bound, '')}".rstrip()
            )
        if bound == 0:
            await talk.send(_search(2))
            found = await _result(talk, 2, SEARCH_DONE)
            if found in RESULTS:
                raise Failed(Outcome.SERVICE_REFUSES, f"answers the search with result {found} {RESULTS[found]}")
        await talk.send(ber.element(ber.SEQUENCE, ber.number(3), ber.element(UNBIND)))


async def _result(talk: Conversation, number: int, awaited: int) -> int:
    """Return the result code that ends an operation; an entry before it becomes the banner. Raises `Failed`."""
    while True:
        tag, parts = await talk.hear(_message(number))
        if tag == ENTRY:
            talk.trace.banner = _shown(parts)
        elif tag in {awaited, EXTENDED_RESPONSE}:
            code = parts[0].integer()
            if tag == EXTENDED_RESPONSE:  # a notice of disconnection, for no other one is unasked (RFC 4511 4.4.1)
                raise Failed(
                    Outcome.SERVICE_REFUSES, f"disconnects with result {code} {RESULTS.get(code, '')}".rstrip()
                )
            return code


def _message(number: int) -> Reader[Message]:
    """Return a reader of one message that belongs to this number, or is unasked for (number 0)."""

    def read(buffer: Buffer) -> Reading[Message]:
        envelope = (yield from ber.sequence(buffer)).children()
        if len(envelope) < 2:
            raise Malformed("an LDAP message of fewer than two parts")
        numbered, operation = envelope[0].integer(), envelope[1]
        if numbered not in {number, 0}:
            raise Malformed(f"an LDAP message numbered {numbered} instead of {number}")
        allowed = {EXTENDED_RESPONSE} if numbered == 0 else {BIND_RESPONSE, ENTRY, SEARCH_DONE, REFERENCE}
        if operation.tag not in allowed:
            raise Malformed(f"an LDAP operation 0x{operation.tag:02x} that answers nothing")
        parts = operation.children()
        if operation.tag != REFERENCE and len(parts) < 2:
            raise Malformed("an LDAP answer that ends too early")
        if operation.tag not in {ENTRY, REFERENCE}:
            parts[0].integer()
        return operation.tag, parts

    return read


def _shown(entry: tuple[ber.Element, ...]) -> Foreign:
    """Return an entry's attributes as one text: `name=value name=value`. Raises `Malformed`."""
    words: list[bytes] = []
    for attribute in entry[1].children():
        name, *rest = attribute.children() or (ber.Element(ber.OCTETS, b""),)
        words += [name.content + b"=" + value.content for values in rest[:1] for value in values.children()]
    return Foreign(b" ".join(words))


def _bind(number: int) -> bytes:
    """Version 3, no name, no password: an anonymous bind (RFC 4513 5.1.1)."""
    operation = ber.element(BIND, ber.number(3), ber.element(ber.OCTETS), ber.element(SIMPLE))
    return ber.element(ber.SEQUENCE, ber.number(number), operation)


def _search(number: int) -> bytes:
    """The root DSE: an empty base, scope base, any object class."""
    operation = ber.element(
        SEARCH,
        ber.element(ber.OCTETS),
        ber.number(0, ber.ENUMERATED),  # scope: base
        ber.number(0, ber.ENUMERATED),  # aliases: never followed
        ber.number(1),  # entries at most
        ber.number(10),  # seconds at most
        ber.element(0x01, b"\x00"),  # values too, not only types
        ber.element(PRESENT, b"objectClass"),
        ber.element(ber.SEQUENCE, *(ber.element(ber.OCTETS, name) for name in ATTRIBUTES)),
    )
    return ber.element(ber.SEQUENCE, ber.number(number), operation)
