"""`chronos import` against a real command endpoint."""

import json

import asyncpg
import pytest

from tests.integration.api.running import make_key, running_api
from tests.integration.cli.bank import NOWHERE, own_database, write_addresses

__all__ = ["own_database"]


@pytest.fixture(scope="module")
def data(own_database, tmp_path_factory):
    """A data folder of a running API."""
    with running_api(own_database, tmp_path_factory.mktemp("api")) as running:
        key = make_key(own_database, "tests", "read", "write")
        folder = tmp_path_factory.mktemp("data")
        nowhere = f"http://{NOWHERE}"
        yield write_addresses(folder, running, own_database, api_key=key, query=nowhere)


@pytest.fixture
def events(own_database):
    """Counts the events of accounts whose name begins so."""

    async def count(begins: str) -> int:
        connection = await asyncpg.connect(own_database.owner_dsn, timeout=10)
        try:
            query = "SELECT count(*)::int FROM events WHERE starts_with(account_id, $1)"
            return await connection.fetchval(query, begins)
        finally:
            await connection.close(timeout=5)

    return count


TABLE = """\
type;id;account;currency;kind;overdraft_limit;opened_on;from;to;amount;value_date;description
account;t.alice;;EUR;;100.00;2020-01-01;;;;;
account;t.bob;;EUR;;;2020-01-01;;;;;
account;t.yen;;JPY;;;;;;;;
balance;;t.alice;EUR;;;;;;-50.00;2020-01-02;
balance;;t.bob;EUR;;;;;;1250.00;;
balance;;t.yen;JPY;;;;;;5000;;
transfer;;;EUR;;;;t.bob;t.alice;12.50;2024-02-29;"rent; old"
transfer;;;EUR;;;;t.bob;t.alice;12.50;2024-02-29;"rent; old"
entry;t.e1;t.bob;EUR;;;;;;-3.00;;
entry;t.e1;t.alice;EUR;;;;;;1.00;;
entry;t.e1;t.yen2;EUR;;;;;;2.00;;
transfer;;;EUR;;;;t.bob;t.alice;1,50;;
transfer;;;EUR;;;;t.alice;t.bob;999.00;;
"""


async def test_a_table_is_brought_in_once_and_what_was_refused_is_reported(
    run, data, events, tmp_path
):
    file, report = tmp_path / "books.csv", tmp_path / "report.jsonl"
    file.write_text("\ufeff" + TABLE, encoding="utf-8")
    words = ("import", str(file), "--report", str(report), "--data", data)

    dry = await run(*words, "--dry-run", "--json")
    dry_report = report.read_text()
    assert await events("t.") == 0
    first = await run(*words)
    first_report = report.read_text()
    booked = await events("t."), await events("opening.")
    second = await run(*words, "--json")

    assert (dry.code, first.code, second.code) == (1, 1, 1)
    assert dry.json["outcomes"]["done"] == 8
    wrong = [json.loads(line) for line in first_report.splitlines()]
    assert {(one["line"], one["outcome"], one["code"]) for one in wrong} == {
        (10, "refused", "account_not_found"),
        (13, "unreadable", "amount_invalid"),
        (14, "refused", "insufficient_funds"),
    }
    assert [json.loads(line)["code"] for line in dry_report.splitlines()] == [
        one["code"] for one in wrong
    ]
    assert "11 rows: 8 done, 2 refused, 1 unreadable" in first.out
    assert "There is no account t.yen2" in first.out
    assert second.json["outcomes"] | {"already there": 8, "done": 0} == second.json["outcomes"]
    assert (await events("t."), await events("opening.")) == booked == (10, 5)

    shown = await run("account", "show", "t.alice", "--data", data, "--json")
    assert (shown.json["booked"], shown.json["opened_on"]) == (-2500, "2020-01-01")


async def test_what_was_mended_is_brought_in_by_the_next_run(run, data, tmp_path):
    file = tmp_path / "rows.jsonl"
    move = {"type": "transfer", "from": "m.a", "to": "m.b", "amount": "5", "currency": "EUR"}
    rows = [
        {"type": "account", "id": "m.a", "currency": "EUR"},
        {"type": "balance", "account": "m.a", "amount": 700, "currency": "EUR"},
        move,
        move,
    ]
    opening = {"type": "account", "id": "m.b", "currency": "EUR"}

    outcomes = []
    for some in (rows, [opening, *rows], [opening, *rows]):
        file.write_text("".join(json.dumps(row) + "\n" for row in some))
        ended = await run("import", str(file), "--data", data, "--json")
        outcomes.append({k: v for k, v in ended.json["outcomes"].items() if v})
    shown = await run("balance", "m.b", "--journal", "--data", data, "--json")

    assert outcomes == [
        {"done": 2, "refused": 2},
        {"done": 2, "already there": 2, "refused": 1},
        {"already there": 4, "refused": 1},
    ]
    assert shown.json["booked"] == 500


async def test_the_other_side_of_opening_balances_can_be_named(run, data, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("account,amount_minor,currency\nm.c,5,CHF\n")
    opened = tmp_path / "accounts.csv"
    opened.write_text("id,currency\nm.c,CHF\n")

    for path, row_type in ((opened, "account"), (file, "balance")):
        words = ("--type", row_type, "--against", "CHF=m.equity")
        ended = await run("import", str(path), *words, "--data", data)
        assert ended.code == 0, ended.out + ended.err
    shown = await run("account", "show", "m.equity", "--data", data, "--json")

    assert (shown.json["kind"], shown.json["booked"]) == ("equity", -5)


async def test_rows_with_the_same_key_in_one_file_are_one(run, data, events, tmp_path):
    file = tmp_path / "rows.jsonl"
    opening = {"type": "account", "id": "k.a", "currency": "EUR"}
    file.write_text((json.dumps(opening) + "\n") * 3)

    ended = await run("import", str(file), "--data", data)

    assert ended.code == 0, ended.out
    assert "1 done, 2 already there" in ended.out
    assert await events("k.") == 1


async def test_a_file_of_no_known_form_is_not_read(run, data, tmp_path):
    unnamed, unknown = tmp_path / "rows", tmp_path / "rows.csv"
    unnamed.write_text("x")
    unknown.write_text("a,b\n1,2\n")

    assert (await run("import", str(unnamed), "--data", data)).code == 2
    ended = await run("import", str(unknown), "--data", data)

    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "unknown columns: 'a', 'b'" in ended.err
