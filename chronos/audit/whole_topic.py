"""Whether the events topic has what a table is replayed from, before anything is wiped.

Workers mend gaps between an account's events, and know nothing of an account without any. So
each partition must begin at its first record and have as many records as the journal has
published events of its accounts. Repeated records could hide missing ones; that is for
`chronos reconcile` to find, which reads every record.

The journal is counted first, then what waits in the outbox, then the topic: whatever is
booked or published meanwhile makes the topic larger, never smaller.
"""

from __future__ import annotations

from collections import Counter

from chronos.audit.fill_from_topic import Topic
from chronos.errors import MissingPart
from chronos.store.cluster_identity import check_all
from chronos.store.journal_pages import open_pages
from chronos.store.pipeline_state import UNPUBLISHED_COUNTED_MAX, read_pipeline_state
from chronos.store.pool import Pool
from chronos.stream.topic_reader import open_topic, partition_counts
from chronos.wire.topics import partition_of


async def refuse_a_lost_topic(dsn: str, topic: Topic, *, shards: int) -> None:
    """Proves that the events topic can stand for the journal.

    Args:
        dsn: PostgreSQL, as a role that may read.
        topic: The events topic.
        shards: Of the outbox.

    Raises:
        MissingPart: It cannot, or the relay is far behind; nothing was changed.
        UnsafeSetting: The database was restored: all has to be made anew.
        Unavailable: A server does not answer.
    """
    name = topic.names.events
    partitions = (await partition_counts(topic.kafka, (name,)))[name]
    booked = await _booked(dsn, partitions or 1)
    waiting = await _waiting(dsn, shards)
    if not booked:
        return
    reason = "it is not there"
    if partitions is not None:
        async with open_topic(topic.kafka, name) as reader:
            begins, ends = await reader.begin_offsets(), await reader.end_offsets()
        reason = next(
            (
                f"partition {number} has {ends[number] - begins[number]:,} records from offset "
                f"{begins[number]:,} on, of {count:,} events"
                for number, count in sorted(booked.items())
                if begins[number] > 0 or ends[number] < count - waiting
            ),
            "",
        )
    if reason:
        raise MissingPart(
            f"The table is replayed from Kafka, and the topic {name} is not whole: {reason}. "
            "Nothing was wiped. Make the topics anew first, with `chronos rebuild kafka`, and "
            "then the table; or everything, with `chronos rebuild all`."
        )


async def _booked(dsn: str, partitions: int) -> Counter[int]:
    """Counts the events of each partition's accounts."""
    booked: Counter[int] = Counter()
    async with open_pages(dsn) as pages:
        async for page in pages.reached():
            for account in page:
                partition = partition_of(account.account_id.encode(), partitions)
                booked[partition] += account.version
    return booked


async def _waiting(dsn: str, shards: int) -> int:
    """Counts the events that the relay has not published yet."""
    pool = await Pool.open(dsn, application_name="chronos rebuild", connections_max=1)
    try:
        await check_all(pool)
        state = await read_pipeline_state(pool, shards)
    finally:
        await pool.close()
    if any(one.unpublished >= UNPUBLISHED_COUNTED_MAX for one in state.shards):
        raise MissingPart(
            f"More than {UNPUBLISHED_COUNTED_MAX:,} events wait for the relay: let it publish "
            "them first, or make everything anew with `chronos rebuild all`."
        )
    return sum(one.unpublished for one in state.shards)
