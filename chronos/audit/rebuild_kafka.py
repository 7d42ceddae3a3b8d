"""Makes the topics of events and refusals anew from the journal, while no worker runs.

Phases: take every shard of the relay → stop the relay's checkpoints → delete and make the
topics → publish one snapshot of the journal by position → have the relay go on after that
snapshot, and the consumers at the beginning.

A rebuild that is killed leaves checkpoints that no relay publishes from. Run again, it goes on
in the topics that it made; what came in the last seconds before the end may come twice, and
readers skip it. Where a partition has less than was published, it begins again.

The old records are not kept: after a database was restored to an earlier moment, they
contradict its events. Then table, Redis and Elasticsearch do so too, so this alone is refused,
also where only what Kafka ends with tells of it. As a part of `rebuild all` it leaves the
checkpoints as they are until the others are done. Offsets begin again, so the Faust table has
to be rebuilt after it; the mirror reads everything again and finds it there.
"""

from __future__ import annotations

from functools import partial

from chronos.audit.rebuild import Progress, patiently
from chronos.audit.stopped import refuse_while_running
from chronos.audit.topic_end import prove_topic_end
from chronos.errors import MissingPart, UnsafeSetting
from chronos.settings import Settings
from chronos.store.journal_pages import alone
from chronos.store.outbox_layout import Layout, agree_on
from chronos.store.outbox_statements import BY_ITSELF
from chronos.store.refill_place import Place
from chronos.store.relay_refill import Refill, open_refill
from chronos.stream.publisher import Publisher
from chronos.stream.topic_admin import TopicAdmin, open_admin
from chronos.stream.topic_reader import open_topic
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
        What is in the topics, and what of it a run that was killed had published.

    Raises:
        MissingPart: A worker runs, or another rebuild.
        SettingFault: The database's outbox is dealt out to other partitions or shards.
        UnsafeSetting: The database was restored: all has to be made anew.
        InvariantBroken: The journal cannot be read.
        Unavailable: A server does not answer; running again goes on.
    """
    names = Names(settings.namespace)
    dsn = settings.postgres_dsn
    async with alone(dsn, f"kafka of {names.namespace}"), open_admin(settings.kafka) as admin:
        await refuse_while_running(admin, names, ROLES)
        await agree_on(dsn, Layout.of(settings), topics_agree=True)
        if command == BY_ITSELF:
            await prove_topic_end(dsn, settings.kafka, names)
        async with open_refill(
            dsn, names, partitions=settings.partitions, command=command
        ) as refill:
            place = await refill.begin()
            goes_on = place is not None and await _is_in_kafka(settings, names, place)
            if not goes_on:
                await refill.start_over()
                await admin.delete([names.events, names.rejections])
            await ensure_topics(settings)
            if not goes_on:
                await refill.fix()
            before = _counts(refill.place)
            await _publish(refill, settings, progress)
            await _begin_again(admin, names)
            await refill.end()
    facts: dict[str, object] = {"published": _counts(refill.place)}
    if goes_on:
        facts["of_these_by_an_earlier_run"] = before
    elif place is not None and place.last:
        facts["begun_again"] = "the topics were not as the run before had left them"
    return facts


async def _is_in_kafka(settings: Settings, names: Names, place: Place) -> bool:
    """Tells whether the topics are those of a refill that was killed, with all it published."""
    if not place.last:
        return False
    try:
        for name in (names.events, names.rejections):
            async with open_topic(settings.kafka, name) as reader:
                begins, ends = await reader.begin_offsets(), await reader.end_offsets()
            is_short = any(
                ends.get(partition, 0) < end
                for partition, end in place.ends.get(name, {}).items()
            )
            if is_short or any(begins.values()) or len(ends) != settings.partitions:
                return False
        await prove_topic_end(settings.postgres_dsn, settings.kafka, names)
    except (MissingPart, UnsafeSetting):
        return False
    return True


async def _publish(refill: Refill, settings: Settings, progress: Progress) -> None:
    total = await refill.count()
    publisher = Publisher(settings.kafka, client_id="rebuild")
    progress("publishing", refill.place.events, total)
    try:
        async for page in refill.pages():
            refill.took(page, await patiently(partial(publisher.publish, page)))
            progress("publishing", refill.place.events, total)
    finally:
        await publisher.close()


def _counts(place: Place) -> dict[str, int]:
    return {"events": place.events, "refusals": place.refusals}


async def _begin_again(admin: TopicAdmin, names: Names) -> None:
    # Kafka forgets the offsets of a topic that is deleted; not at once.
    for role in ("balances", "mirror"):
        await admin.read_from_beginning(names.app_id(role), names.events)
