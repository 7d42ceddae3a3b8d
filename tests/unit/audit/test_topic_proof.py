"""The proof of the events topic: repeats are fine; strangers, changes and disorder are not."""

import pytest

from chronos.audit.topic_proof import RecordSeen, Stored, TopicProof
from chronos.wire.topics import partition_of

PARTITIONS = 8
HERE = partition_of(b"alice", PARTITIONS)
STORED = {
    ("alice", version): Stored(
        event_id=f"e{version}", body=b"{%d}" % version, hash=f"h{version}"
    )
    for version in (1, 2, 3)
}


def record(version: int, /, **changes: object) -> RecordSeen:
    seen = RecordSeen(
        partition=HERE,
        offset=version - 1,
        key=b"alice",
        value=b"{%d}" % version,
        version=str(version),
        event_id=f"e{version}",
        digest=f"h{version}",
    )
    return seen._replace(**changes)  # type: ignore[arg-type]  # the test names fields


def details(*records: RecordSeen) -> list[str]:
    return [finding.detail for finding in TopicProof(PARTITIONS).take(records, STORED)]


def test_events_in_order_with_repeats_are_clean():
    proof = TopicProof(PARTITIONS)
    records = [record(1), record(2), record(1), record(2), record(3)]

    assert list(proof.take(records, STORED)) == []
    assert (proof.records, proof.duplicates, proof.last_version) == (5, 2, {"alice": 3})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"partition": (HERE + 1) % PARTITIONS}, "belongs in partition"),
        ({"value": b"{9}"}, "its value differs"),
        ({"event_id": "other"}, "is event other"),
        ({"digest": "other"}, "`ce_hash` differs"),
        ({"key": None}, "no event of ours"),
        ({"version": None}, "no event of ours"),
        ({"version": "-1"}, "no event of ours"),
        ({"key": b"\xff"}, "no event of ours"),
    ],
)
def test_a_wrong_record_is_found(change, said):
    (detail,) = details(record(1, **change))

    assert said in detail


def test_a_record_that_the_journal_lacks_is_found():
    stranger = record(1, key=b"mallory", partition=partition_of(b"mallory", PARTITIONS))

    assert "is not in the journal" in details(stranger)[0]


def test_a_later_version_before_an_earlier_one_is_found():
    assert "version 3 comes after version 1" in details(record(1), record(3), record(2))[0]


def test_a_topic_that_ends_too_early_is_found():
    proof = TopicProof(PARTITIONS)
    list(proof.take([record(1), record(2)], STORED))

    assert proof.behind("alice", 2) is None
    missing = proof.behind("alice", 3)
    assert missing is not None
    assert "ends at version 2" in missing.detail
