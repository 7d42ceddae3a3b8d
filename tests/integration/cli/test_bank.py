"""The commands of the bank against a real command endpoint."""

import json

from chronos.clock import SystemClock
from tests.integration.cli.bank import (
    api,
    chronos,
    open_accounts,
    own_database,
    place,
)

__all__ = ["api", "chronos", "open_accounts", "own_database", "place"]


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
