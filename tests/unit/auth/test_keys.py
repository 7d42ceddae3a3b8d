"""API keys: proved by their secret, believed for a while, served while PostgreSQL is down."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chronos.auth import keys
from chronos.auth.keys import ApiKeys, new_key, parse_scopes, read_server_secret
from chronos.auth.principals import Scope
from chronos.errors import SettingFault, Unavailable

SECRET = b"s" * 32


@dataclass
class Row:
    key_id: str
    hmac: bytes
    principal: str = "demo"
    scopes: tuple[str, ...] = ("read", "write")
    revoked_at: datetime | None = None


class FakeTable:
    def __init__(self):
        self.rows = {}
        self.asked = 0
        self.is_down = False

    async def find(self, key_id):
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise Unavailable("postgresql", "the fake is down")
        return self.rows.get(key_id)


class HandClock:
    def __init__(self):
        self.seconds = 1000.0

    def monotonic_s(self):
        return self.seconds

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def table():
    return FakeTable()


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def api_keys(table, clock):
    return ApiKeys(table, server_secret=SECRET, clock=clock)


@pytest.fixture
def key(table):
    made = new_key(SECRET)
    table.rows[made.key_id] = Row(made.key_id, made.hmac)
    return made


def bearer(key):
    return f"Bearer {key.text}"


async def test_a_key_names_its_principal_and_scopes(api_keys, key):
    principal = await api_keys.authenticate(bearer(key))

    assert principal is not None
    assert (principal.name, principal.key_id) == ("demo", key.key_id)
    assert principal.may(Scope.WRITE)
    assert not principal.may(Scope.ADMIN)


async def test_an_admin_may_do_everything(api_keys, key, table):
    table.rows[key.key_id].scopes = ("admin",)

    principal = await api_keys.authenticate(bearer(key))

    assert principal is not None
    assert principal.may(Scope.READ)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer chk__",
        "Bearer chk_abc_def",
        "Bearer " + "x" * 10_000,
        "Bearer chk_" + "a" * 12 + "_" + "é" * 43,
    ],
)
async def test_what_is_no_key_is_nobody_and_asks_nothing(api_keys, table, header):
    assert await api_keys.authenticate(header) is None
    assert table.asked == 0


@pytest.mark.parametrize("name", ["chronos", "Chronos"])
async def test_a_key_in_the_name_of_chronos_itself_is_nobody(api_keys, key, table, name):
    table.rows[key.key_id].principal = name

    assert await api_keys.authenticate(bearer(key)) is None


async def test_a_wrong_secret_is_nobody(api_keys, key):
    wrong = key.text[:-1] + ("a" if key.text[-1] != "a" else "b")

    assert await api_keys.authenticate(f"Bearer {wrong}") is None
    assert await api_keys.authenticate(f"Bearer {wrong}\n") is None
    assert await api_keys.authenticate(f"Bearer {key.text}x") is None


async def test_another_server_s_secret_proves_nothing(table, clock, key):
    elsewhere = ApiKeys(table, server_secret=b"t" * 32, clock=clock)

    assert await elsewhere.authenticate(bearer(key)) is None


async def test_a_key_is_believed_without_asking_again(api_keys, table, key):
    for _ in range(3):
        await api_keys.authenticate(bearer(key))

    assert table.asked == 1


async def test_a_revoked_key_is_void_within_a_minute(api_keys, table, clock, key):
    await api_keys.authenticate(bearer(key))
    table.rows[key.key_id] = Row(key.key_id, key.hmac, revoked_at=clock.now())
    clock.seconds += 60

    assert await api_keys.authenticate(bearer(key)) is None


async def test_a_key_is_believed_from_the_asking_and_not_from_the_answer(table, clock, key):
    class Slow(FakeTable):
        async def find(self, key_id):
            found = await super().find(key_id)
            clock.seconds += 5
            return found

    slow = Slow()
    slow.rows = table.rows
    asked_at_s = clock.seconds
    api_keys = ApiKeys(slow, server_secret=SECRET, clock=clock)
    await api_keys.authenticate(bearer(key))
    table.rows[key.key_id] = Row(key.key_id, key.hmac, revoked_at=clock.now())
    clock.seconds = asked_at_s + keys.BELIEVED_S

    assert await api_keys.authenticate(bearer(key)) is None


async def test_an_unknown_key_is_remembered_for_a_moment_only(api_keys, table, clock):
    made = new_key(SECRET)
    await api_keys.authenticate(bearer(made))
    await api_keys.authenticate(bearer(made))
    asked = table.asked
    table.rows[made.key_id] = Row(made.key_id, made.hmac)
    clock.seconds += keys.ABSENT_BELIEVED_S

    assert asked == 1
    assert await api_keys.authenticate(bearer(made)) is not None


async def test_what_is_remembered_serves_while_the_table_is_away(api_keys, table, clock, key):
    await api_keys.authenticate(bearer(key))
    table.is_down = True
    clock.seconds += 3600

    for _ in range(3):
        assert await api_keys.authenticate(bearer(key)) is not None
    assert table.asked == 2


async def test_a_stranger_is_told_that_the_table_is_away(api_keys, table):
    table.is_down = True

    with pytest.raises(Unavailable):
        await api_keys.authenticate(bearer(new_key(SECRET)))


async def test_callers_at_once_share_one_look_up(api_keys, table, key):
    found = await asyncio.gather(*(api_keys.authenticate(bearer(key)) for _ in range(20)))

    assert all(found)
    assert table.asked == 1


async def test_the_memory_is_bounded(api_keys, monkeypatch):
    monkeypatch.setattr(keys, "REMEMBERED_MAX", 3)

    for _ in range(10):
        await api_keys.authenticate(bearer(new_key(SECRET)))

    assert len(api_keys._remembered) == 3


def test_the_text_of_a_key_is_not_what_is_stored(key):
    assert key.text.split("_")[2].encode() not in key.hmac


@pytest.mark.parametrize("words", [[], ["root"], ["read", ""]])
def test_scopes_are_known_words(words):
    with pytest.raises(ValueError, match=r"scope|Scope"):
        parse_scopes(words)


def test_a_server_secret_is_long_enough_and_there(tmp_path):
    short = tmp_path / "short"
    short.write_bytes(b"abc\n")

    for path in (None, tmp_path / "none", short):
        with pytest.raises(SettingFault, match="CHRONOS_KEY_SECRET_FILE"):
            read_server_secret(path)


def test_a_server_secret_in_the_place_of_its_files_path_is_not_repeated():
    with pytest.raises(SettingFault, match="takes the path of a file") as refused:
        read_server_secret(Path("geheim" * 8))

    assert "geheimgeheim" not in "".join(traceback.format_exception(refused.value))
