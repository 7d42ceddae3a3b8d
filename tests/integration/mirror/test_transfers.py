"""Lists of transfers: one row per journal entry, whole or not there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import faust
import pytest
from aiohttp.test_utils import TestClient, TestServer

from chronos.clock import SystemClock
from chronos.domain.chart import AccountKind
from chronos.domain.commands import (
    CaptureHold,
    Command,
    ExchangeFunds,
    PlaceHold,
    PostEntries,
    Posting,
    ReverseTransfer,
)
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.mirror import transfers
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.entries import Entry
from chronos.settings import Settings
from chronos.wire.codec import decode_event
from chronos.wire.topics import Names
from tests.integration.mirror.cut import Cut
from tests.integration.mirror.postings import NOON, Journal
from tests.integration.mirror.test_views import Keys, get, refused
from tests.integration.mirror.values import Bank
from web.respond import Respond
from web.transfers import Transfers

PATH = "/v1/transfers"


class Watch(SystemClock):
    """A clock whose wall stands where a test puts it."""

    def __init__(self) -> None:
        self.wall = NOON + timedelta(hours=1)

    def now(self) -> datetime:
        return self.wall


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def journal() -> Journal:
    return Journal()


async def serve(mirror: ElasticsearchMirror, watch: Watch, **settings: Any) -> TestClient:
    app = faust.App("transfers", web_enabled=True, autodiscover=False)
    view = Transfers(mirror.transfers, Settings(**settings), secret=b"tests", clock=watch)
    view.add_to(Respond(app, Keys()))
    app.web.init_server()
    client = TestClient(TestServer(app.web.web_app), headers={"Authorization": "Bearer reader"})
    await client.start_server()
    return client


@pytest.fixture
async def client(search: ElasticsearchMirror, watch: Watch) -> AsyncIterator[TestClient]:
    client = await serve(search, watch)
    yield client
    await client.close()


async def write(search: ElasticsearchMirror, *entries: Sequence[Entry]) -> None:
    await search.entries.write_many([event for events in entries for event in events])
    await search.entries.refresh()


async def listed(client: TestClient, **filters: Any) -> list[str]:
    """Follows the cursors to the end; gives the ids."""
    found: list[str] = []
    page: dict[str, Any] = {"next": None, "has_more": True}
    while page["has_more"]:
        more = {} if page["next"] is None else {"cursor": page["next"]}
        answer = await get(client, PATH, **filters, **more)
        found += [row["id"] for row in answer["data"]]
        page = answer["page"]
    assert page == {"next": None, "has_more": False}
    return found


async def test_a_transfer_is_one_row_with_all_that_the_command_endpoint_shows(
    client: TestClient, search: ElasticsearchMirror, journal: Journal
):
    said = {"description": "rent", "metadata": {"month": "march"}, "external_id": "INV-7"}
    await write(search, journal.pay("trf_1", "alice", "bob", 250, **said))
    expected = {
        "id": "trf_1",
        "status": "booked",
        "position": 2,
        "recorded_at": "2026-03-02T12:00:00.123456Z",
        "value_date": "2026-03-02",
        "from": "alice",
        "to": "bob",
        "amount": 250,
        "currency": "EUR",
        "external_id": "INV-7",
        "description": "rent",
        "metadata": {"month": "march"},
        "reverses": None,
        "postings": [
            {"account": "alice", "amount": -250, "currency": "EUR"},
            {"account": "bob", "amount": 250, "currency": "EUR"},
        ],
    }

    for filters in ({}, {"account": "alice"}, {"account": "bob"}):
        answer = await get(client, PATH, **filters)
        assert answer == {"data": [expected], "page": {"next": None, "has_more": False}}
    assert (await get(client, PATH, account="carol"))["data"] == []


async def test_every_kind_of_journal_entry_of_the_ledger_is_listed(
    client: TestClient, search: ElasticsearchMirror, names: Names
):
    bank = Bank(names)
    bank.open("alice", "bob")
    bank.open("dora", currency="USD")
    for currency in ("EUR", "USD"):
        bank.open(f"pos:{currency}", currency=currency, kind=AccountKind.POSITION)
    bank.pay("alice", 1000, description="wages")
    captured = (AccountId("alice"), AccountId("bob"))
    for command in commands():
        also = captured if isinstance(command, ReverseTransfer) else ()
        bank.do(command, key=repr(command)[:200], also=also)
    await write(search, bank.entries)

    rows = (await get(client, PATH))["data"]

    shown = [
        (row["id"], row["from"], row["to"], row["amount"], row["reverses"]) for row in rows
    ]
    assert shown == [
        ("trf_back", "bob", "alice", 30, "trf_hold"),
        ("trf_hold", "alice", "bob", 30, None),
        ("trf_many", None, None, None, None),
        ("trf_fx", None, None, None, None),
        ("trf_1", "world", "alice", 1000, None),
    ]
    paid = [decode_event(event.body) for event in bank.entries if b'"trf_1"' in event.body]
    assert rows[-1]["position"] == paid[-1].position
    assert [row["id"] for row in (await get(client, PATH, account="dora"))["data"]] == [
        "trf_fx"
    ]
    assert [len(row["postings"]) for row in rows] == [2, 2, 3, 4, 2]


def commands() -> list[Command]:
    """An exchange, an entry of three postings, a hold that is captured, and its reversal."""
    said: dict[str, Any] = {"description": None, "metadata": {}, "expected_versions": {}}
    dated = {**said, "value_date": None}
    alice, bob, world = AccountId("alice"), AccountId("bob"), AccountId("world")
    return [
        ExchangeFunds(
            transfer_id=TransferId("trf_fx"),
            source=alice,
            destination=AccountId("dora"),
            sell_amount=100,
            buy_amount=110,
            sell_currency="EUR",
            buy_currency="USD",
            sell_positions=(AccountId("pos:EUR"),),
            buy_positions=(AccountId("pos:USD"),),
            **dated,
        ),
        PostEntries(
            transfer_id=TransferId("trf_many"),
            postings=(Posting(alice, -30), Posting(bob, 20), Posting(world, 10)),
            currency="EUR",
            **dated,
        ),
        PlaceHold(
            hold_id=HoldId("hld_1"),
            account_id=alice,
            amount=50,
            currency="EUR",
            expires_at=None,
            **said,
        ),
        CaptureHold(
            hold_id=HoldId("hld_1"),
            transfer_id=TransferId("trf_hold"),
            destination=bob,
            amount=30,
            **dated,
        ),
        ReverseTransfer(
            transfer_id=TransferId("trf_back"), reverses=TransferId("trf_hold"), **dated
        ),
    ]


async def test_an_entry_of_more_postings_has_no_pair_and_comes_once(
    client: TestClient, search: ElasticsearchMirror, journal: Journal
):
    lines = [("alice", -5, "EUR"), ("bob", -7, "EUR"), ("carol", 12, "EUR")]
    await write(search, journal.post("trf_1", lines), journal.exchange("trf_2", 100, 110))

    exchanged, posted = (await get(client, PATH))["data"]

    for row in (exchanged, posted):
        assert [row[name] for name in ("from", "to", "amount", "currency")] == [None] * 4
    assert posted["postings"] == [
        {"account": account, "amount": amount, "currency": currency}
        for account, amount, currency in lines
    ]
    assert [line["currency"] for line in exchanged["postings"]] == ["EUR", "EUR", "USD", "USD"]
    assert await listed(client, account="bob") == ["trf_2", "trf_1"]
    assert await listed(client, account="carol") == ["trf_1"]


@pytest.mark.parametrize("missing", [{0}, {1}, {2}, {3}, {0, 1}, {2, 3}, {1, 2}, {0, 3}])
async def test_an_exchange_is_left_out_until_all_of_it_is_there(
    client: TestClient, search: ElasticsearchMirror, journal: Journal, missing: set[int]
):
    whole = journal.exchange("trf_1", 100, 110)
    await write(search, [event for leg, event in enumerate(whole) if leg not in missing])
    assert await listed(client) == []
    assert await listed(client, account="alice") == []
    assert await listed(client, account="bob") == []

    await write(search, whole)

    assert await listed(client) == ["trf_1"]
    assert await listed(client, account="bob") == ["trf_1"]


async def test_a_young_entry_that_names_no_counterparty_has_time_to_arrive(
    client: TestClient, search: ElasticsearchMirror, journal: Journal, watch: Watch
):
    lines = [("a", -1, "EUR"), ("b", 1, "EUR"), ("c", -1, "EUR"), ("d", 1, "EUR")]
    whole = journal.post("trf_1", lines)
    await write(search, whole[:2])
    watch.wall = NOON + timedelta(seconds=1)
    assert await listed(client) == []

    await write(search, whole)
    watch.wall = NOON + timedelta(seconds=transfers.SETTLING_S)

    (row,) = (await get(client, PATH))["data"]
    assert len(row["postings"]) == 4


async def test_what_is_not_whole_is_passed_over_and_the_page_is_filled(
    client: TestClient, search: ElasticsearchMirror, journal: Journal
):
    entries = [journal.pay(f"trf_{number}", "alice", "bob", 5) for number in range(1, 9)]
    late = {4, 6, 7}
    for number, both in enumerate(entries, start=1):
        await write(search, both[:1] if number in late else both)

    first = await get(client, PATH, limit=3)
    await write(search, *entries, journal.pay("trf_9", "alice", "bob", 5))
    second = await get(client, PATH, limit=3, cursor=first["page"]["next"])

    assert [row["id"] for row in first["data"]] == ["trf_8", "trf_5", "trf_3"]
    assert [row["id"] for row in second["data"]] == ["trf_2", "trf_1"]
    assert not second["page"]["has_more"]
    assert await listed(client, limit=2) == [f"trf_{number}" for number in range(9, 0, -1)]


async def test_a_page_ends_short_rather_than_search_for_ever(
    client: TestClient,
    search: ElasticsearchMirror,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(transfers, "_ROWS_OF_LATER_ROUNDS", 2)
    await write(search, journal.pay("trf_old", "alice", "bob", 5))
    for number in range(12):
        await write(search, journal.pay(f"trf_{number}", "alice", "bob", 5)[:1])

    answer = await get(client, PATH, limit=1)

    assert answer["data"] == []
    assert answer["page"]["has_more"]
    assert await listed(client, limit=1) == ["trf_old"]


async def test_entries_of_a_hundred_postings_are_read_in_bounded_searches(
    client: TestClient,
    search: ElasticsearchMirror,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(transfers, "_WINDOW_ROWS", 200)
    lines = [(f"acc_{i}", 1, "EUR") for i in range(99)] + [("world", -99, "EUR")]
    entries = [journal.post(f"trf_{number}", lines) for number in range(5)]
    await write(search, *entries)

    rows = (await get(client, PATH, limit=5))["data"]

    assert [row["id"] for row in rows] == [f"trf_{number}" for number in range(4, -1, -1)]
    assert {len(row["postings"]) for row in rows} == {100}
    assert rows[0]["postings"][99] == {"account": "world", "amount": -99, "currency": "EUR"}


@pytest.fixture
async def four(search: ElasticsearchMirror, journal: Journal) -> None:
    """Four transfers of different days, amounts and words; in each, alice is on one side."""
    day = timedelta(days=1)
    await write(
        search,
        journal.pay("t1", "alice", "bob", 5, description="rent march", value_date="2026-02-27"),
        journal.pay("t2", "bob", "alice", 50, external_id="INV 1", recorded_at=NOON + day),
        journal.pay("t3", "alice", "carol", 500, metadata={"k": "v"}, recorded_at=NOON + day),
        journal.post(
            "t4", [("alice", -7, "USD"), ("bob", 7, "USD")], recorded_at=NOON + 2 * day
        ),
    )


NARROWED: list[tuple[dict[str, Any], list[str]]] = [
    ({"min_amount": 7}, ["t4", "t3", "t2"]),
    ({"max_amount": 7}, ["t4", "t1"]),
    ({"min_amount": 7, "max_amount": 50}, ["t4", "t2"]),
    ({"min_amount": 0, "max_amount": 0}, []),
    ({"min_amount": 2**53 - 1}, []),
    ({"currency": "USD"}, ["t4"]),
    ({"currency": "EUR", "max_amount": 9}, ["t1"]),
    ({"from": "2026-03-03"}, ["t4", "t3", "t2"]),
    ({"from": "2026-03-03", "to": "2026-03-03"}, ["t3", "t2"]),
    ({"to": "2026-03-02T12:00:00.123456Z"}, []),
    ({"to": "2026-03-02T12:00:00.123457Z"}, ["t1"]),
    ({"from": "0001-01-01", "to": "9999-12-31"}, ["t4", "t3", "t2", "t1"]),
    ({"from": "2300-01-01"}, []),
    ({"to": "1900-01-01T00:00:00Z"}, []),
    ({"value_from": "0001-01-01", "value_to": "9999-12-31"}, ["t4", "t3", "t2", "t1"]),
    ({"value_from": "2026-02-28"}, ["t4", "t3", "t2"]),
    ({"value_to": "2026-02-27"}, ["t1"]),
    ({"external_id": "INV 1"}, ["t2"]),
    ({"external_id": "INV"}, []),
    ({"metadata[k]": "v"}, ["t3"]),
    ({"metadata[k]": "w"}, []),
    ({"q": "march"}, ["t1"]),
    ({"q": "RENT"}, ["t1"]),
    ({"q": "inv"}, ["t2"]),
    ({"q": '"march rent"'}, []),
    ({"q": "rent -march"}, []),
    ({"q": "alice"}, []),
    ({"account": "carol"}, ["t3"]),
    ({"account": "alice", "counterparty": "bob"}, ["t4", "t2", "t1"]),
    ({"account": "bob", "counterparty": "alice", "min_amount": 6}, ["t4", "t2"]),
]


@pytest.mark.usefixtures("four")
async def test_the_list_is_narrowed_by_every_filter(client: TestClient):
    found = [(filters, await listed(client, **filters)) for filters, _ in NARROWED]

    assert found == NARROWED


@pytest.mark.usefixtures("four")
async def test_a_cursor_belongs_to_its_filters(client: TestClient):
    cursor = (await get(client, PATH, limit=1))["page"]["next"]
    no = (400, "invalid_cursor")

    for other in ({"account": "alice"}, {"q": "rent"}, {"metadata[k]": "v"}, {"min_amount": 1}):
        assert await refused(client, PATH, cursor=cursor, **other) == no
    assert await refused(client, PATH, cursor=cursor[1:]) == no
    assert (await get(client, PATH, cursor=cursor, limit=200))["data"]


UNUSABLE = [
    "limit=0",
    "limit=201",
    "unknown=1",
    "type=MoneyDeposited",
    "min_version=1",
    "account=",
    "account=-x",
    "account=a&account=b",
    "account=a&counterparty=a%20b",
    "counterparty=bob",
    "currency=eur",
    "currency=E1R",
    "from=yesterday",
    "to=10000-01-01",
    "value_from=2026-02-30",
    "value_from=2026-02-20T00:00:00Z",
    "value_to=",
    "min_amount=-1",
    "min_amount=1.5",
    "max_amount=9007199254740992",
    "min_amount=2&max_amount=1",
    "external_id=",
    "external_id=" + "x" * 256,
    "q=",
    "q=" + "x" * 201,
    "q=a%00b",
    "metadata=x",
    "metadata[]=x",
    "&".join(f"metadata[k{i}]=x" for i in range(17)),
    "cursor=",
]


async def test_a_bad_parameter_is_refused_by_name(client: TestClient):
    found = {query: await refused(client, f"{PATH}?{query}") for query in UNUSABLE}

    assert set(found.values()) == {(400, "invalid_parameter")}, found


HOSTILE = ["*", "type:MoneyDeposited", '"', "((((", "/.*/", "a* " * 60, "-", "\u202e\U0001f4b6"]


@pytest.mark.usefixtures("four")
async def test_hostile_text_reaches_no_other_field(client: TestClient):
    found = {text: await listed(client, q=text) for text in HOSTILE}

    assert {text for text, ids in found.items() if ids} <= {"*", "-", '"'}, found
    assert await listed(client, q="MoneyDeposited") == []


async def test_a_day_begins_in_the_zone_of_the_bank(
    search: ElasticsearchMirror, journal: Journal, watch: Watch
):
    await write(search, journal.pay("trf_1", "alice", "bob", 5))
    client = await serve(search, watch, time_zone="Pacific/Auckland")

    assert await listed(client, **{"from": "2026-03-03", "to": "2026-03-03"}) == ["trf_1"]
    assert await listed(client, to="2026-03-02") == []
    await client.close()


@pytest.mark.usefixtures("search")
async def test_without_elasticsearch_the_list_says_so(
    cut_search: Cut, names: Names, watch: Watch
):
    mirror = ElasticsearchMirror(cut_search.url, names)
    client = await serve(mirror, watch)
    await cut_search.shut()

    assert await refused(client, PATH) == (503, "search_unavailable")

    await cut_search.open()
    assert (await get(client, PATH))["data"] == []
    await client.close()
    await mirror.close()


async def test_without_a_reading_key_nothing_is_shown(client: TestClient):
    for header, expected in (("Bearer nobody", 401), ("Bearer writer", 403)):
        async with client.get(PATH, headers={"Authorization": header}) as answer:
            assert answer.status == expected
