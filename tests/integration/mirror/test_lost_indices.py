"""Indices that are lost, made again by others, left by a rebuild or closed: all is mirrored."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer

from agents import index_source
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.fill_state import fill_state, mark_filled
from chronos.mirror.generations import Generations
from chronos.mirror.indices import delete_indices
from chronos.settings import Settings
from chronos.wire.topics import Names
from tests.integration.mirror.values import Bank
from tests.integration.mirror.worker import eventually, mirrored, publish, working


async def come_back(search: ElasticsearchMirror, names: Names, bank: Bank) -> None:
    await eventually(lambda: search.client.indices.exists(index=names.entries_alias))
    await eventually(lambda: search.client.indices.exists(index=names.accounts_alias))
    await eventually(lambda: mirrored(search, bank))


async def test_indices_are_made_by_the_worker_when_nobody_has(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    await search.client.indices.delete(
        index=[f"{names.entries_alias}-v1", f"{names.accounts_alias}-v1"]
    )
    await publish(producer, settings, bank)

    async with working(settings):
        await come_back(search, names, bank)


async def test_an_index_that_was_lost_is_filled_again_without_a_new_event(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    bank.open("alice")
    bank.pay("alice")
    await producer.send_and_wait(names.events, b"junk", key=b"alice", partition=0)
    await publish(producer, settings, bank)
    async with working(settings):
        await eventually(lambda: mirrored(search, bank))
    await delete_indices(search.client, names)

    async with working(settings):
        await come_back(search, names, bank)
        # It is said after the last document was written, which a search may find before.
        await eventually(lambda: is_filled(search, names.entries_alias))
        await eventually(lambda: is_filled(search, names.accounts_alias))


async def is_filled(search: ElasticsearchMirror, alias: str) -> bool:
    return (await fill_state(search.client, alias)).is_filled


async def test_an_index_that_was_made_again_while_it_was_filled_is_not_filled(
    names: Names, search: ElasticsearchMirror
):
    await search.ensure_indices()
    alias = names.entries_alias
    lost = await fill_state(search.client, alias)
    await delete_indices(search.client, names)
    await search.ensure_indices()

    await mark_filled(search.client, lost)
    assert not await is_filled(search, alias)

    await mark_filled(search.client, await fill_state(search.client, alias))
    assert await is_filled(search, alias)


async def test_an_index_that_is_lost_under_a_running_worker_is_filled_again(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    bank.open("alice")
    await publish(producer, settings, bank)
    async with working(settings) as app:
        await eventually(lambda: mirrored(search, bank))
        await delete_indices(search.client, names)
        bank.pay("alice")
        await publish(producer, settings, bank, start=2)

        await come_back(search, names, bank)
    assert not app.crashed


async def test_an_index_that_is_lost_under_an_idle_worker_is_filled_again(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    bank.open("alice")
    bank.pay("alice")
    await publish(producer, settings, bank)
    async with working(settings) as app:
        await eventually(lambda: mirrored(search, bank))
        await delete_indices(search.client, names)
        # As when the batch of one index meets the loss of both.
        await search.ensure_indices()

        await eventually(lambda: mirrored(search, bank))
        await eventually(lambda: is_filled(search, names.entries_alias))
        await eventually(lambda: is_filled(search, names.accounts_alias))
    assert not app.crashed


async def test_an_index_that_a_killed_rebuild_left_is_filled(
    settings: Settings,
    names: Names,
    producer: AIOKafkaProducer,
    search: ElasticsearchMirror,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(index_source, "CATCHING_UP_MAX_S", 1.0)
    bank = Bank(names)
    bank.open("alice")
    bank.pay("alice")
    await publish(producer, settings, bank)
    rebuild = Generations(search.client, names)
    async with working(settings) as app:
        await eventually(lambda: mirrored(search, bank))
        await rebuild.begin()
        await rebuild.switch()
        assert await rebuild.is_catching_up()

        await eventually(lambda: mirrored(search, bank))
        await eventually(lambda: is_filled(search, names.entries_alias))
    assert not app.crashed


async def test_in_place_of_a_lost_index_no_older_one_is_taken(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    """What went to the lost one since it replaced the older one would be missing."""
    bank = Bank(names)
    bank.open("alice")
    await publish(producer, settings, bank)
    rebuild = Generations(search.client, names)
    async with working(settings) as app:
        await eventually(lambda: mirrored(search, bank))
        await rebuild.begin()
        await rebuild.switch()
        before = await rebuild.retire_old()
        for alias in (names.entries_alias, names.accounts_alias):
            await mark_filled(search.client, await fill_state(search.client, alias))
        bank.pay("alice")
        await publish(producer, settings, bank, start=2)
        await search.client.indices.delete(
            index=[f"{names.entries_alias}-v2", f"{names.accounts_alias}-v2"]
        )

        await come_back(search, names, bank)
        await eventually(lambda: is_filled(search, names.accounts_alias))
        now = [await fill_state(search.client, names.entries_alias)]
        now += [await fill_state(search.client, names.accounts_alias)]
    assert not {state.name for state in now} & set(before)
    # Whoever moves an alias back by hand gets it filled too.
    assert not [one for one in before if (await fill_state(search.client, one)).is_filled]
    assert not app.crashed


async def test_behind_a_closed_index_the_worker_waits_until_it_is_opened(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    bank.open("alice")
    await publish(producer, settings, bank)
    async with working(settings) as app:
        await eventually(lambda: mirrored(search, bank))
        await search.client.indices.close(index=names.entries_alias)
        assert await is_filled(search, names.entries_alias)
        bank.pay("alice")
        await publish(producer, settings, bank, start=2)
        await eventually(lambda: waits(app))
        await search.client.indices.open(index=names.entries_alias)

        await eventually(lambda: mirrored(search, bank))
    assert not app.crashed


async def waits(app) -> bool:
    return app.liveness.waiting_for == ("elasticsearch",)
