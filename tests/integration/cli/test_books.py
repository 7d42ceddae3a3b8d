"""What commands show: of a real command endpoint, and of a query side that is told."""

import asyncio
import csv
import json
import os
import sys

from tests.integration.cli.bank import (
    api,
    chronos,
    open_accounts,
    own_database,
    place,
    query_side,
)
from tests.integration.cli.conftest import DEADLINE_S, PROGRAM, ROOT
from tests.unit.client.samples import event

__all__ = ["api", "chronos", "open_accounts", "own_database", "place"]


async def test_the_events_of_an_account_are_listed_with_their_hashes(chronos, open_accounts):
    await open_accounts("hank")

    listed = await chronos("events", "list", "hank")

    events = [json.loads(line) for line in listed.out.splitlines()]
    assert [one["version"] for one in events] == [1, 2]
    assert [one["type"] for one in events] == ["AccountOpened", "MoneyDeposited"]
    assert all(len(one["hash"]) == 64 for one in events)


async def test_the_books_balance_and_the_currencies_are_known(chronos, open_accounts):
    await open_accounts("bo")

    books = await chronos("trial-balance")
    currencies = await chronos("currencies", "--json")

    assert "total 0.00 EUR" in books.out
    assert ": balanced" in books.out
    assert {one["code"]: one["exponent"] for one in currencies.json}["JPY"] == 0


async def _funded_at(chronos, account: str) -> str:
    (event,) = (await chronos("events", "list", account, "--after", "1")).out.splitlines()
    return json.loads(event)["recorded_at"]


async def test_a_statement_is_printed_and_written_as_csv_and_json(
    chronos, open_accounts, tmp_path
):
    await open_accounts("sid", "shop7")
    await chronos("transfer", "sid", "shop7", "12.34", "EUR", "--description", "bread")

    printed = await chronos("statement", "sid")
    file = tmp_path / "statement.csv"
    await chronos("statement", "sid", "--csv", "--out", str(file))
    document = await chronos("statement", "sid", "--json")

    lines = printed.out.splitlines()
    assert lines[1].split() == ["opening", "balance", "0.00", "EUR"]
    assert lines[-2].split()[2:] == ["-12.34", "EUR", "987.66", "EUR", "shop7", "bread"]
    assert lines[-1].split() == ["closing", "balance", "987.66", "EUR"]
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [row["amount_minor"] for row in rows] == ["", "100000", "-1234", ""]
    assert document.json["closing_balance"] == 98_766


async def test_a_statement_of_a_time_has_only_its_lines(chronos, open_accounts):
    await open_accounts("tim")
    funded = await _funded_at(chronos, "tim")

    before = await chronos("statement", "tim", "--to", funded)
    since = await chronos("statement", "tim", "--from", funded)

    assert len(before.out.splitlines()) == 3
    assert len(since.out.splitlines()) == 4


async def test_what_cannot_be_a_day_is_never_sent(run, place):
    ended = await run("statement", "tim", "--from", "yesterday", "--data", place())

    assert ended.code == 2
    assert "write it like 2026-01-31" in ended.err


async def test_balances_and_books_are_read_as_of_a_moment(chronos, open_accounts):
    await open_accounts("uma", "shop8")
    funded = await _funded_at(chronos, "uma")
    await chronos("transfer", "uma", "shop8", "1", "EUR")

    then = await chronos("balance", "uma", "--at", funded, "--json")
    valued = await chronos("balance", "uma", "--value-date", funded[:10])
    books = await chronos("trial-balance", "--at", funded, "--json")

    assert (then.json["booked"], then.json["version"]) == (100_000, 2)
    assert "booked       999.00 EUR" in valued.out
    assert f"value date   {funded[:10]}" in valued.out
    assert books.json["at"] == funded


ROW = {
    "id": "t1",
    "status": "booked",
    "position": 9,
    "recorded_at": "2031-01-01T00:00:00.000000Z",
    "value_date": "2031-01-01",
    "from": "alice",
    "to": "bob",
    "amount": 1250,
    "currency": "EUR",
    "external_id": None,
    "description": "rent",
    "metadata": {},
    "reverses": None,
    "postings": [],
}


async def test_transfers_are_searched_with_amounts_in_decimals(run, place):
    empty = {"next": None, "has_more": False}
    async with query_side({"/v1/transfers": {"data": [ROW], "page": empty}}) as (url, asked):
        ended = await run(
            "transfers", "list", "--account", "alice", "--currency", "eur", "--min-amount",
            "12.50", "--from", "2031-01-01", "--metadata", "k=v", "--data", place(url),
        )  # fmt: skip
        unclear = await run("transfers", "list", "--min-amount", "1", "--data", place(url))

    assert ended.out.splitlines()[1].split() == [
        "2031-01-01T00:00:00", "2031-01-01", "t1", "alice", "bob", "12.50", "EUR", "rent",
    ]  # fmt: skip
    (path,) = asked
    assert "min_amount=1250" in path
    assert "from=2031-01-01" in path
    assert "metadata%5Bk%5D=v" in path or "metadata[k]=v" in path
    assert unclear.code == 2
    assert "--currency" in unclear.err


