"""The text of a memory: every field comes back, damage is told, and what a newer daemon added does no harm."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portwatchd.history.document import VERSION, Damaged, mark, read, write
from portwatchd.model import (
    Certificate,
    DiagnosisKind,
    Family,
    Outcome,
    Policy,
    PolicyFact,
    Standing,
    VerdictKind,
)
from portwatchd.rounds.memory import Memory, SeenKey
from tests.unit.history.memories import NOON, SMTP, memories, memory_of

PASSING = {"settled", "vouched", "calm", "unreachable", "turn", "proven", "healthy", "limited_at", "sweeping"}
"""Fields that end with the process."""

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KNOWN = [*json.loads(write(memory_of())), "certificates", "policies", "diagnosis", "ranges", "distances", "exposed"]


@given(memories)
def test_every_field_comes_back(memory: Memory) -> None:
    assert read(write(memory)) == memory


@given(memories)
def test_text_that_was_read_is_written_alike(memory: Memory) -> None:
    assert read(write(read(write(memory)))) == memory


def test_no_field_is_forgotten() -> None:
    """Whoever adds a field to the memory decides here whether it outlives the process."""
    written = {"standings", "outcomes", "certificates", "policies", "named"}
    written |= {"diagnosis", "addresses", "changes", "distances", "ranges", "cursors", "searched_at", "swept_at"}
    written |= {"canaries_at", "exposed", "host_key", "audit_due"}
    written |= {"host_key_at", "host_keys", "software", "fingerprints"}
    assert {field.name for field in fields(Memory)} == written | PASSING


def test_what_ends_with_the_process_is_not_kept() -> None:
    memory = Memory(
        healthy={Family.IPV4: ("198.51.100.2", 443)},
        limited_at=12.5,
    )
    assert read(write(memory)) == Memory()


@given(memories, memories)
def test_equal_marks_mean_equal_texts(one: Memory, other: Memory) -> None:
    one.cursors, one.host_key_at, one.host_keys = other.cursors, other.host_key_at, other.host_keys
    if mark(one) == mark(other):
        assert read(write(one)) == read(write(other))


@given(memories)
def test_a_mark_is_the_same_while_nothing_changes(memory: Memory) -> None:
    before = mark(memory)
    memory.cursors[SMTP] = 7
    memory.limited_at = 3.0
    memory.host_key_at = NOON
    memory.host_keys = {address: replace(one, at=NOON) for address, one in memory.host_keys.items()}
    assert mark(memory) == before


@pytest.mark.parametrize(
    "alter",
    [
        lambda memory: memory.standings.update({SMTP: Standing(VerdictKind.OK, NOON, VerdictKind.UNKNOWN, NOON)}),
        lambda memory: memory.outcomes.update({SMTP: Outcome.REFUSED}),
        lambda memory: memory.ranges.update({SMTP: {63000: False}}),
        lambda memory: memory.named.add((Family.IPV6, "smtp")),
        lambda memory: setattr(memory, "host_key", "SHA256:other"),
        lambda memory: setattr(memory, "audit_due", NOON),
        lambda memory: setattr(memory, "software", "dropbear"),
        lambda memory: memory.fingerprints.add("ab"),
        lambda memory: memory.host_keys.update({"198.51.100.2": SeenKey("ab", NOON, "")}),
        lambda memory: memory.addresses.update({Family.IPV4: ("198.51.100.3",)}),
        lambda memory: setattr(memory, "diagnosis", Standing(DiagnosisKind.LINE_DOWN, NOON)),
        lambda memory: memory.policies.update({SMTP: (PolicyFact(Policy.HSTS, holds=False),)}),
    ],
)
def test_a_mark_changes_with_what_is_kept(alter: Callable[[Memory], object]) -> None:
    memory = memory_of()
    memory.ranges[SMTP] = {63000: True}
    before = mark(memory)
    alter(memory)
    assert mark(memory) != before


def test_what_ports_share_is_written_once() -> None:
    certificate = Certificate("CN=a.example.org", "CN=R11", ("a.example.org",), 0.0, 1.0, "ab" * 32, True, "", True)
    keys = [(family, service) for family in Family for service in ("https", "smtp", "imap")]
    text = write(Memory(certificates=dict.fromkeys(keys, certificate)))
    assert text.count("CN=a.example.org") == 1


def test_a_range_is_written_as_runs() -> None:
    ports = dict.fromkeys(range(63000, 63100), True) | {63017: False}
    assert json.loads(write(Memory(ranges={SMTP: ports})))["ranges"] == {
        "ipv4/smtp": [63000, 63016, 1, 63017, 63017, 0, 63018, 63099, 1],
    }


@given(any_json)
def test_any_text_is_read_or_damaged(raw: object) -> None:
    for text in (json.dumps(raw), json.dumps({"version": VERSION, "ports": raw})):
        with contextlib.suppress(Damaged):
            assert isinstance(read(text), Memory)


@given(st.sampled_from(KNOWN), any_json)
def test_a_field_of_any_kind_is_read_or_damaged(field: str, raw: object) -> None:
    with contextlib.suppress(Damaged):
        assert isinstance(read(json.dumps({"version": VERSION, field: raw})), Memory)


@given(memories, st.data())
def test_a_cut_text_is_damaged(memory: Memory, data: st.DataObject) -> None:
    text = write(memory)
    with pytest.raises(Damaged):
        read(text[: data.draw(st.integers(0, len(text) - 1))])


def test_what_a_newer_daemon_wrote_is_left_out() -> None:
    raw = json.loads(write(memory_of()))
    raw |= {"version": VERSION + 1, "moods": {"ipv4/smtp": "glad"}, "addresses": {"ipv5": ["x"], "ipv4": ["y"]}}
    raw["ports"]["ipv4/ssh"] = ["enchanted", NOON, "ok", None, None, 0]
    raw["ports"]["ipv4/ftp"] = ["ok", NOON, "bewitched", None, None, 0]
    raw["ports"]["ipv9/ftp"] = ["ok", NOON, "ok", None, None, 0]
    raw["diagnosis"] = ["cursed", NOON]
    ftp, ssh = (Family.IPV4, "ftp"), (Family.IPV4, "ssh")
    memory = read(json.dumps(raw))
    assert memory.standings == {SMTP: Standing(VerdictKind.OK, NOON), ftp: Standing(VerdictKind.OK, NOON)}
    assert memory.outcomes == {SMTP: Outcome.OK, ssh: Outcome.OK}
    assert memory.addresses == {Family.IPV4: ("y",)}
    assert memory.diagnosis is None
