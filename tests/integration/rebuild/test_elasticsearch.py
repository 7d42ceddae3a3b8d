"""`rebuild elasticsearch` makes both indices anew, whatever they held and whoever writes."""

from __future__ import annotations

import asyncio

import pytest

from chronos.audit import rebuild_elasticsearch as module
from chronos.audit.rebuild import RebuildFailed
from chronos.audit.rebuild_elasticsearch import drop_old_indices, rebuild_elasticsearch
from chronos.audit.verify import verify
from chronos.errors import InvariantBroken, MissingPart, Unavailable
from chronos.mirror.fill_state import fill_state
from chronos.mirror.generations import Generations, next_alias, old_alias
from chronos.mirror.indices import delete_indices
from chronos.store.journal_pages import alone
from tests.integration.audit.conftest import spoil
from tests.integration.rebuild.conftest import Killed, Watched


async def rebuilt(estate, progress=None):
    targets = estate.targets
    return await rebuild_elasticsearch(
        targets.postgres_dsn,
        targets.elasticsearch_url,
        targets.names,
        progress=progress or Watched(),
    )


async def behind(estate, alias):
    client = estate.elasticsearch.client
    answer = await client.options(ignore_status=404).indices.get_alias(name=alias)
    return sorted(name for name in dict(answer) if name not in {"error", "status"})


async def test_wrong_lost_and_foreign_documents_are_gone_afterwards(estate, books):
    names, client = estate.targets.names, estate.elasticsearch.client
    lost = next(row for row in books.events if row.account_id == "dave" and row.version == 3)
    strange = books.events[0].body.replace(b'"alice"', b'"aaron"')
    await client.update(index=names.accounts_alias, id="carol", doc={"booked": 7})
    await client.delete(index=names.entries_alias, id=lost.event_id)
    await client.index(index=names.entries_alias, id="x", document=strange, refresh=True)
    assert not (await estate.reconciled()).is_clean

    facts = await rebuilt(estate)

    assert (await estate.reconciled()).is_clean
    assert (await verify(estate.targets.postgres_dsn)).is_clean
    assert facts["written"] == len(books.events)
    assert (await fill_state(client, names.entries_alias)).is_filled
    assert (await fill_state(client, names.accounts_alias)).is_filled


async def test_lost_indices_are_made_again(estate):
    await delete_indices(estate.elasticsearch.client, estate.targets.names)

    facts = await rebuilt(estate)

    assert facts["kept"] == []
    assert (await estate.reconciled()).is_clean


async def test_an_index_that_lost_its_alias_is_not_taken_for_a_new_one(estate):
    names, client = estate.targets.names, estate.elasticsearch.client
    await client.indices.delete_alias(index="*", name=names.entries_alias)

    await rebuilt(estate)

    assert await behind(estate, names.entries_alias) == [f"{names.entries_alias}-v2"]
    assert (await estate.reconciled()).is_clean
    dropped = await drop_old_indices(estate.targets.elasticsearch_url, names)
    assert dropped == [f"{names.entries_alias}-v1", f"{names.accounts_alias}-v1"]


async def test_the_old_indices_are_kept_until_they_are_dropped(estate):
    names = estate.targets.names
    before = await behind(estate, names.entries_alias)

    facts = await rebuilt(estate)
    kept = await behind(estate, old_alias(names.entries_alias))
    is_kept_filled = (await fill_state(estate.elasticsearch.client, kept[0])).is_filled
    foreign = f"{names.entries_alias}-v1-restored"
    await estate.elasticsearch.client.indices.create(index=foreign)
    dropped = await drop_old_indices(estate.targets.elasticsearch_url, names)

    assert before == kept == [f"{names.entries_alias}-v1"]
    assert not is_kept_filled
    assert await behind(estate, names.entries_alias) == [f"{names.entries_alias}-v2"]
    assert dropped == facts["kept"]
    await estate.elasticsearch.client.indices.delete(index=foreign)
    assert await behind(estate, old_alias(names.entries_alias)) == []
    assert (await estate.reconciled()).is_clean


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_what_is_written_around_the_change_is_in_the_new_indices(
    estate, later, monkeypatch, moment
):
    """The mirror wrote it to the old indices after the proof, or to the new ones after."""
    switch = Generations.switch

    async def busy_switch(self):
        if moment == "before":
            await later.book()
        await switch(self)
        await later.book()

    monkeypatch.setattr(Generations, "switch", busy_switch)

    await rebuilt(estate)

    assert later.is_booked
    assert (await estate.reconciled()).is_clean


