"""Publishes events again, from a position of the journal on, beside a relay that runs.

For a topic that lost records, or a consumer of somebody else's that needs them again. Nothing
is taken away: each record comes once more, byte for byte, behind what is there, and consumers
skip the versions that they know. Up to the newest event of the moment of its start; what comes
later is the relay's.
"""

from __future__ import annotations

from functools import partial

from chronos.audit.rebuild import Progress, patiently
from chronos.errors import MissingPart
from chronos.store.journal_from import open_journal_from
from chronos.stream.publisher import Publisher
from chronos.stream.topic_reader import partition_counts
from chronos.wire.topics import Names


async def republish(
    dsn: str, kafka: str, names: Names, *, position: int, progress: Progress
) -> int:
    """Publishes every event at `position` or later again.

    Returns:
        How many were published.

    Raises:
        MissingPart: There is no topic of events.
        Unavailable: A server does not answer; doing all again is safe.
    """
    partitions = (await partition_counts(kafka, (names.events,)))[names.events]
    if partitions is None:
        raise MissingPart(f"Kafka has no topic {names.events}; `chronos up` makes it.")
    published = 0
    publisher = Publisher(kafka, client_id="republish")
    try:
        async with open_journal_from(dsn, position) as journal:
            total = await journal.count()
            progress("publishing", 0, total)
            async for page in journal.pages(topic=names.events, partitions=partitions):
                await patiently(partial(publisher.publish, page))
                published += len(page)
                progress("publishing", published, total)
    finally:
        await publisher.close()
    return published
