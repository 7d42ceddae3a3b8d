"""Proves that Kafka does not end with events that the journal never had.

A database that was copied from a disk and started as if after a crash is, by its own account,
the one that Kafka was fed from; its events are not. What it lacks was published last, so the
last records of every partition are looked up in the journal: each must be there, as the same
event. Bounds: `RECORDS_PER_PARTITION` records of each partition, one look-up for each page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chronos.errors import MissingPart, UnsafeSetting
from chronos.store.journal_scan import JournalLookup, open_lookup
from chronos.stream.topic_reader import TopicRecord, open_topic
from chronos.wire.record import RecordHead, read_head
from chronos.wire.topics import Names

RECORDS_PER_PARTITION: Final = 100


async def prove_topic_end(dsn: str, kafka: str, names: Names) -> None:
    """Looks the last records of the events topic up in the journal.

    A topic that is not there ends with nothing; whoever publishes to it will find out.

    Raises:
        UnsafeSetting: The journal does not have one of them, or another event in its place.
        Unavailable: PostgreSQL or Kafka does not answer.
    """
    try:
        async with open_topic(kafka, names.events) as topic, open_lookup(dsn) as lookup:
            ends = await topic.end_offsets()
            begins = await topic.begin_offsets()
            topic.go_to(
                {p: max(begins[p], end - RECORDS_PER_PARTITION) for p, end in ends.items()}
            )
            async for records in topic.pages_until(ends):
                await _prove(records, lookup)
    except MissingPart:
        return


async def _prove(records: Sequence[TopicRecord], lookup: JournalLookup) -> None:
    heads = [head for one in records if (head := read_head(one.key, one.headers)) is not None]
    stored = await lookup.at_versions([(head.account_id, head.version) for head in heads])
    for head in heads:
        found = stored.get((head.account_id, head.version))
        if found is None or found.event_id != head.event_id:
            raise _another_history(head, None if found is None else found.event_id)


def _another_history(head: RecordHead, instead: str | None) -> UnsafeSetting:
    journal = "nothing" if instead is None else f"event {instead}"
    return UnsafeSetting(
        "kafka",
        f"has event {head.event_id} as version {head.version} of account {head.account_id}, "
        f"the journal has {journal} there: PostgreSQL is another one, or an older copy of the "
        "one that Kafka was fed from; nothing is published until `chronos rebuild all` has "
        "made Kafka and the read models anew from it, or until it runs on the right one",
    )
