"""`rebuild redis` makes every balance anew, whatever was there and whoever writes."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from chronos.audit import rebuild_redis as module
from chronos.audit.rebuild import RebuildFailed
from chronos.audit.rebuild_redis import drop_old_balances, rebuild_redis
from chronos.audit.verify import verify
from chronos.errors import InvariantBroken, MissingPart
from chronos.mirror.redis import RedisMirror, to_fields
from chronos.mirror.redis_switch import NEW, OLD, BalanceSwitch
from chronos.store.journal_pages import alone
from tests.integration.audit.conftest import spoil
from tests.integration.rebuild.conftest import Killed, Watched

PEOPLE = ["alice", "bob", "carol", "dave"]


async def rebuilt(estate, progress=None):
    targets = estate.targets
    return await rebuild_redis(
        targets.postgres_dsn, targets.redis_url, targets.names, progress=progress or Watched()
    )


async def listed(estate, generation=""):
    switch = BalanceSwitch(estate.targets.redis_url, estate.targets.names)
    try:
        pages = [page async for page in switch.account_ids(generation)]
    finally:
        await switch.close()
    return sorted({name for page in pages for name in page})


async def plant(estate, name, **fields):
    key = estate.targets.names.balance_key(name)
    await estate.redis._client.hset(key, mapping=fields)


async def test_wrong_lost_and_foreign_balances_are_gone_afterwards(estate, books):
    client, names = estate.redis._client, estate.targets.names
    await plant(estate, "alice", booked="1")
    await client.delete(names.balance_key("bob"))
    await plant(estate, "carol", version="900")
    await client.delete(names.balance_key("dave"))
    await client.set(names.balance_key("dave"), "no hash at all")
    mallory = structs.replace(books.balances()["alice"], account_id="mallory")
    await plant(estate, "mallory", **to_fields(mallory))
    await client.set(names.balance_key("") + "\N{SNOWMAN}", "junk")

    facts = await rebuilt(estate)

    assert (await estate.reconciled()).is_clean
    assert (await verify(estate.targets.postgres_dsn)).is_clean
    assert await listed(estate) == PEOPLE
    assert await listed(estate, NEW) == []
    assert facts["took_over"] == 4
    assert facts["set_aside"] == 2
    assert facts["folded"] == len(books.events)


async def test_an_empty_redis_is_filled(estate):
    client, names = estate.redis._client, estate.targets.names
    await client.delete(*[names.balance_key(name) for name in PEOPLE])

    await rebuilt(estate)

    assert (await estate.reconciled()).is_clean
    assert await listed(estate, OLD) == []


async def test_what_was_replaced_is_kept_until_it_is_dropped(estate):
    await plant(estate, "alice", booked="1")

    await rebuilt(estate)

    old = RedisMirror(estate.targets.redis_url, estate.targets.names, generation=OLD)
    kept = await old.read("alice")
    await old.close()
    dropped = await drop_old_balances(estate.targets.redis_url, estate.targets.names)
    assert kept.booked == 1
    assert dropped == 4
    assert await listed(estate, OLD) == []
    assert (await estate.reconciled()).is_clean


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_what_workers_write_during_the_change_stays(estate, later, monkeypatch, moment):
    switch = BalanceSwitch.switch

    async def busy_switch(self, names, unfounded):
        if moment == "before":
            await later.book()
        moved = await switch(self, names, unfounded)
        await later.book()
        return moved

    monkeypatch.setattr(BalanceSwitch, "switch", busy_switch)

    facts = await rebuilt(estate)

    assert facts["took_over"] < 4 if moment == "before" else facts["took_over"] == 4
    assert (await estate.reconciled()).is_clean
    assert await listed(estate, NEW) == []


async def test_what_was_written_after_the_proof_is_folded_before_the_change(
    estate, later, monkeypatch
):
    begin = BalanceSwitch.begin

    async def late_begin(self):
        await later.book()
        # A worker that went wrong wrote this one at its newest version.
        await plant(estate, "alice", booked="1")
        await begin(self)

    monkeypatch.setattr(BalanceSwitch, "begin", late_begin)

    facts = await rebuilt(estate)

    assert facts["took_over"] == 4
    assert (await estate.reconciled()).is_clean


@pytest.mark.parametrize("phase", ["filling", "proving", "taking over"])
async def test_a_rebuild_that_was_killed_goes_on(estate, later, monkeypatch, phase):
    monkeypatch.setattr("chronos.store.journal_pages.ACCOUNTS_PER_PAGE", 2)
    await plant(estate, "alice", booked="1")
    with pytest.raises(Killed):
        await rebuilt(estate, Watched(kill_at=phase))
    await later.book()

    facts = await rebuilt(estate)

    assert facts["went_on"] is (phase == "taking over")
    assert facts["folded"] < len(later.whole.events)
    assert await listed(estate, NEW) == []
    assert await listed(estate, OLD) == PEOPLE
    assert (await estate.reconciled()).is_clean


async def test_balances_that_are_not_equal_never_take_over(estate, monkeypatch):
    prove = module.prove

    async def spoilt_prove(*arguments):
        key = estate.targets.names.balance_key("bob", NEW)
        await estate.redis._client.hset(key, "held", "5")
        return await prove(*arguments)

    monkeypatch.setattr(module, "prove", spoilt_prove)

    with pytest.raises(RebuildFailed, match="shows held 5, the journal has 0"):
        await rebuilt(estate)

    assert await listed(estate, NEW) == []
    assert await listed(estate, OLD) == []
    assert (await estate.reconciled()).is_clean


async def test_a_journal_that_contradicts_itself_is_not_copied(estate):
    statement = "UPDATE events SET body = body || ' ' WHERE account_id = 'bob' AND version = 2"
    await spoil(estate.targets.postgres_dsn, statement)

    with pytest.raises(InvariantBroken, match="Account bob, version 2"):
        await rebuilt(estate)

    assert await listed(estate) == PEOPLE
    assert await listed(estate, NEW) == []


async def test_two_rebuilds_of_one_copy_are_not_run_at_once(estate):
    names = estate.targets.names
    async with alone(estate.targets.postgres_dsn, f"redis of {names.namespace}"):
        with pytest.raises(MissingPart, match="Another rebuild of redis"):
            await rebuilt(estate)


async def test_readers_never_miss_an_account_and_see_no_balance_go_back(estate, later):
    async def look() -> int:
        looks, seen = 0, dict.fromkeys(PEOPLE, 0)
        while not running.done():
            for balance in await estate.redis.read_many(PEOPLE):
                assert balance is not None
                assert balance.version >= seen[balance.account_id]
                seen[balance.account_id] = balance.version
            looks += 1
        return looks

    running = asyncio.create_task(rebuilt(estate))
    looking = asyncio.create_task(look())
    await later.book()
    await running

    assert await looking > 10
    assert (await estate.reconciled()).is_clean
