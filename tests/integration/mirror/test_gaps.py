"""Events that the topic or the index lacks come from the journal."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer

from chronos.errors import InvariantBroken
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.fill_state import fill_state, mark_filled
from chronos.settings import Settings
from chronos.telemetry.metrics import REGISTRY
from chronos.wire.topics import Names
from tests.integration.mirror.values import Bank
from tests.integration.mirror.worker import (
    BankJournal,
    counted,
    eventually,
    mirrored,
    publish,
    working,
)


async def test_events_that_the_topic_left_out_are_read_from_the_journal(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    bank.open("alice", "bob")
    for _ in range(9):
        bank.pay("alice")
        bank.pay("bob")
    left_out = [row for row in bank.rows if row.key in (b"alice", b"bob")][5:14]
    whole, bank.rows = bank.rows, [row for row in bank.rows if row not in left_out]
    journal = BankJournal(bank)
    sample = "chronos_mirror_gaps_repaired_total"
    before = REGISTRY.get_sample_value(sample) or 0.0

    # The second worker remembers nothing, and asks the index how far it is whole.
    half = len(bank.rows) // 2
    bank.rows, rest = bank.rows[:half], bank.rows[half:]
    await publish(producer, settings, bank)
    async with working(settings, journal=journal):
        await eventually(lambda: counted(search, half))
    bank.rows = rest
    await publish(producer, settings, bank)
    async with working(settings, journal=journal):
        await eventually(lambda: mirrored(search, bank))

    assert len(whole) == len(bank.entries)
    assert (REGISTRY.get_sample_value(sample) or 0.0) >= before + 2


async def test_a_hole_that_an_older_index_has_is_filled_at_the_next_event(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    bank.open("alice")
    for _ in range(8):
        bank.pay("alice")
    ours = [entry for entry in bank.entries if entry.account_id == "alice"]
    await search.entries.write_many([*ours[:3], *ours[5:7]])
    await mark_filled(search.client, await fill_state(search.client, names.entries_alias))
    bank.rows = [row for row in bank.rows if row.key != b"alice"] + bank.rows[-1:]
    await publish(producer, settings, bank)

    async with working(settings, journal=BankJournal(bank)):
        await eventually(lambda: mirrored(search, bank))


async def test_a_version_that_nobody_has_stops_the_worker(
    settings: Settings, names: Names, producer: AIOKafkaProducer
):
    bank = Bank(names)
    bank.open("alice")
    bank.pay("alice")
    bank.pay("alice")
    bank.rows = [row for row in bank.rows if row.key != b"alice"] + bank.rows[-1:]
    await publish(producer, settings, bank)

    async with working(settings) as app:

        async def crashed() -> bool:
            return app.crash_reason is not None

        await eventually(crashed)

    assert isinstance(app.crash_reason, InvariantBroken)
    assert (app.crash_reason.account_id, app.crash_reason.version) == ("alice", 1)
