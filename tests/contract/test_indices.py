"""Indices and their generations: the real Elasticsearch and the fake do the same with them."""

from __future__ import annotations

import pytest

from chronos.clock import SystemIds
from chronos.errors import Unavailable
from chronos.mirror.accounts import AccountIndex
from chronos.mirror.fill_state import fill_state, mark_filled
from chronos.mirror.generations import Generations, next_alias, old_alias
from chronos.mirror.guard import open_client
from chronos.mirror.indices import create_index, delete_indices, ensure_indices
from chronos.wire.topics import Names
from tests.integration.mirror.values import balance
from tests.simulation.search import FakeElasticsearch
from tests.simulation.world import World


@pytest.fixture
def names():
    return Names(SystemIds().new_id("t"))


@pytest.fixture
async def real_client(servers, names):
    client = open_client(servers.elasticsearch)
    yield client, lambda name: client.indices.delete(index=name)
    await delete_indices(client, names)
    await client.close()


@pytest.fixture
async def simulated_client():
    world = World(0)
    world.is_calm = True
    client = FakeElasticsearch(world)

    async def delete(name):
        client.lose(name)

    return client, delete


@pytest.fixture(params=["real", "simulated"])
def search(request):
    return request.getfixturevalue(f"{request.param}_client")


@pytest.fixture
def client(search):
    return search[0]


@pytest.fixture
def delete(search):
    return search[1]


async def test_what_is_there_is_not_made_again(client, names):
    made = await ensure_indices(client, names)

    assert made == [f"{names.entries_alias}-v1", f"{names.accounts_alias}-v1"]
    assert await ensure_indices(client, names) == []


async def test_an_alias_has_one_index_and_keeps_it(client, names):
    await ensure_indices(client, names)
    before = await fill_state(client, names.entries_alias)

    assert await create_index(client, names.entries_alias, behind=names.entries_alias) is None
    assert await fill_state(client, names.entries_alias) == before


async def test_a_mark_counts_for_the_index_that_it_names(client, delete, names):
    await ensure_indices(client, names)
    alias = names.accounts_alias
    lost = await fill_state(client, alias)
    await delete(lost.name)
    assert (await fill_state(client, alias)).uuid == ""
    with pytest.raises(Unavailable):
        await mark_filled(client, lost)
    await ensure_indices(client, names)

    await mark_filled(client, lost)

    made_again = await fill_state(client, alias)
    assert made_again.name == lost.name
    assert made_again.uuid != lost.uuid
    assert not made_again.is_filled
    await mark_filled(client, made_again)
    assert (await fill_state(client, alias)).is_filled


async def test_into_an_index_that_is_not_there_nothing_is_written(client, delete, names):
    await ensure_indices(client, names)
    await delete(f"{names.accounts_alias}-v1")

    with pytest.raises(Unavailable):
        await AccountIndex(client, names.accounts_alias).write_many([balance()])


async def test_a_rebuild_takes_over_and_what_it_replaced_counts_no_more(client, delete, names):
    await ensure_indices(client, names)
    await mark_filled(client, await fill_state(client, names.entries_alias))
    generations = Generations(client, names)

    await generations.begin()
    await generations.begin()
    coming = await fill_state(client, next_alias(names.entries_alias))
    await generations.switch()
    assert await generations.retire_old() == [
        f"{names.entries_alias}-v1",
        f"{names.accounts_alias}-v1",
    ]

    now = await fill_state(client, names.entries_alias)
    assert now == coming
    assert now.name == f"{names.entries_alias}-v2"
    assert now.is_catching_up
    assert await generations.is_catching_up()
    old = await fill_state(client, old_alias(names.entries_alias))
    assert (old.name, old.is_filled) == (f"{names.entries_alias}-v1", False)

    await delete(now.name)
    assert await ensure_indices(client, names) == [f"{names.entries_alias}-v2"]
    made_again = await fill_state(client, names.entries_alias)
    assert not made_again.is_filled
    assert not made_again.is_catching_up
