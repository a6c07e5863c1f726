import asyncio
import base64
import time
from collections.abc import Iterator

import bcrypt
import pytest

from portwatchd.web import users as module
from portwatchd.web.access import HASH
from portwatchd.web.users import Busy, Users, credentials

HASHES = {
    "alice": bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode(),
    "bob": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"),
}


@pytest.fixture
def users() -> Iterator[Users]:
    made = Users()
    yield made
    made.close()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "may"),
    [
        (basic("alice", "right"), True),
        (basic("alice", "right").replace("Basic", "basic"), True),
        (basic("bob", "x" * 72), True),
        (basic("bob", "x" * 80), True),
        (basic("bob", "x" * 71), False),
        (basic("alice", "wrong"), False),
        (basic("alice", ""), False),
        (basic("carol", "right"), False),
        (basic("", ""), False),
        ("", False),
        ("Basic", False),
        ("Basic ####", False),
        ("Basic " + base64.b64encode(b"\xff\xfe").decode(), False),
        ("Bearer abc", False),
    ],
)
async def test_passwords(users: Users, authorization: str, may: bool) -> None:
    assert await users.may(authorization, HASHES) is may
    assert await users.may(authorization, HASHES) is may


async def test_a_right_password_is_hashed_once_and_a_changed_hash_counts(users: Users) -> None:
    hashes = {"alice": bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()}
    assert await users.may(basic("alice", "right"), hashes)
    began = time.perf_counter()
    for _ in range(100):
        assert await users.may(basic("alice", "right"), hashes)
    assert time.perf_counter() - began < 0.1
    assert not await users.may(basic("alice", "right"), HASHES | {"alice": HASHES["bob"]})


async def test_an_unknown_user_costs_what_a_known_one_does(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = {"alice": bcrypt.hashpw(b"right", bcrypt.gensalt(8)).decode()}
    held: list[bytes] = []
    reckon = bcrypt.checkpw

    def watched(password: bytes, hashed: bytes) -> bool:
        held.append(hashed)
        return reckon(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", watched)
    assert not await users.may(basic("alice", "wrong"), hashes)
    assert not await users.may(basic("carol", "wrong"), hashes)
    known, decoy = (HASH.fullmatch(hashed.decode()) for hashed in held)
    assert known is not None
    assert decoy is not None
    assert (known[0], known[1]) == (hashes["alice"], decoy[1])
    assert decoy[0] != known[0]


async def test_guesses_neither_fill_the_memory_nor_hold_up_who_is_known(users: Users) -> None:
    hashes = {"alice": bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()}
    assert await users.may(basic("alice", "right"), hashes)
    guesses = [asyncio.create_task(users.may(basic("alice", f"guess{n}"), hashes)) for n in range(module.WAITING + 20)]
    await asyncio.sleep(0)
    began = time.perf_counter()
    assert await users.may(basic("alice", "right"), hashes)
    assert time.perf_counter() - began < 0.05
    users.close()
    for guess in guesses[: module.WAITING]:
        guess.cancel()
    results = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(result, Busy) for result in results) == 20
    assert len(users._right) == 1


async def test_unknown_users_cost_what_the_known_ones_do_each_always_the_same(
    users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = {f"user{rounds}": f"$2b${rounds:02}${'a' * 53}" for rounds in (4, 6, 12)}
    held: list[int] = []

    def watched(_: bytes, hashed: bytes) -> bool:
        match = HASH.fullmatch(hashed.decode())
        assert match
        held.append(int(match[1]))
        return False

    monkeypatch.setattr(bcrypt, "checkpw", watched)
    rounds: list[list[int]] = []
    for password in ("one", "other"):
        held.clear()
        for number in range(100):
            assert not await users.may(basic(f"nobody{number}", password), hashes)
        rounds.append(held.copy())
    assert rounds[0] == rounds[1]
    assert all(rounds[0].count(one) > 10 for one in (4, 6, 12))
    held.clear()
    for name in hashes:
        assert not await users.may(basic(name, "wrong"), hashes)
    assert held == [4, 6, 12]


def test_a_colon_in_a_password() -> None:
    assert credentials(basic("a", "b:c")) == ("a", "b:c")