@pytest.mark.parametrize("phase", ["filling", "proving", "catching up"])
async def test_a_rebuild_that_was_killed_goes_on(estate, later, monkeypatch, phase):
    monkeypatch.setattr("chronos.store.journal_pages.ACCOUNTS_PER_PAGE", 2)
    with pytest.raises(Killed):
        await rebuilt(estate, Watched(kill_at=phase))
    await later.book()

    watched = Watched()
    facts = await rebuilt(estate, watched)

    assert facts["went_on"] is True
    assert facts["kept"] == [
        name
        for alias in (estate.targets.names.entries_alias, estate.targets.names.accounts_alias)
        for name in await behind(estate, old_alias(alias))
    ]
    assert len(facts["kept"]) == 2
    assert watched.phases[-1] == "catching up"
    # What the first run wrote is not written again.
    assert facts["written"] < len(later.whole.events)
    assert await behind(estate, next_alias(estate.targets.names.entries_alias)) == []
    assert (await estate.reconciled()).is_clean


async def test_an_index_that_is_lost_while_it_catches_up_is_not_called_rebuilt(
    estate, monkeypatch
):
    names, client = estate.targets.names, estate.elasticsearch.client
    bring_up_all = module.bring_up_all

    async def bring_up_and_lose(shadow, pages, tally, *, phase):
        await bring_up_all(shadow, pages, tally, phase=phase)
        if phase == "catching up":
            await client.indices.delete(index=f"{names.accounts_alias}-v2")
            await estate.elasticsearch.ensure_indices()

    with monkeypatch.context() as lossy:
        lossy.setattr(module, "bring_up_all", bring_up_and_lose)
        with pytest.raises(Unavailable, match=f"{names.accounts_alias} was lost"):
            await rebuilt(estate)
    assert not (await fill_state(client, names.accounts_alias)).is_filled

    await rebuilt(estate)

    assert (await estate.reconciled()).is_clean
    assert (await fill_state(client, names.accounts_alias)).is_filled


async def test_an_index_that_is_not_equal_never_takes_over(estate, monkeypatch):
    names, client = estate.targets.names, estate.elasticsearch.client
    prove = module.prove

    async def spoilt_prove(*arguments):
        index = next_alias(names.accounts_alias)
        await client.update(index=index, id="bob", doc={"held": 5}, refresh=True)
        return await prove(*arguments)

    monkeypatch.setattr(module, "prove", spoilt_prove)

    with pytest.raises(RebuildFailed, match="shows held 5, the journal has 0"):
        await rebuilt(estate)

    assert await behind(estate, next_alias(names.accounts_alias)) == []
    assert await behind(estate, names.accounts_alias) == [f"{names.accounts_alias}-v1"]
    assert (await estate.reconciled()).is_clean


async def test_a_journal_that_contradicts_itself_is_not_copied(estate):
    statement = "UPDATE events SET body = body || ' ' WHERE account_id = 'bob' AND version = 2"
    await spoil(estate.targets.postgres_dsn, statement)

    with pytest.raises(InvariantBroken, match="Account bob, version 2"):
        await rebuilt(estate)

    names = estate.targets.names
    assert await behind(estate, names.accounts_alias) == [f"{names.accounts_alias}-v1"]


async def test_two_rebuilds_of_one_copy_are_not_run_at_once(estate):
    names = estate.targets.names
    async with alone(estate.targets.postgres_dsn, f"elasticsearch of {names.namespace}"):
        with pytest.raises(MissingPart, match="Another rebuild of elasticsearch"):
            await rebuilt(estate)


async def test_views_never_miss_an_account_during_the_change(estate):
    index = estate.elasticsearch.accounts
    running = asyncio.create_task(rebuilt(estate))
    looks = 0
    while not running.done():
        assert all(await index.read_many(["alice", "bob", "carol", "dave"]))
        looks += 1
    await running
    assert looks > 10
