"""The commands against a small bank: what they print, and how they end."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.integration.audit.conftest import spoil


async def test_without_an_instance_one_sentence_says_how_to_start_one(run, tmp_path):
    ended = await run("balance", "alice", "--data", str(tmp_path / "none"))

    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "chronos up --data" in ended.err


async def test_addresses_of_a_killed_instance_are_not_believed(run, data):
    path = Path(data) / "run" / "addresses.json"
    addresses = json.loads(path.read_text(encoding="utf-8"))
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    path.write_text(json.dumps(addresses | {"pids": {"api": process.pid}}), encoding="utf-8")

    ended = await run("balance", "alice", "--data", data)

    assert ended.code == 1
    assert "No Chronos is running" in ended.err


async def test_an_unknown_setting_is_named(run):
    ended = await run("config", "show", CHRONOS_PARTITION="8")

    assert ended.code == 78
    assert "CHRONOS_PARTITION" in ended.err


async def test_settings_are_shown_with_their_source_and_no_secret(run):
    ended = await run(
        "config", "show", "--json", CHRONOS_PARTITIONS="12", CHRONOS_API_KEY="chk_very_secret"
    )

    rows = {row["variable"]: row for row in ended.json}
    assert rows["CHRONOS_PARTITIONS"]["value"] == 12
    assert rows["CHRONOS_PARTITIONS"]["source"] == "environment"
    assert rows["CHRONOS_API_PORT"]["source"] == "default"
    assert "very_secret" not in ended.out


async def test_a_balance_is_shown_with_its_version_and_source(run, data, estate):
    ended = await run("balance", "alice", "--data", data, "--json")

    assert ended.code == 0
    assert ended.json == estate.views["alice"] | {"source": "table"}


async def test_a_refusal_is_one_sentence_with_its_code_and_exit_code_one(run, data):
    ended = await run("balance", "nobody", "--data", data)

    assert ended.code == 1
    assert ended.err == "chronos: There is none [account_not_found]\n"


async def test_an_amount_with_too_many_decimals_is_never_sent(run, data):
    ended = await run("transfer", "alice", "bob", "1.005", "EUR", "--data", data)

    assert ended.code == 2
    assert "decimals of EUR" in ended.err


async def test_an_amount_in_yen_has_no_decimals(run, data):
    ended = await run("transfer", "alice", "bob", "1.5", "JPY", "--data", data)

    assert ended.code == 2


async def test_records_are_printed_from_the_topic_itself(run, data, books):
    words = ("events", "tail", "--from-beginning", "--no-follow", "--json", "--data", data)
    ended = await run(*words, "--account", "bob")

    records = [json.loads(line) for line in ended.out.splitlines()]
    of_bob = [row for row in books.events if row.account_id == "bob"]
    assert [record["value"]["version"] for record in records] == list(range(1, len(of_bob) + 1))
    assert len({record["partition"] for record in records}) == 1
    assert [record["offset"] for record in records] == sorted(r["offset"] for r in records)
    assert records[0]["headers"]["ce_type"] == "AccountOpened"


async def test_tail_stops_at_its_limit(run, data):
    ended = await run("events", "tail", "--from-beginning", "--limit", "2", "--data", data)

    assert ended.code == 0
    assert ended.out.count("partition ") == 2
    assert "ce_id=" in ended.out


@pytest.mark.usefixtures("refusals")
async def test_refused_commands_are_printed_from_their_topic(run, data):
    words = ("events", "tail", "--rejections", "--from-beginning", "--no-follow", "--json")
    every = await run(*words, "--data", data)
    of_bob = await run(*words, "--account", "bob", "--data", data)

    records = [json.loads(line) for line in every.out.splitlines()]
    assert {(r["key"], r["value"]["code"]) for r in records} == {
        ("alice", "insufficient_funds"),
        ("bob", "same_account"),
    }
    assert {r["headers"]["ce_type"] for r in records} == {"CommandRejected"}
    assert [json.loads(line)["key"] for line in of_bob.out.splitlines()] == ["bob"]


async def test_a_topic_that_is_not_there_is_named(run, data, estate):
    words = ("events", "tail", "--rejections", "--no-follow", "--data", data)
    ended = await run(*words)

    assert ended.code == 1
    assert f"no topic {estate.targets.names.rejections}" in ended.err


async def test_verify_and_reconcile_end_with_zero_on_a_true_bank(run, data):
    verified = await run("verify", "--data", data)
    reconciled = await run("reconcile", "--data", data, "--json")

    assert (verified.code, reconciled.code) == (0, 0)
    assert "verify: clean" in verified.out
    assert reconciled.json["clean"] is True


async def test_verify_and_reconcile_end_with_one_and_say_what_is_wrong(run, data, estate):
    lie = "UPDATE events SET amount = amount + 1 WHERE account_id = 'bob' AND version = 2"
    await spoil(estate.targets.postgres_dsn, lie)

    verified = await run("verify", "--data", data)
    reconciled = await run("reconcile", "--no-wait", "--data", data, "--json")

    assert (verified.code, reconciled.code) == (1, 1)
    assert re.search(r"bob version 2 \(position \d+\): amount is", verified.out)
    assert reconciled.json["differences_by_check"] == {"journal": 1}


async def test_the_outbox_is_shown_by_shard(run, data):
    ended = await run("outbox", "status", "--data", data, "--json")

    assert ended.code == 0
    assert [shard["unpublished"] for shard in ended.json["shards"]] == [0, 0]


async def test_the_currency_of_a_new_account_is_given_once(run, data):
    ended = await run("account", "open", "carol", "EUR", "--currency", "USD", "--data", data)

    assert ended.code == 2
    assert "once" in ended.err
