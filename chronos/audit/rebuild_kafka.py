"""Makes the topics of events and refusals anew from the journal, while no worker runs.

Phases: take every shard of the relay → stop the relay's checkpoints → delete and make the
topics → publish one snapshot of the journal by position → have the relay go on after that
snapshot, and the consumers at the beginning.

A rebuild that is killed leaves checkpoints that no relay publishes from; run again, it begins
again with empty topics. The old records are not kept: after a database was restored to an
earlier moment, they contradict its events. Then table, Redis and Elasticsearch do so too, so
this alone is refused, and as a part of `rebuild all` it leaves the checkpoints as they are
until the others are done. Offsets begin again, so the Faust table has to be rebuilt after it;
the mirror reads everything again and finds it there.
"""

from __future__ import annotations

from functools import partial

from chronos.audit.rebuild import Progress, patiently
from chronos.audit.stopped import refuse_while_running
from chronos.settings import Settings
from chronos.store.journal_pages import alone
from chronos.store.outbox_layout import Layout, agree_on
from chronos.store.outbox_statements import BY_ITSELF
from chronos.store.relay_refill import Refill, open_refill
from chronos.stream.publisher import Publisher
from chronos.stream.topic_admin import TopicAdmin, open_admin
from chronos.stream.topics import ensure_topics
from chronos.wire.topics import Names

ROLES = ("relay", "balances", "mirror")


async def rebuild_kafka(
    settings: Settings, *, progress: Progress, command: int = BY_ITSELF
) -> dict[str, object]:
    """Makes both topics anew from the journal.

    Args:
        settings: PostgreSQL as its owner or the relay, Kafka, namespace, partitions.
        progress: Told the events that were published.
        command: `WITH_ALL` when the others follow, and `release` after them.

    Returns:
        What was done, in figures.

    Raises:
        MissingPart: A worker runs, or another rebuild.
        SettingFault: The database's outbox is dealt out to other partitions or shards.
        UnsafeSetting: The database was restored: all has to be made anew.
        InvariantBroken: The journal cannot be read.
        Unavailable: A server does not answer; running again begins again.
    """
    names = Names(settings.namespace)
    dsn = settings.postgres_dsn
    async with alone(dsn, f"kafka of {names.namespace}"), open_admin(settings.kafka) as admin:
        await refuse_while_running(admin, names, ROLES)
        await agree_on(dsn, Layout.of(settings), topics_agree=True)
        async with open_refill(
            dsn, names, partitions=settings.partitions, command=command
        ) as refill:
            total = await refill.begin()
            await admin.delete([names.events, names.rejections])
            await ensure_topics(settings)
            counts = await _publish(refill, settings, total, progress)
            await _begin_again(admin, names)
            await refill.end()
    return {"published": counts}


async def _publish(
    refill: Refill, settings: Settings, total: int, progress: Progress
) -> dict[str, int]:
    names = Names(settings.namespace)
    counts = {"events": 0, "refusals": 0}
    publisher = Publisher(settings.kafka, client_id="rebuild")
    progress("publishing", 0, total)
    try:
        async for page in refill.pages():
            await patiently(partial(publisher.publish, page))
            events = sum(row.topic == names.events for row in page)
            counts["events"] += events
            counts["refusals"] += len(page) - events
            progress("publishing", counts["events"], total)
    finally:
        await publisher.close()
    return counts


async def _begin_again(admin: TopicAdmin, names: Names) -> None:
    # Kafka forgets the offsets of a topic that is deleted; not at once.
    for role in ("balances", "mirror"):
        await admin.read_from_beginning(names.app_id(role), names.events)
