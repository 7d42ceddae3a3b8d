"""C6: the records of the topic against the journal; Kafka's hash of a key by known vectors."""

import msgspec
import pytest

from chronos.chaos.checkers.published import outbox_to_kafka
from chronos.chaos.readers.facts import Topic
from chronos.chaos.readers.murmur import murmur2, partition_for
from tests.unit.chaos.town import PARTITIONS, TOPIC, Town, small_town


@pytest.fixture
def town() -> Town:
    return small_town()


def found(town, topic, journal=None):
    return outbox_to_kafka(
        journal or town.journal(), topic, partitions=PARTITIONS, topic_name=TOPIC
    )


def of_account(topic, key):
    return [n for n, record in enumerate(topic.records) if record.key == key]


# Source: Apache Kafka, UtilsTest.testMurmur2.
@pytest.mark.parametrize(
    ("text", "signed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_murmur2_gives_what_kafka_gives(text, signed):
    assert murmur2(text.encode()) == signed & 0xFFFFFFFF


def test_a_partition_is_never_negative():
    assert {partition_for(f"account-{n}".encode(), 3) for n in range(50)} == {0, 1, 2}


def test_a_topic_that_carries_the_journal_passes(town):
    judged = found(town, town.topic())

    assert (judged.violations, judged.looked_at) == ((), 15)


def test_a_repeated_record_with_the_same_bytes_is_no_matter(town):
    topic = town.topic()
    topic.records.extend([msgspec.structs.replace(r, offset=100) for r in topic.records[:3]])

    assert found(town, topic).violations == ()


def test_an_event_that_was_never_published_is_found(town):
    topic = town.topic()
    last = topic.records.pop(of_account(topic, "alice")[-1])

    (only,) = found(town, topic).violations
    assert only == f"Kafka has not alice version {last.version}, event {last.event_id.hex()}"


def test_a_record_that_the_journal_has_not_is_found(town):
    topic = town.topic()
    strange = msgspec.structs.replace(topic.records[0], event_id=b"\1" * 16, offset=99)
    topic.records.append(strange)

    (only,) = found(town, topic).violations
    assert only.endswith("is not in the journal")
    assert "offset 99" in only


def test_versions_out_of_order_are_found(town):
    topic = town.topic()
    one, other = of_account(topic, "alice")[2:4]
    topic.records[one], topic.records[other] = topic.records[other], topic.records[one]

    violations = found(town, topic).violations
    assert len(violations) == 2
    assert "comes first after version 2" in violations[0]


def test_a_repeated_record_with_other_bytes_is_found(town):
    topic = town.topic()
    topic.records.append(msgspec.structs.replace(topic.records[0], digest=b"x", offset=99))

    violations = found(town, topic).violations
    assert [v for v in violations if "has other bytes than" in v]
    assert [v for v in violations if "repeats the record" in v and v.endswith("otherwise")]


def test_a_record_in_another_partition_is_found(town):
    topic = town.topic()
    number = of_account(topic, "alice")[0]
    right = topic.records[number].partition
    topic.records[number] = msgspec.structs.replace(
        topic.records[number], partition=(right + 1) % PARTITIONS
    )

    (only,) = found(town, topic).violations
    assert only.endswith(f"belongs in partition {right}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 8}, "says version 8, it is alice version"),
        ({"hash": b"\0" * 32}, f"says hash {'00' * 32}"),
        ({"key": "bob"}, "has another key than alice version"),
    ],
)
def test_a_record_that_says_another_thing_of_itself_is_found(town, changes, words):
    topic = town.topic()
    number = of_account(topic, "alice")[-1]
    topic.records[number] = msgspec.structs.replace(topic.records[number], **changes)

    assert any(words in what for what in found(town, topic).violations)


def test_another_number_of_partitions_is_found(town):
    topic = Topic(partitions=PARTITIONS + 1, records=town.topic().records)

    assert found(town, topic).violations[0] == "the topic has 5 partitions, not 4"


def test_an_outbox_row_that_the_journal_has_not_is_found(town):
    journal = town.journal()
    journal.outbox[0] = msgspec.structs.replace(journal.outbox[0], position=10_000)

    (only,) = found(town, town.topic(), journal).violations
    assert only == "the outbox has at position 10000 what the journal has not"


def test_rows_of_other_topics_are_not_events(town):
    journal = town.journal()
    assert {row.topic for row in journal.outbox} == {TOPIC, "chronos.rejections.v1"}

    assert found(town, town.topic(), journal).violations == ()
