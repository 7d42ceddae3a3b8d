"""The history of an account, narrowed by what its events say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient

from chronos.errors import InvariantBroken
from chronos.mirror import indices
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.entries import EVENT_TYPES, EntryQuery
from chronos.wire.codec import decode_event, encode_event
from chronos.wire.topics import Names
from tests.integration.mirror.postings import NOON, Journal
from tests.integration.mirror.test_views import client, get, refused

__all__ = ["client"]

PATH = "/v1/accounts/alice/entries"
HOLD = {"hold_id": "hld_1", "hold_amount": 80}


def life_of_alice() -> Journal:
    """Events of alice, one of each kind, and the other sides of her money."""
    journal = Journal()
    event, day = journal.event, timedelta(days=1)
    opened = {"kind": "customer", "external_id": "C-9", "metadata": {"k": "v"}}
    captured = {"captured_amount": 60, "destination": "shop", "transfer_id": "t2"}
    journal.written += [event("alice", "AccountOpened", **opened)]
    journal.written += journal.pay(
        "t1", "bob", "alice", 100, description="wages march", external_id="INV 1"
    )
    journal.written += [
        event("alice", "OverdraftLimitSet", overdraft_limit_after=500),
        event(
            "alice",
            "HoldPlaced",
            **HOLD,
            expires_at="9999-12-31T23:59:59.999999Z",
            open_holds_after=1,
            description="hotel",
        ),
        event("alice", "HoldCaptured", **HOLD, **captured, open_holds_after=0),
    ]
    journal.written += journal.pay(
        "t2", "alice", "shop", 60, value_date="2026-03-01", recorded_at=NOON + day
    )
    for number, end in enumerate(("HoldVoided", "HoldExpired"), start=2):
        hold = {"hold_id": f"hld_{number}", "hold_amount": 1}
        journal.written += [
            event("alice", "HoldPlaced", **hold, expires_at=None, open_holds_after=1),
            event("alice", end, **hold, open_holds_after=0),
        ]
    journal.written += [
        event("alice", "AccountFrozen", scope="debits", status_after=1, recorded_at=NOON + day),
        event("alice", "AccountUnfrozen", recorded_at=NOON + 2 * day),
        event("alice", "AccountAnnotated", metadata={"k": "w", "a.b": "c"}),
        event("alice", "AccountClosed", status_after=3),
    ]
    return journal


async def test_the_events_of_these_tests_are_written_as_the_codec_writes_them():
    written = life_of_alice().written

    assert [encode_event(decode_event(event.body)) for event in written] == [
        event.body for event in written
    ]
    assert {type(decode_event(event.body).event).__name__ for event in written} == {
        *EVENT_TYPES
    }


ALL = "AccountOpened,MoneyDeposited,MoneyWithdrawn"
NARROWED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["MoneyWithdrawn", "MoneyDeposited"]),
    ({"type": ALL}, ["MoneyWithdrawn", "MoneyDeposited", "AccountOpened"]),
    ({"type": "HoldPlaced", "min_amount": 2, "q": "hotel"}, ["HoldPlaced"]),
    (
        {"type": "HoldPlaced,HoldVoided", "max_amount": 1},
        ["HoldPlaced", "HoldVoided", "HoldPlaced"],
    ),
    ({"type": "HoldCaptured", "transfer_id": "t2", "min_amount": 80}, ["HoldCaptured"]),
    ({"type": "AccountFrozen", "min_amount": 0}, []),
    ({"type": "AccountAnnotated", "metadata[a.b]": "c"}, ["AccountAnnotated"]),
    ({"min_amount": 61}, ["MoneyDeposited"]),
    ({"max_amount": 60}, ["MoneyWithdrawn"]),
    ({"min_amount": 60, "max_amount": 60}, ["MoneyWithdrawn"]),
    ({"counterparty": "shop"}, ["MoneyWithdrawn"]),
    ({"counterparty": "alice"}, []),
    ({"external_id": "INV 1"}, ["MoneyDeposited"]),
    ({"external_id": "C-9", "type": ALL}, ["AccountOpened"]),
    ({"metadata[k]": "v", "type": ALL}, ["AccountOpened"]),
    ({"q": "march"}, ["MoneyDeposited"]),
    ({"q": "inv wages"}, ["MoneyDeposited"]),
    ({"q": "hotel"}, []),
    ({"transfer_id": "t2"}, ["MoneyWithdrawn"]),
    ({"value_to": "2026-03-01"}, ["MoneyWithdrawn"]),
    ({"value_from": "2026-03-02"}, ["MoneyDeposited"]),
    ({"from": "2026-03-03"}, ["MoneyWithdrawn"]),
    ({"from": "2026-03-03", "min_amount": 61}, []),
]
UNUSABLE = [
    "min_amount=x",
    "max_amount=-1",
    "min_amount=2&max_amount=1",
    "counterparty=",
    "counterparty=-x",
    "transfer_id=a/b",
    "external_id=",
    "value_from=2026-2-3",
    "q=",
    "account=alice",
    "metadata[k",
    "metadata[]=x",
    "metadata[k]=1&metadata[k]=2",
]


@pytest.fixture
async def alice(search: ElasticsearchMirror) -> Journal:
    journal = life_of_alice()
    await search.entries.write_many(journal.written)
    await search.entries.refresh()
    return journal


async def types(client: TestClient, **filters: Any) -> list[str]:
    return [entry["type"] for entry in (await get(client, PATH, **filters))["data"]]


@pytest.mark.usefixtures("alice")
async def test_the_history_is_narrowed_by_every_filter(client: TestClient):
    found = [(filters, await types(client, **filters)) for filters, _ in NARROWED]

    assert found == NARROWED


@pytest.mark.usefixtures("alice")
async def test_a_bad_filter_is_refused_by_name(client: TestClient):
    found = {query: await refused(client, f"{PATH}?{query}") for query in UNUSABLE}

    assert set(found.values()) == {(400, "invalid_parameter")}, found


async def test_a_cursor_belongs_to_every_filter(client: TestClient, alice: Journal):
    cursor = (await get(client, PATH, limit=1))["page"]["next"]
    no = (400, "invalid_cursor")

    for other in (
        {"q": "march"},
        {"metadata[k]": "v"},
        {"min_amount": 1},
        {"transfer_id": "t2"},
    ):
        assert await refused(client, PATH, cursor=cursor, **other) == no
    version = sum(event.account_id == "alice" for event in alice.written)
    rest = await get(client, PATH, cursor=cursor, min_version=version)
    assert [entry["transfer_id"] for entry in rest["data"]] == ["t1"]


async def test_an_entry_of_each_kind_is_the_event_and_its_hash(
    search: ElasticsearchMirror, alice: Journal
):
    mine = [event for event in alice.written if event.account_id == "alice"]
    kinds = [msgspec.json.decode(event.body)["type"] for event in mine]

    rows = await search.entries.page(
        EntryQuery(account_id="alice", types=kinds), before_position=None, rows_max=100
    )

    assert [row.pop("hash") for row in rows] == [event.digest.hex() for event in mine[::-1]]
    assert rows == [msgspec.json.decode(event.body) for event in mine[::-1]]


async def test_an_index_of_an_older_version_learns_the_new_fields(
    search: ElasticsearchMirror, names: Names, monkeypatch: pytest.MonkeyPatch
):
    old = indices.ENTRIES_MAPPING["properties"].copy()
    new = ("hold_id", "hold_amount", "captured_amount", "destination", "expires_at", "scope")
    for name in (*new, "open_holds_after"):
        del old[name]
    old["external_id"] = {"type": "keyword"}
    # It indexed everything, which nothing but a rebuild can change.
    for name in ("event_id", "principal", "correlation_id", "causation_id"):
        old[name] = {"type": "keyword"}
    for name in ("legs", "booked_after", "overdraft_limit_after"):
        old[name] = {"type": old[name]["type"]}
    await indices.delete_indices(search.client, names)
    with monkeypatch.context() as before:
        before.setitem(indices.ENTRIES_MAPPING, "properties", old)
        assert len(await search.ensure_indices()) == 2

    assert await search.ensure_indices() == []
    written = life_of_alice().written
    outcome = await search.entries.write_many(written)

    assert outcome.applied == len(written)
    await search.entries.refresh()
    found = await search.client.search(
        index=names.entries_alias, query={"match": {"external_id.words": "inv"}}
    )
    assert found["hits"]["total"]["value"] == 2


async def test_a_field_of_another_type_is_refused_with_what_to_do(
    search: ElasticsearchMirror, names: Names, monkeypatch: pytest.MonkeyPatch
):
    old = indices.ENTRIES_MAPPING["properties"] | {"booked_after": {"type": "keyword"}}
    await indices.delete_indices(search.client, names)
    with monkeypatch.context() as before:
        before.setitem(indices.ENTRIES_MAPPING, "properties", old)
        assert len(await search.ensure_indices()) == 2

    with pytest.raises(InvariantBroken, match="chronos rebuild elasticsearch"):
        await search.ensure_indices()
