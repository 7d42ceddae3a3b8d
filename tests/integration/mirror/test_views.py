"""The history of an account and the search for accounts, as a client sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import faust
import pytest
from aiohttp.test_utils import TestClient, TestServer

from chronos.auth.principals import Principal, Scope
from chronos.clock import SystemClock
from chronos.domain.account import FreezeScope
from chronos.domain.commands import AnnotateAccount, FreezeAccount, UnfreezeAccount
from chronos.domain.ids import AccountId
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.entries import EVENT_TYPES
from chronos.settings import Settings
from chronos.wire.topics import Names
from tests.integration.mirror.cut import Cut
from tests.integration.mirror.values import Bank, balance
from web.accounts import Accounts
from web.history import History
from web.respond import Respond

SECRET = b"only for tests"


class Keys:
    """Knows two keys: one may read, one may not."""

    async def authenticate(self, header: str | None) -> Principal | None:
        scope = {"Bearer reader": Scope.READ, "Bearer writer": Scope.WRITE}.get(header or "")
        if scope is None:
            return None
        return Principal(name="tester", key_id="key", scopes=frozenset({scope}))


async def serve(mirror: ElasticsearchMirror, **settings: Any) -> TestClient:
    app = faust.App("views", web_enabled=True, autodiscover=False)
    respond = Respond(app, Keys())
    history = History(mirror.entries, Settings(**settings), secret=SECRET, clock=SystemClock())
    history.add_to(respond)
    Accounts(mirror.accounts, secret=SECRET).add_to(respond)
    app.web.init_server()
    client = TestClient(TestServer(app.web.web_app), headers={"Authorization": "Bearer reader"})
    await client.start_server()
    return client


@pytest.fixture
async def client(search: ElasticsearchMirror) -> AsyncIterator[TestClient]:
    client = await serve(search, min_version_wait_s=1)
    yield client
    await client.close()


@pytest.fixture
async def bank(search: ElasticsearchMirror, names: Names) -> Bank:
    """One account with ten deposits, version 11."""
    bank = Bank(names)
    bank.open("alice", "bob")
    for amount in range(1, 11):
        bank.pay("alice", amount, description=f"payment {amount}")
    await search.entries.write_many(bank.entries)
    await search.entries.refresh()
    return bank


async def get(client: TestClient, path: str, **params: Any) -> dict[str, Any]:
    async with client.get(path, params=params) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "application/json"
        return await answer.json()


async def refused(client: TestClient, path: str, **params: Any) -> tuple[int, str]:
    async with client.get(path, params=params) as answer:
        assert answer.content_type == "application/problem+json"
        body = await answer.json()
        assert body["status"] == answer.status
        assert body["type"] == f"urn:chronos:problem:{body['code']}"
        assert body["request_id"] == answer.headers["X-Request-Id"]
        if answer.status == 503:
            assert int(answer.headers["Retry-After"]) >= 1
        return answer.status, body["code"]


ENTRIES = "/v1/accounts/alice/entries"


@pytest.mark.usefixtures("bank")
async def test_an_entry_has_every_member_that_was_promised(client: TestClient):
    answer = await get(client, ENTRIES, limit=1)

    entry = answer["data"][0]
    assert (answer["account"], answer["version"]) == ("alice", 11)
    assert {
        name: entry[name]
        for name in ("type", "account", "version", "amount", "currency", "counterparty")
    } == {
        "type": "MoneyDeposited",
        "account": "alice",
        "version": 11,
        "amount": 10,
        "currency": "EUR",
        "counterparty": "world",
    }
    assert (entry["booked_after"], entry["held_after"], entry["available_after"]) == (55, 0, 55)
    assert (entry["transfer_id"], entry["description"]) == ("trf_10", "payment 10")
    assert {"event_id", "position", "value_date", "recorded_at", "hash"} <= set(entry)
    assert "account_id" not in entry


@pytest.mark.usefixtures("bank")
async def test_history_is_newest_first_and_only_money_unless_types_are_asked(
    client: TestClient,
):
    money = await get(client, ENTRIES)
    opening = await get(client, ENTRIES, type="AccountOpened")
    both = await get(client, ENTRIES, type="AccountOpened,MoneyDeposited")
    longest = max(EVENT_TYPES, key=len)
    many = await get(client, ENTRIES, type=",".join(["AccountOpened", *[longest] * 11]))

    assert [entry["version"] for entry in money["data"]] == list(range(11, 1, -1))
    assert [entry["version"] for entry in opening["data"]] == [1]
    assert [entry["version"] for entry in both["data"]] == list(range(11, 0, -1))
    assert many["data"] == opening["data"]
    assert money["page"] == {"next": None, "has_more": False}


@pytest.mark.usefixtures("bank")
async def test_following_the_cursor_gives_every_entry_once(client: TestClient):
    versions: list[int] = []
    more: dict[str, str] = {}
    while True:
        answer = await get(client, ENTRIES, limit=3, **more)
        versions += [entry["version"] for entry in answer["data"]]
        if not answer["page"]["has_more"]:
            break
        more = {"cursor": answer["page"]["next"]}

    assert versions == list(range(11, 1, -1))
    assert answer["page"]["next"] is None


async def test_a_cursor_is_refused_with_other_filters_another_account_or_another_list(
    client: TestClient, bank: Bank, search: ElasticsearchMirror
):
    cursor = (await get(client, ENTRIES, limit=3))["page"]["next"]
    await search.accounts.write_many(bank.balances.values())
    await search.accounts.refresh()
    other = (await get(client, "/v1/accounts", limit=1))["page"]["next"]
    no = (400, "invalid_cursor")

    assert await refused(client, ENTRIES, cursor=cursor, type="MoneyDeposited") == no
    assert await refused(client, ENTRIES, cursor=cursor, to="2031-01-01") == no
    assert await refused(client, "/v1/accounts/bob/entries", cursor=cursor) == no
    assert await refused(client, "/v1/accounts", cursor=cursor) == no
    assert await refused(client, ENTRIES, cursor=other) == no
    assert await refused(client, ENTRIES, cursor=cursor[:-2]) == no
    assert await refused(client, ENTRIES, cursor="AAAA") == no
    assert await refused(client, ENTRIES, cursor="é" * 20) == no
    assert (await get(client, ENTRIES, cursor=cursor, limit=200))["data"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=201",
        "limit=abc",
        "limit=1e3",
        "limit=%EF%BC%91",
        "limit=1&limit=2",
        "limit=",
        "unknown=1",
        "type=",
        "type=Nonsense",
        "type=MoneyDeposited,",
        "type=" + ",".join(["MoneyDeposited"] * 13),
        "from=yesterday",
        "from=2026-02-30",
        "from=2026-03-02T12:00:00",
        "to=10000-01-01T00:00:00Z",
        "to=10000-01-01",
        "min_version=-1",
        "min_version=1.5",
        "min_version=9007199254740992",
        "cursor=",
        "cursor=%00",
    ],
)
@pytest.mark.usefixtures("bank")
async def test_a_bad_parameter_of_the_history_is_refused_by_name(
    client: TestClient, query: str
):
    assert await refused(client, f"{ENTRIES}?{query}") == (400, "invalid_parameter")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "kind=wallet",
        "status=OPEN",
        "currency=eur",
        "currency=EURO",
        "external_id=",
        "q=",
        "q=" + "x" * 201,
        "metadata[]=x",
        "metadata=x",
        "metadata[" + "k" * 65 + "]=x",
        "&".join(f"metadata[k{i}]=x" for i in range(17)),
        "metadata[a]=1&metadata[a]=2",
        "kind=customer&kind=customer",
        "page=2",
    ],
)
async def test_a_bad_parameter_of_the_search_is_refused_by_name(client: TestClient, query: str):
    assert await refused(client, f"/v1/accounts?{query}") == (400, "invalid_parameter")


@pytest.mark.usefixtures("bank")
async def test_a_day_begins_and_ends_in_the_zone_of_the_bank(search: ElasticsearchMirror):
    # Everything was recorded on 2 March at 12:00 UTC; in Auckland that is 3 March.
    client = await serve(search, time_zone="Pacific/Auckland")

    async def versions(**bounds: str) -> int:
        return len((await get(client, ENTRIES, **bounds))["data"])

    on_the_day = {"from": "2026-03-03", "to": "2026-03-03"}
    assert await versions(**on_the_day) == 10
    assert await versions(to="2026-03-02") == 0
    assert await versions(**{"from": "2026-03-04"}) == 0
    assert await versions(**{"from": "2026-03-03T00:00:00+13:00"}) == 10
    await client.close()


async def test_min_version_waits_until_a_search_sees_it(
    bank: Bank, search: ElasticsearchMirror
):
    client = await serve(search, min_version_wait_s=30)
    bank.pay("alice", 99)
    asking = asyncio.create_task(get(client, ENTRIES, min_version=12, limit=1))
    await search.entries.write_many(bank.entries[-1:])

    answer = await asking

    assert answer["version"] == 12
    assert answer["data"][0]["amount"] == 99
    await client.close()


@pytest.mark.usefixtures("bank")
async def test_min_version_beyond_the_head_ends_as_behind_within_its_bound(client: TestClient):
    async with asyncio.timeout(10):
        assert await refused(client, ENTRIES, min_version=12) == (503, "read_model_behind")


@pytest.mark.usefixtures("bank")
async def test_an_unknown_account_and_a_foreign_id_are_not_found(client: TestClient):
    path = "/v1/accounts/{}/entries"

    assert await refused(client, path.format("nobody")) == (404, "account_not_found")
    assert await refused(client, path.format("-x")) == (404, "id_invalid")
    assert await refused(client, path.format("a%20b")) == (404, "id_invalid")
    assert await refused(client, path.format("%C3%A9")) == (404, "id_invalid")


@pytest.mark.usefixtures("bank")
async def test_without_a_reading_key_nothing_is_shown(client: TestClient):
    for header, expected in (("Bearer nobody", 401), ("Bearer writer", 403)):
        for path in (ENTRIES, "/v1/accounts"):
            async with client.get(path, headers={"Authorization": header}) as answer:
                assert answer.status == expected


async def test_accounts_are_listed_by_id_and_searched(
    client: TestClient, search: ElasticsearchMirror
):
    names = [f"acc-{i}" for i in range(7)]
    await search.accounts.write_many(
        [
            balance(name, metadata={"team": "red" if name > "acc-4" else "blue"})
            for name in names
        ]
    )
    await search.accounts.refresh()
    listed: list[str] = []
    more: dict[str, str] = {}
    while True:
        answer = await get(client, "/v1/accounts", limit=3, kind="customer", **more)
        listed += [account["id"] for account in answer["data"]]
        if not answer["page"]["has_more"]:
            break
        more = {"cursor": answer["page"]["next"]}
    red = await get(client, "/v1/accounts", **{"metadata[team]": "red"})
    word = await get(client, "/v1/accounts", q="blue -4")

    assert listed == names
    assert [account["id"] for account in red["data"]] == names[5:]
    assert [account["id"] for account in word["data"]] == names[:4]
    assert word["data"][0] == {
        "id": "acc-0",
        "currency": "EUR",
        "kind": "customer",
        "status": "open",
        "overdraft_limit": 0,
        "external_id": None,
        "metadata": {"team": "blue"},
        "opened_at": "2026-03-02T12:00:00.123456Z",
        "version": 1,
        "booked": 100,
        "held": 0,
        "available": 100,
        "as_of": "2026-03-02T12:00:00.123456Z",
    }


async def test_the_list_of_accounts_follows_freezes_and_annotations(
    client: TestClient, bank: Bank, search: ElasticsearchMirror
):
    async def found(**filters: str) -> list[str]:
        await search.accounts.write_many(bank.balances.values())
        await search.accounts.refresh()
        return [row["id"] for row in (await get(client, "/v1/accounts", **filters))["data"]]

    said = {"account_id": AccountId("alice"), "description": None, "expected_version": None}
    red, blue = {"metadata[team]": "red"}, {"metadata[team]": "blue"}

    bank.do(AnnotateAccount(metadata={"team": "red"}, **said), key="annotate")
    assert (await found(**red), await found(**blue), await found(q="red")) == (
        ["alice"],
        [],
        ["alice"],
    )
    bank.do(AnnotateAccount(metadata={"team": "blue"}, **said), key="annotate again")
    assert (await found(**red), await found(**blue), await found(q="red")) == (
        [],
        ["alice"],
        [],
    )

    bank.do(FreezeAccount(scope=FreezeScope.DEBITS, **said), key="freeze")
    assert await found(status="frozen_debits") == ["alice"]
    bank.do(FreezeAccount(scope=FreezeScope.ALL, **said), key="freeze all")
    assert await found(status="frozen_debits") == []
    assert await found(status="frozen_all", **blue) == ["alice"]
    bank.do(UnfreezeAccount(**said), key="unfreeze")
    assert await found(status="frozen_all") == []
    assert await found(status="open") == ["alice", "bob", "world"]


@pytest.mark.usefixtures("search")
async def test_without_elasticsearch_history_and_search_say_so(cut_search: Cut, names: Names):
    mirror = ElasticsearchMirror(cut_search.url, names)
    client = await serve(mirror)
    await cut_search.shut()

    assert await refused(client, ENTRIES) == (503, "search_unavailable")
    assert await refused(client, "/v1/accounts") == (503, "search_unavailable")

    await cut_search.open()
    assert (await get(client, "/v1/accounts"))["data"] == []
    await client.close()
    await mirror.close()
