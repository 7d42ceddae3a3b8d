"""The commands of the bank against a real command endpoint."""

import csv
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from chronos.client.doors import Doors
from chronos.client.ledger_client import LedgerClient
from chronos.clock import SystemClock
from chronos.domain.currency import EXPONENTS
from tests.integration.api.conftest import own_database
from tests.integration.api.running import make_key, running_api
from tests.integration.cli.bank import NOWHERE, query_side, write_addresses

__all__ = ["own_database"]


@pytest.fixture(scope="module")
def api(own_database, tmp_path_factory) -> Iterator[tuple]:
    """A running API, and a key to it."""
    with running_api(own_database, tmp_path_factory.mktemp("api")) as running:
        yield running, make_key(own_database, "tests", "read", "write")


@pytest.fixture
def place(api, own_database, tmp_path):
    """Makes a data folder of that API, with a query side at an address."""

    def make(query: str = f"http://{NOWHERE}") -> str:
        running, key = api
        folder = tmp_path / "data"
        return write_addresses(folder, running, own_database, api_key=key, query=query)

    return make


@pytest.fixture
async def open_accounts(api) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Opens accounts for one test; the first of them has 1000."""
    running, key = api
    nowhere = f"http://{NOWHERE}"
    doors = Doors(command=f"http://127.0.0.1:{running.port}", query=nowhere, api_key=key)

    async def work(*names: str, currency: str = "EUR") -> None:
        bank = f"bank.{names[0]}"
        await client.accounts.open(bank, currency=currency, kind="settlement")
        for name in names:
            await client.accounts.open(name, currency=currency)
        amount = 1000 * 10 ** EXPONENTS[currency]
        await client.transfers.make(bank, names[0], amount=amount, currency=currency)

    async with LedgerClient(doors) as client:
        yield work


@pytest.fixture
async def chronos(run, place):
    """Runs a command on that API, and expects that it is granted."""
    data = place()

    async def granted(*words: str):
        ended = await run(*words, "--data", data)
        assert ended.code == 0, ended.err
        return ended

    return granted


async def test_a_hold_is_placed_captured_in_part_and_shown(chronos, open_accounts):
    await open_accounts("hal", "shop1")

    placed = await chronos(
        "hold", "place", "hal", "80.00", "EUR", "--id", "h1", "--expires-at",
        "2031-01-31T12:00:00Z",
    )  # fmt: skip
    assert "h1 holds 80.00 EUR of hal" in placed.out
    assert "hal version 3: 920.00 EUR available" in placed.out

    await chronos("hold", "capture", "h1", "shop1", "30.5", "--description", "fuel")
    shown = await chronos("hold", "show", "h1", "--json")

    assert shown.json["status"] == "captured"
    assert (shown.json["amount"], shown.json["captured_amount"]) == (8000, 3050)
    assert shown.json["expires_at"] == "2031-01-31T12:00:00.000000Z"
    read = await chronos("transfers", "show", shown.json["transfer_id"], "--json")
    assert (read.json["description"], read.json["amount"]) == ("fuel", 3050)


async def test_a_hold_is_voided(chronos, open_accounts):
    await open_accounts("vic")
    await chronos("hold", "place", "vic", "80", "EUR", "--id", "h2")

    voided = await chronos("hold", "void", "h2")

    assert "vic version 4: 1,000.00 EUR available" in voided.out


async def test_postings_are_booked_and_reversed(chronos, open_accounts):
    await open_accounts("pia", "shop2", "fees2")

    today = SystemClock().now().date().isoformat()
    words = ("pia=-125.00", "shop2=+120.00", "fees2=5")
    booked = await chronos("entries", "eur", *words, "--id", "e1", "--value-date", today)
    reversed_ = await chronos("reverse", "e1", "--id", "e2", "--json")

    assert "e1 booked: 3 postings" in booked.out
    assert reversed_.json["reverses"] == "e1"
    amounts = {one["account"]: one["amount"] for one in reversed_.json["postings"]}
    assert amounts == {"pia": 12500, "shop2": -12000, "fees2": -500}


async def test_postings_that_do_not_balance_are_refused_with_a_sentence(
    run, place, open_accounts
):
    await open_accounts("una", "shop3")

    ended = await run("entries", "EUR", "una=-5.00", "shop3=4.99", "--data", place())

    assert ended.code == 1
    assert ended.err.endswith("[unbalanced]\n")
    assert ended.err.count("\n") == 1


async def test_currencies_are_exchanged_over_the_banks_positions(chronos, open_accounts):
    await open_accounts("eve")
    await open_accounts("eve.yen", currency="JPY")
    for currency in ("EUR", "JPY"):
        await chronos("account", "open", f"pos.{currency}", currency, "--kind", "position")

    sold = await chronos("exchange", "eve", "eve.yen", "10.00", "EUR", "1650", "JPY")

    assert "10.00 EUR for 1,650 JPY" in sold.out
    assert "eve.yen version 3: 2,650 JPY available" in sold.out


async def test_verbs_change_an_account(chronos, open_accounts):
    await open_accounts("ada")

    frozen = await chronos("freeze", "ada", "--scope", "debits", "--expected-version", "2")
    thawed = await chronos("unfreeze", "ada")
    limited = await chronos("limit", "ada", "12.50")
    await chronos("annotate", "ada", "city=Bern", "tier=gold")
    merged = await chronos("annotate", "ada", "tier=black", "--merge")
    cleared = await chronos("annotate", "ada", "--clear")

    assert "ada is frozen for debits" in frozen.out
    assert "ada is open" in thawed.out
    assert "ada may go 12.50 EUR below zero" in limited.out
    assert "ada has city=Bern tier=black" in merged.out
    assert "ada has no metadata" in cleared.out


async def test_a_stale_version_is_refused(run, place, open_accounts):
    await open_accounts("old")

    ended = await run("freeze", "old", "--expected-version", "1", "--data", place(), "--json")

    assert ended.code == 1
    assert ended.json["code"] == "version_conflict"


async def test_an_account_is_closed_only_when_it_is_empty(run, place, chronos, open_accounts):
    await open_accounts("cleo", "heir")

    refused = await run("close", "cleo", "--data", place())
    await chronos("transfer", "cleo", "heir", "1000", "EUR")
    closed = await chronos("close", "cleo")

    assert "[balance_not_zero]" in refused.err
    assert "cleo is closed" in closed.out


async def test_a_dry_run_shows_and_writes_nothing(chronos, open_accounts):
    await open_accounts("dora", "shop4")

    shown = await chronos("transfer", "dora", "shop4", "1", "EUR", "--dry-run")
    after = await chronos("balance", "dora", "--journal", "--json")

    assert "dry run: nothing was written" in shown.out
    assert "dora version 3: 999.00 EUR available" in shown.out
    assert (after.json["version"], after.json["booked"]) == (2, 100_000)


async def test_a_command_that_is_sent_again_with_its_key_is_done_once(chronos, open_accounts):
    await open_accounts("rae", "shop5")
    words = ("transfer", "rae", "shop5", "1", "EUR", "--idempotency-key", "once")

    first, second = await chronos(*words), await chronos(*words)

    assert first.out.split()[0] == second.out.split()[0]
    assert "replayed" in second.out
    assert "replayed" not in first.out


async def test_a_batch_is_read_in_each_of_its_forms(
    run, place, chronos, tmp_path, open_accounts
):
    await open_accounts("ben", "shop6")
    pay = {"type": "transfer", "from": "ben", "to": "shop6", "amount": 100, "currency": "EUR"}
    too_much = pay | {"amount": 10**9}
    file = tmp_path / "batch"

    file.write_text(json.dumps([pay, too_much]))
    mixed = await run("batch", str(file), "--data", place())
    file.write_text("\n".join(json.dumps(one) for one in (pay, pay)) + "\n")
    lines = await chronos("batch", str(file), "--json")
    file.write_text(json.dumps({"commands": [pay, too_much], "atomic": True}))
    atomic = await run("batch", str(file), "--data", place())
    after = await chronos("balance", "ben", "--journal", "--json")

    assert mixed.code == atomic.code == 1
    assert "1 done, 1 refused" in mixed.err
    assert "[insufficient_funds]" in mixed.out
    assert [one["status"] for one in lines.json["results"]] == [201, 201]
    assert "[batch_rejected]" in atomic.err
    assert after.json["booked"] == 100_000 - 300


async def test_what_is_no_batch_is_never_sent(run, place, tmp_path):
    file = tmp_path / "batch"
    file.write_text('["freeze"]')

    ended = await run("batch", str(file), "--data", place())

    assert ended.code == 2
    assert "neither a list of commands" in ended.err


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
