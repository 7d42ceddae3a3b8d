"""Elasticsearch holds each event once and no older account than it held."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from chronos.errors import InvariantBroken, Unavailable
from chronos.mirror.accounts import AccountQuery
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.entries import EVENT_TYPES, EntryQuery
from chronos.mirror.fill_state import fill_state
from chronos.mirror.generations import Generations, next_alias
from chronos.mirror.indices import create_index, delete_indices
from chronos.mirror.narrowing import Narrowing
from chronos.wire.topics import Names
from tests.conftest import ServerAddresses
from tests.integration.mirror.cut import Cut
from tests.integration.mirror.values import Bank, balance, rich_balance


async def ids(search: ElasticsearchMirror, **filters) -> list[str]:
    await search.accounts.refresh()
    rows = await search.accounts.page(AccountQuery(**filters), after_account=None, rows_max=100)
    return [row.account_id for row in rows]


async def test_indices_are_made_once_and_asking_again_changes_nothing(
    search: ElasticsearchMirror, names: Names
):
    assert await search.ensure_indices() == []
    await search.ping()

    aliases = await search.client.indices.get_alias(name=f"{names.namespace}-*")
    assert sorted(aliases.body) == [f"{names.accounts_alias}-v1", f"{names.entries_alias}-v1"]


async def test_two_processes_may_make_the_indices_at_once(
    servers: ServerAddresses, names: Names
):
    mirrors = [ElasticsearchMirror(servers.elasticsearch, names) for _ in range(2)]
    try:
        await asyncio.gather(*(mirror.ensure_indices() for mirror in mirrors))

        await mirrors[0].ping()
    finally:
        await mirrors[0].client.indices.delete(
            index=[f"{names.accounts_alias}-v1", f"{names.entries_alias}-v1"]
        )
        for mirror in mirrors:
            await mirror.close()


async def test_whoever_comes_too_late_takes_the_alias_from_nobody(
    search: ElasticsearchMirror, names: Names
):
    alias = names.accounts_alias

    assert await create_index(search.client, alias, behind=alias) is None

    assert (await fill_state(search.client, alias)).name == f"{alias}-v1"


async def test_what_a_rebuild_has_not_finished_never_becomes_current_without_it(
    search: ElasticsearchMirror, names: Names
):
    await delete_indices(search.client, names)
    await Generations(search.client, names).begin()

    made = await search.ensure_indices()

    assert made == [f"{names.entries_alias}-v2", f"{names.accounts_alias}-v2"]
    for alias in (names.entries_alias, names.accounts_alias):
        assert (await fill_state(search.client, next_alias(alias))).name == f"{alias}-v1"
        assert (await fill_state(search.client, alias)).name == f"{alias}-v2"


async def test_two_indices_behind_one_alias_are_refused_with_what_to_do(
    search: ElasticsearchMirror, names: Names
):
    other = f"{names.accounts_alias}-v7"
    await search.client.indices.create(index=other, aliases={names.accounts_alias: {}})

    with pytest.raises(InvariantBroken, match=f"2 indices, .*-v1, {other}: leave it on"):
        await fill_state(search.client, names.accounts_alias)
    with pytest.raises(InvariantBroken, match="2 indices"):
        await search.ensure_indices()


async def test_an_account_reads_back_as_it_was_written(search: ElasticsearchMirror):
    for written in (balance(), rich_balance()):
        await search.accounts.write_many([written])

        assert await search.accounts.read(written.account_id) == written


async def test_an_older_or_equal_version_never_overwrites_and_counts_as_applied_already(
    search: ElasticsearchMirror,
):
    await search.accounts.write_many([balance(version=7)])

    outcome = await search.accounts.write_many(
        [balance(version=6), balance(version=7, booked=1), balance("bob")]
    )

    assert (outcome.applied, outcome.already_applied) == (1, 2)
    assert await search.accounts.read("alice") == balance(version=7)


async def test_an_entry_is_the_event_and_its_hash(search: ElasticsearchMirror, names: Names):
    bank = Bank(names)
    bank.open("alice")
    bank.pay("alice", 250, description="rent", metadata={"month": "march"})
    await search.entries.write_many(bank.entries)
    await search.entries.refresh()

    (row,) = await search.entries.page(
        EntryQuery(account_id="alice"), before_position=None, rows_max=10
    )

    paid = bank.entries[-1]
    assert row.pop("hash") == paid.digest.hex()
    assert row == msgspec.json.decode(paid.body)


async def test_events_that_come_again_are_counted_and_stored_once(
    search: ElasticsearchMirror, names: Names
):
    bank = Bank(names)
    bank.open("alice")
    first = await search.entries.write_many(bank.entries)
    bank.pay("alice")

    again = await search.entries.write_many(bank.entries)

    await search.entries.refresh()
    assert (first.applied, first.already_applied) == (2, 0)
    assert (again.applied, again.already_applied) == (2, 2)
    assert await search.entries.count() == len(bank.entries)


async def test_a_field_that_nobody_planned_stops_the_writer_and_names_the_event(
    search: ElasticsearchMirror, names: Names
):
    bank = Bank(names)
    bad = msgspec.structs.replace(bank.entries[0], body=b'{"surprise":1}')

    with pytest.raises(InvariantBroken, match=r"surprise") as caught:
        await search.entries.write_many([bad])

    assert (caught.value.account_id, caught.value.version) == ("world", 1)


async def test_a_missing_index_is_unavailable_and_is_not_made_by_a_write(
    search: ElasticsearchMirror, names: Names
):
    await search.client.indices.delete(index=f"{names.entries_alias}-v1")

    with pytest.raises(Unavailable, match="no such index"):
        await search.entries.write_many(Bank(names).entries)
    with pytest.raises(Unavailable):
        await search.entries.newest_version("alice")
    assert not await search.client.indices.exists(index=names.entries_alias)


async def test_a_blocked_index_is_unavailable_until_the_block_is_gone(
    search: ElasticsearchMirror, names: Names
):
    entries = Bank(names).entries
    block = "index.blocks.read_only_allow_delete"
    await search.client.indices.put_settings(index=names.entries_alias, settings={block: True})
    with pytest.raises(Unavailable):
        await search.entries.write_many(entries)

    await search.client.indices.put_settings(index=names.entries_alias, settings={block: None})

    assert (await search.entries.write_many(entries)).applied == 1


async def test_pages_of_a_growing_history_neither_repeat_nor_skip(
    search: ElasticsearchMirror, names: Names
):
    bank = Bank(names)
    bank.open("alice", "bob")
    for _ in range(25):
        bank.pay("alice")
        bank.pay("bob")
    await search.entries.write_many(bank.entries)
    await search.entries.refresh()
    query = EntryQuery(account_id="alice", types=EVENT_TYPES)
    versions: list[int] = []
    before = None
    while rows := await search.entries.page(query, before_position=before, rows_max=7):
        versions += [row["version"] for row in rows]
        before = rows[-1]["position"]
        bank.pay("alice")
        await search.entries.write_many(bank.entries[-2:])
        await search.entries.refresh()

    assert versions == list(range(26, 0, -1))


async def test_from_is_inclusive_and_until_exclusive_to_the_microsecond(
    search: ElasticsearchMirror, names: Names
):
    bank = Bank(names)
    bank.open("alice")
    for _ in range(3):
        bank.pay("alice")
    await search.entries.write_many(bank.entries)
    await search.entries.refresh()
    second, third = (entry.recorded_at for entry in bank.entries[-3::2])
    microsecond = timedelta(microseconds=1)

    async def versions(**bounds) -> list[int]:
        query = EntryQuery(account_id="alice", narrowing=Narrowing(**bounds))
        rows = await search.entries.page(query, before_position=None, rows_max=10)
        return [row["version"] for row in rows]

    assert await versions(recorded_from=second) == [4, 3]
    assert await versions(recorded_from=second + microsecond) == [4]
    assert await versions(recorded_until=third) == [3, 2]
    assert await versions(recorded_until=third + microsecond) == [4, 3, 2]


async def test_the_newest_version_is_what_a_search_sees(
    search: ElasticsearchMirror, names: Names
):
    bank = Bank(names)
    bank.open("alice")
    bank.pay("alice")
    assert await search.entries.newest_version("alice") == 0

    await search.entries.write_many(bank.entries)
    await search.entries.refresh()

    assert await search.entries.newest_version("alice") == 2


async def test_heads_tell_count_and_version_of_every_account(
    search: ElasticsearchMirror, names: Names
):
    bank = Bank(names)
    bank.open(*(f"acc-{i:04}" for i in range(1100)))
    bank.pay("acc-0003")
    await search.entries.write_many(bank.entries)
    await search.entries.refresh()

    heads = {h.account_id: (h.events, h.version) async for h in search.entries.heads()}

    expected = {b.account_id: (b.version, b.version) for b in bank.balances.values()}
    assert heads == expected
    assert await search.entries.count() == len(bank.entries)


async def test_accounts_are_found_by_each_filter_and_by_all_at_once(
    search: ElasticsearchMirror,
):
    shop = balance(
        "shop", currency="JPY", status="closed", external_id="C-1", metadata={"a.b": "x y"}
    )
    await search.accounts.write_many([balance("alice", metadata={"a.b": "x"}), shop])

    assert await ids(search) == ["alice", "shop"]
    assert await ids(search, kind="customer", currency="EUR") == ["alice"]
    assert await ids(search, status="closed") == ["shop"]
    assert await ids(search, external_id="C-1") == ["shop"]
    assert await ids(search, metadata={"a.b": "x y"}) == ["shop"]
    assert await ids(search, metadata={"a": "x y"}) == []
    assert await ids(search, kind="customer", metadata={"a.b": "x y"}, status="open") == []


async def test_words_find_accounts_in_the_named_fields_only(search: ElasticsearchMirror):
    await search.accounts.write_many(
        [
            balance("alice", external_id="INV-2026-77", metadata={"holder": "Ada Lovelace"}),
            balance("bob", metadata={"holder": "Ada Byron"}),
        ]
    )

    assert await ids(search, text="ada") == ["alice", "bob"]
    assert await ids(search, text="ada lovelace") == ["alice"]
    assert await ids(search, text='"inv 2026"') == ["alice"]
    assert await ids(search, text="love*") == ["alice"]
    assert await ids(search, text="ada -byron") == ["alice"]
    assert await ids(search, text="bob") == ["bob"]
    assert await ids(search, text="EUR") == []
    assert await ids(search, text="holder") == []


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "currency:EUR",
        "_id:*",
        '") OR "1"="1',
        '{"match_all":{}}',
        "/.*/",
        "((((((((((((",
        '"""',
        "~~~ a~9 \\",
        "-a " * 60,
        "a* " * 60,
        "\x01\x7f\u202e\ud7ff\U0001f4b6",
        "' ; drop table accounts",
    ],
)
async def test_hostile_text_finds_nothing_and_breaks_nothing(
    search: ElasticsearchMirror, text: str
):
    await search.accounts.write_many([balance("zoe")])

    found = await ids(search, text=text)

    assert found in ([], ["zoe"])
    assert found == [] or text.startswith(("-a", "*"))


async def test_what_a_dead_elasticsearch_did_not_take_is_taken_when_it_is_back(
    cut_search: Cut, search: ElasticsearchMirror, names: Names
):
    mirror = ElasticsearchMirror(cut_search.url, names)
    bank = Bank(names)
    bank.open("alice")
    await mirror.entries.write_many(bank.entries)
    bank.pay("alice")

    await cut_search.shut()
    with pytest.raises(Unavailable):
        await mirror.entries.write_many(bank.entries)
    with pytest.raises(Unavailable):
        await mirror.entries.newest_version("alice")
    await cut_search.open()
    again = await mirror.entries.write_many(bank.entries)

    assert again.applied + again.already_applied == len(bank.entries)
    await search.entries.refresh()
    assert await search.entries.count() == len(bank.entries)
    await mirror.close()


async def test_a_silent_elasticsearch_is_given_up_within_its_deadline(
    cut_search: Cut, search: ElasticsearchMirror, names: Names
):
    mirror = ElasticsearchMirror(cut_search.url, names)
    await mirror.ping()
    cut_search.hush()

    async with asyncio.timeout(20):
        with pytest.raises(Unavailable):
            await mirror.entries.newest_version("alice")

    await mirror.close()
    assert await search.entries.newest_version("alice") == 0
