"""Redis holds no older balance than it held, whatever comes again, late or at once."""

from __future__ import annotations

import asyncio
import random

import pytest

from chronos.errors import Unavailable
from chronos.mirror.redis import RedisMirror
from chronos.wire.topics import Names
from tests.integration.mirror.cut import Cut
from tests.integration.mirror.values import balance, rich_balance


async def test_a_balance_reads_back_as_it_was_written(redis_mirror: RedisMirror):
    for written in (balance(), rich_balance()):
        await redis_mirror.write_many([written])

        assert await redis_mirror.read(written.account_id) == written


async def test_the_hash_is_readable_by_a_person_and_amounts_are_decimal_strings(
    redis_mirror: RedisMirror, names: Names
):
    await redis_mirror.write_many([balance(booked=2**53 - 1, held=1, overdraft_limit=None)])

    fields = await redis_mirror._client.hgetall(names.balance_key("alice"))

    assert fields[b"booked"] == b"9007199254740991"
    assert fields[b"available"] == b"9007199254740990"
    assert fields[b"overdraft_limit"] == b""
    assert fields[b"version"] == b"1"


async def test_an_older_or_equal_version_never_overwrites(redis_mirror: RedisMirror):
    newest = balance(version=7)
    await redis_mirror.write_many([newest])

    written = await redis_mirror.write_many([balance(version=6), balance(version=7, booked=1)])

    assert written == 0
    assert await redis_mirror.read("alice") == newest


async def test_many_writers_in_any_order_leave_the_greatest_version(
    redis_mirror: RedisMirror,
):
    versions = list(range(1, 201))
    random.Random(1).shuffle(versions)

    await asyncio.gather(
        *(
            redis_mirror.write_many([balance(version=version) for version in versions[i::8]])
            for i in range(8)
        )
    )

    assert await redis_mirror.read("alice") == balance(version=200)


async def test_a_lost_script_is_loaded_again(redis_mirror: RedisMirror):
    await redis_mirror._client.script_flush()

    assert await redis_mirror.write_many([balance(), balance("bob")]) == 2
    assert await redis_mirror.read("bob") == balance("bob")


async def test_reads_at_the_same_time_are_each_their_own(redis_mirror: RedisMirror):
    known = [balance(f"acc-{number}", version=number) for number in range(1, 40)]
    await redis_mirror.write_many(known)
    asked = [read for known_one in known for read in (known_one.account_id, "nobody")]

    found = await asyncio.gather(*map(redis_mirror.read, asked))

    assert found[::2] == known
    assert set(found[1::2]) == {None}


async def test_more_readers_than_connections_are_all_answered(redis_mirror: RedisMirror):
    await redis_mirror.write_many([balance()])

    found = await asyncio.gather(*(redis_mirror.read("alice") for _ in range(300)))

    assert found == [balance()] * 300


async def test_after_flushing_the_namespace_writing_all_again_restores_it(
    redis_mirror: RedisMirror, names: Names
):
    balances = [balance(f"acc-{i:04}", version=3) for i in range(1200)]
    await redis_mirror.write_many(balances)
    await redis_mirror._client.delete(*(names.balance_key(b.account_id) for b in balances))
    assert await redis_mirror.read("acc-0000") is None

    await redis_mirror.write_many(balances)

    assert await redis_mirror.read_many([b.account_id for b in balances]) == balances
    scanned = {b.account_id: b async for b in redis_mirror.scan()}
    assert scanned == {b.account_id: b for b in balances}


async def test_read_many_keeps_the_order_and_says_none_for_the_unknown(
    redis_mirror: RedisMirror,
):
    await redis_mirror.write_many([balance("a"), balance("b")])

    assert await redis_mirror.read_many(["b", "nobody", "a"]) == [
        balance("b"),
        None,
        balance("a"),
    ]


async def test_a_dead_redis_is_unavailable_and_serves_again_when_it_is_back(
    cut_redis: Cut, names: Names, redis_mirror: RedisMirror
):
    mirror = RedisMirror(cut_redis.url, names)
    await mirror.write_many([balance()])

    await cut_redis.shut()
    with pytest.raises(Unavailable):
        await mirror.read("alice")
    with pytest.raises(Unavailable):
        await mirror.write_many([balance(version=2)])
    with pytest.raises(Unavailable):
        await mirror.ping()
    await cut_redis.open()

    assert await mirror.write_many([balance(version=2)]) == 1
    assert await redis_mirror.read("alice") == balance(version=2)
    await mirror.close()


async def test_a_silent_redis_is_given_up_within_its_deadline(cut_redis: Cut, names: Names):
    mirror = RedisMirror(cut_redis.url, names)
    await mirror.ping()
    cut_redis.hush()

    async with asyncio.timeout(8):
        with pytest.raises(Unavailable):
            await mirror.read("alice")

    cut_redis.speak()
    # An answer that arrives late belongs to nobody: the next question gets its own.
    assert await mirror.read("alice") is None
    await mirror.close()


async def test_a_hash_that_is_not_ours_is_a_fault_not_a_balance(
    redis_mirror: RedisMirror, names: Names
):
    await redis_mirror._client.hset(names.balance_key("alice"), "version", "x")
    await redis_mirror._client.hset(names.balance_key("carol"), "version", b"\xff")
    await redis_mirror._client.set(names.balance_key("dave"), "no hash")
    await redis_mirror.write_many([balance("bob")])

    *bad, good = await asyncio.gather(
        *map(redis_mirror.read, ("alice", "carol", "dave", "bob")), return_exceptions=True
    )

    assert [type(fault) for fault in bad] == [Unavailable] * 3
    assert good == balance("bob")
