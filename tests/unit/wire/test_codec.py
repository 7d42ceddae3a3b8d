"""Events as bytes, their chain, their headers, their partition."""

import hashlib
import json

import pytest
from aiokafka.partitioner import murmur2 as kafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from chronos.wire.codec import UnreadableEvent, decode_event, event_hash, with_hash
from chronos.wire.headers import decode_headers
from chronos.wire.topics import murmur2, partition_of, shard_of
from tests.builders import MemoryBank, attempt, open_account, transfer


def booked_rows():
    bank = MemoryBank.empty()
    return bank.book(
        [
            attempt(
                open_account("alice", overdraft_limit=500, metadata={"b": "1", "a": "ü"}), "1"
            ),
            attempt(open_account("bob", external_id="crm-7"), "2"),
            attempt(
                transfer(amount=70, description="naïve — “quoted”\n", metadata={"k": "v"}), "3"
            ),
        ]
    )


def test_an_event_reads_back_as_it_was_written():
    for row in booked_rows().event_rows:
        recorded = decode_event(row.body)
        assert type(recorded.event).__name__ == row.type
        assert (recorded.event.account_id, recorded.event.version) == (
            row.account_id,
            row.version,
        )
        assert recorded.recorded_at == row.recorded_at
        assert recorded.position == row.position


def test_the_bytes_are_canonical_json():
    for row in booked_rows().event_rows:
        document = json.loads(row.body)
        canonical = json.dumps(
            document, sort_keys=True, ensure_ascii=False, separators=(",", ":")
        )
        assert canonical.encode() == row.body


def test_the_first_event_is_hashed_alone_and_the_next_ones_in_a_chain():
    rows = [r for r in booked_rows().event_rows if r.account_id == "alice"]
    assert rows[0].hash == hashlib.sha256(rows[0].body).digest()
    assert rows[1].hash == hashlib.sha256(rows[0].hash + rows[1].body).digest()
    assert event_hash(rows[0].hash, rows[1].body) == rows[1].hash


def test_a_hash_joins_the_document_as_a_member():
    row = booked_rows().event_rows[0]
    assert json.loads(with_hash(row.body, row.hash))["hash"] == row.hash.hex()


def test_a_record_says_in_its_headers_what_it_is():
    booked = booked_rows()
    row, event = booked.outbox_rows[2], booked.event_rows[2]
    headers = dict(decode_headers(row.headers))
    assert headers["ce_id"] == event.event_id.encode()
    assert headers["ce_type"] == b"MoneyWithdrawn"
    assert headers["ce_version"] == b"2"
    assert headers["ce_subject"] == b"alice"
    assert headers["ce_hash"] == event.hash.hex().encode()
    assert row.value == event.body
    assert (row.partition, row.shard) == (partition_of(b"alice", 8), shard_of(row.partition, 2))


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"type":"Unheard"}', b"\xff", b"[" * 100_000],
)
def test_bytes_that_are_no_event_are_unreadable(body):
    with pytest.raises(UnreadableEvent):
        decode_event(body)


def test_an_event_of_a_later_schema_is_unreadable():
    body = (
        booked_rows().event_rows[0].body.replace(b'"schema_version":1', b'"schema_version":2')
    )
    with pytest.raises(UnreadableEvent, match="schema version 2"):
        decode_event(body)


@given(st.binary(max_size=80))
def test_a_key_goes_to_the_partition_that_kafka_chooses(key):
    assert murmur2(key) == kafka_murmur2(key) & 0xFFFFFFFF