async def test_the_journal_is_exported_and_proved_without_any_server(
    run, chronos, open_accounts, tmp_path
):
    await open_accounts("exa", "exb")
    await chronos("hold", "place", "exa", "5", "EUR", "--id", "hx", "--description", "ünï")
    file = tmp_path / "journal.jsonl"

    exported = await chronos("export", "--out", str(file), "--json")
    proved = await run("verify", "--file", str(file), "--json")
    printed = await chronos("export")

    assert proved.code == 0, proved.out
    assert proved.json["counted"]["events"] == exported.json["events"]
    assert proved.json["sha256"] == exported.json["sha256"]
    assert exported.json["totals"]["EUR"] == 0
    assert exported.json["sha256"] in printed.err
    lines = file.read_text(encoding="utf-8").splitlines()
    assert printed.out.splitlines()[1:] == lines[1:]
    assert [json.loads(line)["type"] for line in lines if '"account_id":"exa"' in line] == [
        "AccountOpened", "MoneyDeposited", "HoldPlaced",
    ]  # fmt: skip
    assert list(tmp_path.glob("*.part")) == []


async def test_a_file_that_was_changed_ends_with_one_and_says_where(run, chronos, tmp_path):
    file = tmp_path / "journal.jsonl"
    await chronos("export", "--out", str(file))
    file.write_bytes(
        file.read_bytes().replace(b'"principal":"tests"', b'"principal":"mallo"', 1)
    )

    proved = await run("verify", "--file", str(file))

    assert proved.code == 1
    assert "[hash_chain]" in proved.out


async def test_a_place_that_cannot_be_written_is_one_sentence(run, place):
    ended = await run("export", "--out", "/dev/null/journal", "--data", place())

    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "cannot be written" in ended.err


EMPTY = {"next": None, "has_more": False}
FOUND = {
    "id": "alice",
    "currency": "EUR",
    "kind": "customer",
    "status": "open",
    "version": 3,
    "booked": 1250,
    "held": 50,
    "available": 1200,
    "overdraft_limit": 0,
    "external_id": None,
    "metadata": {},
    "opened_at": "2031-01-01T00:00:00.000000Z",
    "as_of": "2031-01-01T00:00:00.000000Z",
}


async def test_views_are_printed_as_tables(run, place):
    moved = event(3, amount=1250, booked_after=1250, counterparty="bob", description="rent")
    entry = {"account": "alice", **{k: v for k, v in moved.items() if k != "account_id"}}
    holds = {"data": [{"id": "h1", "amount": 50, "expires_at": None}], "source": "table"}
    answers = {
        "/v1/accounts": {"data": [FOUND], "page": EMPTY},
        "/v1/accounts/alice/entries": {
            "account": "alice", "version": 3, "data": [entry], "page": EMPTY,
        },
        "/v1/accounts/alice/holds": FOUND | holds | {"account": "alice"},
    }  # fmt: skip
    async with query_side(answers) as (url, asked):
        data = place(url)
        accounts = await run("account", "list", "--query", "ali", "--data", data)
        history = await run("history", "alice", "--min-version", "3", "--data", data)
        held = await run("hold", "list", "alice", "--data", data)

    assert accounts.out.splitlines()[1].split() == [
        "alice", "customer", "open", "12.50", "EUR", "12.00", "EUR", "3",
    ]  # fmt: skip
    assert history.out.splitlines()[1].split()[1:] == [
        "3", "MoneyDeposited", "12.50", "EUR", "12.50", "EUR", "bob", "rent",
    ]  # fmt: skip
    assert held.out.splitlines()[1].split() == ["h1", "0.50", "EUR", "never"]
    assert "q=ali" in asked[0]
    assert "min_version=3" in asked[1]


async def test_live_events_are_printed_a_line_each_until_there_are_enough(run, place):
    one, two = json.dumps(event(1)), json.dumps(event(2))
    text = f"id: i1\ndata: {one}\n\nid: i2\ndata: {two}\n\n"
    async with query_side({"/v1/stream": text}) as (url, asked):
        words = ("events", "follow", "--account", "alice", "--limit", "2", "--data", place(url))
        plain = await run(*words)
        with_ids = await run(*words, "--json")

    assert [json.loads(line)["version"] for line in plain.out.splitlines()] == [1, 2]
    assert [json.loads(line)["id"] for line in with_ids.out.splitlines()] == ["i1", "i2"]
    assert asked == ["/v1/stream?account=alice"] * 2


async def test_a_reader_who_has_enough_ends_a_command_quietly(place):
    reading, writing = os.pipe()
    os.close(reading)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOS_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "currencies", "--data", place()),
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
        env=clean | {"PYTHONPATH": str(ROOT)},
    )
    os.close(writing)
    async with asyncio.timeout(DEADLINE_S):
        _, err = await process.communicate()

    assert err == b""
    assert process.returncode == 141
