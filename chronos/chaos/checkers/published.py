"""C6: Kafka carries exactly the journal, each account in order, from the first record on."""

from __future__ import annotations

from collections.abc import Iterator

from chronos.chaos.readers.facts import Event, Journal, Record, Topic
from chronos.chaos.readers.murmur import partition_for
from chronos.chaos.verdict import Verdict, verdict

PROMISE = (
    "the events topic has every event of the journal and no other, each account's in the order "
    "of its versions, a repeated one with the same bytes, each in its key's own partition"
)


def outbox_to_kafka(
    journal: Journal, topic: Topic, *, partitions: int, topic_name: str
) -> Verdict:
    """C6: the outbox lost nothing, and invented nothing, on its way to Kafka."""
    events = {event.event_id: event for group in journal.accounts.values() for event in group}
    wrong: list[str] = []
    if topic.partitions != partitions:
        wrong.append(f"the topic has {topic.partitions} partitions, not {partitions}")
    wrong += _records(topic, events)
    published = {record.event_id for record in topic.records}
    wrong += [
        f"Kafka has not {_event(event)}"
        for event_id, event in events.items()
        if event_id not in published
    ]
    wrong += _outbox(journal, topic_name)
    return verdict("C6", PROMISE, looked_at=len(topic.records), violations=wrong)


def _records(topic: Topic, events: dict[bytes, Event]) -> Iterator[str]:
    newest: dict[str, int] = {}
    first: dict[bytes, Record] = {}
    for record in topic.records:
        event = events.get(record.event_id)
        if event is None:
            yield f"{_record(record)} is not in the journal"
            continue
        yield from _unlike(record, event)
        partition = partition_for(record.key.encode(), topic.partitions)
        if record.partition != partition:
            yield f"{_record(record)} belongs in partition {partition}"
        if record.event_id in first:
            if first[record.event_id].digest != record.digest:
                yield f"{_record(record)} repeats {_record(first[record.event_id])} otherwise"
            continue
        first[record.event_id] = record
        last = newest.get(event.account_id, 0)
        if event.version != last + 1:
            yield f"{_record(record)} comes first after version {last}"
        newest[event.account_id] = max(last, event.version)


def _unlike(record: Record, event: Event) -> Iterator[str]:
    if record.digest != event.digest:
        yield f"{_record(record)} has other bytes than {_event(event)}"
    if record.key != event.account_id:
        yield f"{_record(record)} has another key than {_event(event)}"
    if record.version != event.version:
        yield f"{_record(record)} says version {record.version}, it is {_event(event)}"
    if record.hash != event.hash:
        yield f"{_record(record)} says hash {record.hash.hex()}, reckoned {event.hash.hex()}"


def _outbox(journal: Journal, topic_name: str) -> Iterator[str]:
    """Compares what still lies in the outbox with the journal."""
    at = {event.position: event for group in journal.accounts.values() for event in group}
    for row in journal.outbox:
        if row.topic != topic_name:
            continue
        event = at.get(row.position)
        if event is None or (event.account_id, event.digest) != (row.account_id, row.digest):
            yield f"the outbox has at position {row.position} what the journal has not"


def _record(record: Record) -> str:
    return (
        f"the record at partition {record.partition}, offset {record.offset} "
        f"({record.key}, version {record.version}, event {record.event_id.hex()})"
    )


def _event(event: Event) -> str:
    return f"{event.account_id} version {event.version}, event {event.event_id.hex()}"
