"""Refused commands, from their transaction to their topic, beside the account's events."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from operator import itemgetter
from typing import Any

import pytest

from chronos.domain.chart import AccountKind
from chronos.domain.commands import Command, VoidHold
from chronos.domain.ids import HoldId
from chronos.ledger.service import Ledger
from chronos.stream.topic_reader import TopicRecord, open_topic
from chronos.wire.booking import Attempt, BatchAttempt
from chronos.wire.contract.asyncapi import asyncapi_document
from chronos.wire.receipt import Receipt
from chronos.wire.topics import Names, partition_of
from tests.builders import TRACEPARENT, attempt, open_account, transfer
from tests.integration.relay.harness import until
from tests.journals import document, store_on
from tests.unit.wire.contract.documents import problems

# What must be in Kafka: every event, and every refusal about an account that was there then.
JOURNAL = """
SELECT account_id, position
FROM events
UNION ALL
SELECT r.account_id, r.position
FROM receipts AS r
JOIN events AS opened ON opened.account_id = r.account_id AND opened.version = 1
WHERE r.status >= 400 AND opened.position < r.position
ORDER BY position
"""
NEWEST_REFUSAL = "SELECT max(position) FROM receipts WHERE status >= 400"
PUT_BACK = """
UPDATE relay_checkpoints
SET snapshot = $2, frozen_snapshot = NULL, window_last_position = NULL
WHERE shard = $1
"""


class Bank:
    """Two doors to one ledger, as two API processes have it, and what Kafka makes of it."""

    def __init__(self, ledgers: Sequence[Ledger], settings: Any):
        self._ledgers = ledgers
        self.settings = settings
        self.names = Names(settings.namespace)
        self._keys = 0

    async def ask(self, command: Command, key: str | None = None, **changes: Any) -> Receipt:
        return await self.execute(attempt(command, key or self.fresh_key(), **changes))

    async def execute(self, attempt: Attempt | BatchAttempt, door: int = 0) -> Receipt:
        return await self._ledgers[door].execute(attempt)

    async def preview(self, command: Command) -> Receipt:
        return await self._ledgers[0].preview(attempt(command, self.fresh_key()))

    def fresh_key(self) -> str:
        self._keys += 1
        return f"key-{self._keys}"

    async def events(self) -> list[TopicRecord]:
        return await self._records(self.names.events)

    async def rejections(self) -> list[TopicRecord]:
        return await self._records(self.names.rejections)

    async def arrived(self, count: int) -> list[TopicRecord]:
        """The rejections, once there are so many."""

        async def enough() -> list[TopicRecord] | None:
            found = await self.rejections()
            return found if len(found) >= count else None

        return await until(enough, f"{count} rejections did not arrive")

    async def marked(self) -> list[TopicRecord]:
        """The rejections, once one that is asked for now has arrived: nothing is on its way."""
        transfer_id = f"trf_marker_{self.fresh_key()}"
        marker = await self.ask(transfer("carol", "alice", 1, transfer_id=transfer_id))
        assert marker.status == 409
        position = await self.owner.fetchval(NEWEST_REFUSAL)

        async def seen() -> list[TopicRecord] | None:
            found = await self.rejections()
            return found if any(value(one)["position"] == position for one in found) else None

        found = await until(seen, "the marker did not arrive")
        return [one for one in found if value(one)["position"] != position]

    async def _records(self, topic: str) -> list[TopicRecord]:
        found: list[TopicRecord] = []
        async with open_topic(self.settings.kafka, topic) as reader:
            async for page in reader.pages_until(await reader.end_offsets()):
                found += page
        return found


@pytest.fixture
async def bank(database, settings, outbox):
    """Alice may owe 1,000; bob and carol nothing."""
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(
                store_on(database.writer_dsn, names=Names(settings.namespace))
            )
            for _ in range(2)
        ]
        made = Bank([Ledger(store.journal, store.references) for store in stores], settings)
        made.owner = await outbox.connect()
        await made.ask(open_account("bank", kind=AccountKind.SETTLEMENT))
        await made.ask(open_account("alice", overdraft_limit=1000))
        await made.ask(open_account("bob"))
        await made.ask(open_account("carol"))
        yield made
        await made.owner.close(timeout=5)


def value(record: TopicRecord) -> dict[str, Any]:
    return json.loads(record.value)


def places(records: Sequence[TopicRecord]) -> list[tuple[str, int]]:
    """Account and position of each record."""
    return [(one["account_id"], one["position"]) for one in map(value, records)]


async def test_a_refused_command_arrives_beside_the_events_of_its_account(bank, relay):
    asked = [
        transfer("bank", "alice", 500, transfer_id="trf_1"),
        transfer("alice", "bob", 9_999, transfer_id="trf_2"),
        transfer("alice", "bob", 700, transfer_id="trf_3"),
        transfer("alice", "alice", 1, transfer_id="trf_4"),
        transfer("bob", "alice", 100, transfer_id="trf_3"),
        transfer("bob", "alice", 100, transfer_id="trf_5"),
    ]
    receipts = [await bank.ask(command) for command in asked]
    assert [r.status for r in receipts] == [201, 409, 201, 422, 409, 201]
    relay()

    refused = await bank.arrived(3)
    events = await bank.events()

    story = defaultdict(list)
    for one in sorted(map(value, [*events, *refused]), key=lambda one: one["position"]):
        story[one["account_id"]].append(one.get("code") or one["type"])
    assert story["alice"] == [
        "AccountOpened", "MoneyDeposited", "insufficient_funds", "MoneyWithdrawn",
        "same_account", "MoneyDeposited",
    ]  # fmt: skip
    assert story["bob"] == [
        "AccountOpened", "MoneyDeposited", "transfer_exists", "MoneyWithdrawn",
    ]  # fmt: skip
    partitions = defaultdict(set)
    for record in (*events, *refused):
        partitions[record.key].add(record.partition)
    assert partitions == {
        key: {partition_of(key, bank.settings.partitions)} for key in partitions
    }


async def test_a_rejection_says_what_its_sender_was_told(bank, relay):
    told = await bank.ask(
        transfer("bob", "alice", 70), "rent", principal="till-3", request_id="req_77"
    )
    relay()

    (record,) = await bank.arrived(1)

    problem, said = document(told), value(record)
    assert said == {
        "type": "CommandRejected",
        "schema_version": 1,
        "rejection_id": record.header("ce_id"),
        "account_id": "bob",
        "command": "TransferFunds",
        "code": problem["code"],
        "detail": problem["detail"],
        "status": told.status,
        "errors": problem["errors"],
        "principal": "till-3",
        "idempotency_key": "rent",
        "correlation_id": "req_77",
        "position": said["position"],
        "recorded_at": record.header("ce_time"),
    }
    assert record.header("traceparent") == TRACEPARENT
    assert record.header("ce_type") == "CommandRejected"
    assert record.header("ce_version") is None, "only events have a version"


async def test_a_retry_is_told_the_same_and_publishes_nothing_again(bank, relay):
    poor = attempt(transfer("bob", "alice", 70), "rent")
    relay()

    first, second = await asyncio.gather(bank.execute(poor), bank.execute(poor, door=1))
    # Two processes at once: one decides, the other waits for it or is told to come again.
    assert {first.status, second.status} == {409}
    later = [await bank.execute(poor, door) for door in (0, 1, 0)]

    assert all(receipt.replayed for receipt in later)
    assert len({receipt.body for receipt in later}) == 1
    other = await bank.execute(attempt(transfer("bob", "alice", 71), "rent"))
    assert document(other)["code"] == "idempotency_key_reused"
    assert len(await bank.marked()) == 1


async def test_what_is_refused_about_no_account_of_the_bank_publishes_nothing(bank, relay):
    ghost = await bank.ask(transfer("ghost", "alice", 1))
    hold = VoidHold(hold_id=HoldId("hold_none"), description=None, expected_versions={})
    unknown = await bank.ask(hold)
    tried = await bank.preview(transfer("bob", "alice", 1))
    relay()

    assert [document(r)["code"] for r in (ghost, unknown, tried)] == [
        "account_not_found", "hold_not_found", "insufficient_funds",
    ]  # fmt: skip
    assert await bank.marked() == []


async def test_an_atomic_batch_is_one_refusal_and_leaves_no_event(bank, relay):
    commands = [
        transfer("alice", "bob", 100, transfer_id="trf_1"),
        transfer("carol", "bob", 100, transfer_id="trf_2"),
    ]
    receipt = await bank.execute(batch(commands, is_atomic=True))
    relay()

    (record,) = await bank.arrived(1)

    assert document(receipt)["code"] == "batch_rejected"
    said = value(record)
    assert (record.key, said["command"], said["code"]) == (b"carol", "Batch", "batch_rejected")
    assert said["idempotency_key"] == "payday"
    (error,) = said["errors"]
    assert (error["pointer"], error["code"]) == ("/commands/1", "insufficient_funds")
    assert {value(one)["type"] for one in await bank.events()} == {"AccountOpened"}
    again = await bank.execute(batch(commands, is_atomic=True), door=1)
    assert (again.body, again.replayed) == (receipt.body, True)
    assert len(await bank.marked()) == 1


async def test_each_refused_command_of_a_batch_has_a_record_of_its_own(bank, relay):
    commands = [
        transfer("alice", "bob", 100, transfer_id="trf_1"),
        transfer("carol", "bob", 100, transfer_id="trf_2"),
        transfer("ghost", "bob", 100, transfer_id="trf_3"),
        transfer("bob", "alice", 999, transfer_id="trf_4"),
    ]
    receipt = await bank.execute(batch(commands, is_atomic=False))
    await bank.execute(batch(commands, is_atomic=False), door=1)
    relay()

    found = await bank.marked()

    assert [one["status"] for one in document(receipt)["results"]] == [201, 409, 422, 409]
    assert {(r.key, value(r)["command"], value(r)["idempotency_key"]) for r in found} == {
        (b"carol", "TransferFunds", "payday 1"), (b"bob", "TransferFunds", "payday 3"),
    }  # fmt: skip
    assert len(found) == 2


async def test_a_relay_that_dies_before_its_checkpoint_repeats_the_same_bytes(bank, relay):
    before = await bank.owner.fetch("SELECT shard, snapshot FROM relay_checkpoints")
    first = relay()
    for number in range(3):
        await bank.ask(transfer("bob", "alice", 70, transfer_id=f"trf_{number}"))
    await bank.arrived(3)
    first.kill()
    # As if it had died between the publication and the checkpoint.
    await bank.owner.executemany(PUT_BACK, [(row["shard"], row["snapshot"]) for row in before])

    relay()

    after = await bank.arrived(6)
    copies = defaultdict(set)
    for record in after:
        copies[record.header("ce_id")].add((record.key, record.value, record.headers))
    assert len(copies) == 3
    assert all(len(copy) == 1 for copy in copies.values()), "a repeated record is another one"


async def test_a_storm_of_grants_and_refusals_keeps_each_accounts_order(bank, relay):
    chance = random.Random(7)
    process = relay()
    await until(process.is_ready, "the relay did not start")

    async def customer(number: int) -> None:
        for turn in range(40):
            source, destination = chance.sample(["alice", "bob", "carol", "ghost"], 2)
            command = transfer(
                source, destination, chance.choice([1, 5, 400]), transfer_id=f"t{number}-{turn}"
            )
            await bank.execute(attempt(command, f"k{number}-{turn}"), door=number % 2)

    async def published() -> bool:
        return await process.counted("chronos_outbox_rows_published_total{") > 50

    storm = asyncio.gather(*(customer(number) for number in range(8)))
    await until(published, "nothing was published")
    process.kill()
    relay()
    await storm

    rows = await bank.owner.fetch(JOURNAL)
    journal = [(row["account_id"], row["position"]) for row in rows]

    async def complete() -> bool:
        told = places([*await bank.events(), *await bank.rejections()])
        return sorted(set(told), key=itemgetter(1)) == journal

    await until(complete, "Kafka and the journal tell different stories")
    for records in (await bank.events(), await bank.rejections()):
        firsts = list(dict.fromkeys(places(records)))
        assert len(firsts) > 40
        for account in ("alice", "bob", "carol"):
            positions = [position for name, position in firsts if name == account]
            assert positions == sorted(positions), account


async def test_every_record_of_the_topic_is_as_it_is_described(bank, relay):
    await bank.ask(transfer("bob", "alice", 70))
    relay()
    (record,) = await bank.arrived(1)
    described = asyncapi_document(bank.names, partitions=8, shards=2, version="1")

    message = described["components"]["messages"]["CommandRejected.v1"]

    assert problems({k: v.decode() for k, v in record.headers}, message["headers"]) == []
    schema = described["components"]["schemas"]["CommandRejected.v1"]
    assert problems(value(record), schema) == []


def batch(commands: Sequence[Command], *, is_atomic: bool) -> BatchAttempt:
    items = [
        attempt(command, f"payday {number}", has_own_key=False)
        for number, command in enumerate(commands)
    ]
    return BatchAttempt(
        items=tuple(items),
        is_atomic=is_atomic,
        principal="tester",
        idempotency_key="payday",
        request_hash=items[0].request_hash,
        request_id="req_1",
        traceparent=TRACEPARENT,
        instance="/v1/batches",
    )
