"""A write transaction that somebody forgot: nobody waits for it, and its row is not lost.

TEST_IDLE_S says how long it stays open; a run of results/ kept it for 60 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from chronos.domain.chart import AccountKind
from chronos.domain.ids import TransferId
from chronos.ledger.service import Ledger
from chronos.stream.topic_reader import open_topic
from chronos.wire.topics import Names
from tests.builders import attempt, open_account, transfer
from tests.integration.relay.harness import Written, as_written, in_kafka, inversions, until
from tests.journals import store_on

IDLE_S = float(os.environ.get("TEST_IDLE_S", "6"))
PAUSE_S = 0.005
OPENED = ("bank", "alice")
ROTATIONS_MIN = 4
# Whoever waited for the open transaction would wait for seconds. These leave room for a machine
# that has other work.
COMMAND_P99_S = 1.0
COMMAND_MAX_S = 2.5
TO_KAFKA_P99_S = 1.0


@dataclass
class Watched:
    """When each event was committed and when a consumer had it, by one clock."""

    commands_s: list[float] = field(default_factory=list)
    committed_at_s: dict[Written, float] = field(default_factory=dict)
    arrived_at_s: dict[Written, float] = field(default_factory=dict)

    async def all_came(self) -> bool:
        return self.committed_at_s.keys() <= self.arrived_at_s.keys()

    def forget(self) -> None:
        """Begins anew with measuring."""
        for measured in (self.commands_s, self.committed_at_s, self.arrived_at_s):
            measured.clear()

    def to_kafka_s(self) -> list[float]:
        return [
            max(0.0, self.arrived_at_s[event] - at_s)
            for event, at_s in self.committed_at_s.items()
        ]


async def test_nothing_waits_for_a_forgotten_transaction_while_the_tables_rotate(
    settings, database, outbox, relay, figures
):
    process = relay()
    await until(lambda: _owns_all(process), "the relay did not start")
    watched = Watched()
    forgotten = await outbox.connect()
    async with _following(settings, watched), _commands(settings, database, watched):
        transaction = forgotten.transaction()
        await transaction.start()
        await outbox.lock(forgotten, ["acc_slow"])
        (late,) = await outbox.add(forgotten, ["acc_slow"])
        began_s, rotated = time.monotonic(), await _rotations(process)

        async def long_enough() -> bool:
            open_s = time.monotonic() - began_s
            return open_s >= IDLE_S and await _rotations(process) >= rotated + ROTATIONS_MIN

        await until(long_enough, "the tables did not rotate", within_s=IDLE_S + 60)
        open_s, rotated = time.monotonic() - began_s, await _rotations(process) - rotated
    assert watched.committed_at_s.keys() <= watched.arrived_at_s.keys()
    assert late not in watched.arrived_at_s

    await transaction.commit()

    async def came() -> bool:
        return late in await in_kafka(settings)

    await until(came, "the row of the forgotten transaction was lost")
    seen = await in_kafka(settings)
    assert inversions(seen) == []
    assert len(seen) == len(set(seen)) == len(watched.committed_at_s) + len(OPENED) + 1
    _judge(watched, open_s, int(rotated), figures)
    await forgotten.close()


def _judge(watched: Watched, open_s: float, rotations: int, figures: dict) -> None:
    to_kafka_s = watched.to_kafka_s()
    figures["open transaction"] = {
        "open_s": round(open_s, 1),
        "commands": len(watched.commands_s),
        "rotations": rotations,
        "command_p50_ms": _ms(_percentile(watched.commands_s, 50)),
        "command_p99_ms": _ms(_percentile(watched.commands_s, 99)),
        "command_max_ms": _ms(max(watched.commands_s)),
        "commit_to_kafka_p50_ms": _ms(_percentile(to_kafka_s, 50)),
        "commit_to_kafka_p99_ms": _ms(_percentile(to_kafka_s, 99)),
        "commit_to_kafka_max_ms": _ms(max(to_kafka_s)),
    }
    assert len(watched.commands_s) > 30, figures
    assert _percentile(watched.commands_s, 99) < COMMAND_P99_S, figures
    assert max(watched.commands_s) < COMMAND_MAX_S, figures
    assert _percentile(to_kafka_s, 99) < TO_KAFKA_P99_S, figures


@contextlib.asynccontextmanager
async def _commands(settings, database, watched: Watched) -> AsyncIterator[None]:
    """Executes one transfer after the other, as the API does, until the block ends."""
    stop = asyncio.Event()
    async with store_on(database.writer_dsn, names=Names(settings.namespace)) as store:
        ledger = Ledger(store.journal, store.references)
        await _execute(ledger, watched, 0, open_account("bank", kind=AccountKind.SETTLEMENT))
        await _execute(ledger, watched, 0, open_account("alice"))
        # What the relay does once, before its first page, is not what is measured here.
        await until(watched.all_came, "the accounts did not arrive")
        watched.forget()

        async def work() -> None:
            number = 1
            while not stop.is_set():
                number += 1
                moved = transfer("bank", "alice", 1, transfer_id=TransferId(f"trf_{number}"))
                await _execute(ledger, watched, number, moved)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), PAUSE_S)

        task = asyncio.create_task(work())
        try:
            yield
        finally:
            stop.set()
            await task


async def _execute(ledger: Ledger, watched: Watched, number: int, command) -> None:
    began_s = time.monotonic()
    receipt = await ledger.execute(attempt(command, f"key-{number}-{command}"[:64]))
    now_s = time.monotonic()
    assert receipt.status < 300, receipt.body
    watched.commands_s.append(now_s - began_s)
    accounts = (command.account_id,) if number == 0 else OPENED
    for account in accounts:
        watched.committed_at_s[Written(account, max(1, number))] = now_s


@contextlib.asynccontextmanager
async def _following(settings, watched: Watched) -> AsyncIterator[None]:
    """Notes when a consumer has each event, until it has all that were committed."""
    async with open_topic(settings.kafka, Names(settings.namespace).events) as reader:

        async def follow() -> None:
            while True:
                for record in await reader.page(wait_ms=5):
                    event = as_written(record.value)
                    watched.arrived_at_s.setdefault(event, time.monotonic())

        task = asyncio.create_task(follow())
        try:
            yield
            await until(watched.all_came, "committed events did not arrive")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _owns_all(process) -> bool:
    assert process.process.poll() is None, process.story()
    return await process.shards() == {0, 1}


async def _rotations(process) -> float:
    return await process.counted("chronos_outbox_rotations_total")


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
