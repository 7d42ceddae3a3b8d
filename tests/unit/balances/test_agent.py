"""What the balances agent does with a batch, without any server."""

import pytest

from agents.balances import BalancesAgent
from chronos.clock import SystemClock
from chronos.errors import InvariantBroken
from chronos.wire.codec import event_hash
from chronos.wire.headers import decode_headers
from tests.unit.balances.parts import (
    KeptCopy,
    MemoryJournal,
    MemoryTable,
    awake,
    busy_bank,
    patiently,
    record,
    take,
)


class Bench:
    """The agent with everything around it faked."""

    def __init__(self):
        self.rows, self.records = busy_bank()
        self.table = MemoryTable()
        self.journal = MemoryJournal(self.rows)
        self.copy = KeptCopy()
        self.agent = BalancesAgent(
            self.table,
            patiently=patiently,
            journal=self.journal,
            copy=self.copy,
            clock=SystemClock(),
            guard=awake(),
        )

    def of(self, account_id):
        return [r for r in self.records if r.key == account_id.encode()]

    def booked(self, account_id):
        return self.table.values[account_id.encode()].booked

    async def take(self, *rows):
        await take(self.agent, [record(row) for row in rows])


@pytest.fixture
def bench():
    return Bench()


def with_header(row, name, value):
    headers = [(n, value if n == name else v) for n, v in decode_headers(row.headers)]
    return record(row, headers=headers)


async def test_a_batch_writes_each_account_once_with_its_newest_balance(bench):
    await bench.take(*bench.records)

    assert sorted(bench.table.writes) == [("alice", 5), ("bank", 2), ("bob", 4)]
    assert [bench.booked(a) for a in ("alice", "bob", "bank")] == [670, 330, -1000]


async def test_redis_is_handed_what_the_table_got(bench):
    await bench.take(*bench.records)

    assert {b.account_id: b.booked for b in bench.copy.put_balances} == {
        "alice": 670,
        "bob": 330,
        "bank": -1000,
    }


async def test_a_duplicate_is_skipped(bench):
    await bench.take(*bench.records)
    await bench.take(*bench.records)

    assert bench.booked("alice") == 670


async def test_a_redelivered_newest_event_writes_its_value_to_the_changelog_again(bench):
    await bench.take(*bench.records)
    bench.table.writes.clear()

    await bench.take(*bench.of("alice"))

    assert bench.table.writes == [("alice", 5)]


async def test_an_old_duplicate_writes_nothing(bench):
    await bench.take(*bench.records)
    bench.table.writes.clear()

    await bench.take(bench.of("alice")[0])

    assert bench.table.writes == []


@pytest.mark.parametrize(
    ("header", "value"),
    [("ce_hash", b"00" * 32), ("ce_id", b"00000000-0000-7000-8000-00000000ffff")],
)
async def test_the_same_version_with_another_content_stops_the_worker(bench, header, value):
    await bench.take(*bench.records)
    newest = with_header(bench.of("alice")[-1], header, value)

    with pytest.raises(InvariantBroken):
        await take(bench.agent, [newest])


async def test_a_gap_is_filled_from_the_journal(bench):
    first, *_, newest = bench.of("alice")

    await bench.take(first, newest)

    assert bench.booked("alice") == 670
    assert bench.table.values[b"alice"].version == 5


async def test_a_gap_at_the_start_of_an_account_is_filled(bench):
    await bench.take(bench.of("bob")[-1])

    assert bench.booked("bob") == 330


async def test_a_repair_waits_for_a_journal_that_is_away(bench):
    bench.journal.failures = 5

    await bench.take(bench.of("bob")[-1])

    assert bench.booked("bob") == 330
    assert bench.journal.questions == 6


async def test_an_event_that_the_journal_does_not_have_stops_the_worker(bench):
    bench.journal.rows.clear()

    with pytest.raises(InvariantBroken):
        await bench.take(bench.of("bob")[-1])
    assert bench.table.writes == []


@pytest.mark.parametrize("value", [b"", b"{", b'{"type":"Unheard"}', b"\xff" * 40])
async def test_unreadable_bytes_are_read_again_from_the_journal(bench, value):
    first, second, *rest = bench.of("alice")
    broken = record(second, value=value)

    await take(bench.agent, [record(first), broken, *map(record, rest)])

    assert bench.booked("alice") == 670


async def test_unreadable_bytes_in_the_journal_too_stop_the_worker(bench):
    first = bench.of("alice")[0]
    stored = bench.journal.rows["alice", 1]
    bench.journal.rows["alice", 1] = stored._replace(body=b"{")

    with pytest.raises(InvariantBroken):
        await take(bench.agent, [record(first, value=b"{")])


async def test_a_disagreeing_booked_after_stops_the_worker_and_writes_nothing(bench):
    opened, deposit, *_ = bench.of("alice")
    body = deposit.value.replace(b'"booked_after":1000', b'"booked_after":1001')
    assert body != deposit.value
    digest = event_hash(bench.rows[1].hash, body)
    headers = [
        (n, digest.hex().encode() if n == "ce_hash" else v)
        for n, v in decode_headers(deposit.headers)
    ]

    with pytest.raises(InvariantBroken):
        await take(bench.agent, [record(opened), record(deposit, value=body, headers=headers)])
    assert bench.table.writes == []


async def test_a_broken_hash_chain_stops_the_worker(bench):
    opened, deposit, *_ = bench.of("alice")

    with pytest.raises(InvariantBroken):
        await take(bench.agent, [record(opened), with_header(deposit, "ce_hash", b"ab" * 32)])


def headers(version, digest):
    return [("ce_type", b"x"), ("ce_id", b"i"), ("ce_version", version), ("ce_hash", digest)]


@pytest.mark.parametrize(
    "foreign",
    [
        {"headers": []},
        {"key": b""},
        {"headers": headers(b"1", b"")},
        {"headers": headers(b"-1", b"ab" * 32)},
        {"headers": headers(b"1", b"xy" * 32)},
        {"headers": headers(b"1", b"ab" * 31)},
    ],
)
async def test_a_foreign_record_goes_to_the_dead_letters_and_the_rest_goes_on(bench, foreign):
    stranger = record(bench.records[0], **foreign)

    put_away = await take(bench.agent, [stranger, *map(record, bench.records)])

    assert put_away == [stranger]
    assert bench.booked("alice") == 670


async def test_a_changelog_write_that_kafka_refused_is_sent_again(bench):
    bench.table.failures = 2

    await bench.take(*bench.records)

    assert sorted(bench.table.kept) == [("alice", 5), ("bank", 2), ("bob", 4)]
