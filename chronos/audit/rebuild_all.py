"""Makes everything that is derived from the journal anew, in the order of the flow.

Kafka first, because the table is replayed from it; then the table, Redis, Elasticsearch. What
is done is noted in a small file beside the workers' state, so that a run that was stopped goes
on with the part that it was at, and each part goes on within itself. The note is void when a
relay has run since, or the database is another one. Until the last part is done the relay's
checkpoints name no cluster: neither a relay nor a worker would start on copies of which some
are from before a restore and some from after it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from chronos.audit.fill_from_topic import Source, Topic, chosen
from chronos.audit.rebuild import Progress, RebuildFailed
from chronos.audit.rebuild_elasticsearch import rebuild_elasticsearch
from chronos.audit.rebuild_kafka import rebuild_kafka
from chronos.audit.rebuild_redis import rebuild_redis
from chronos.audit.rebuild_table import rebuild_table
from chronos.audit.whole_topic import refuse_a_lost_topic
from chronos.settings import Settings
from chronos.store.outbox_statements import BY_ITSELF, WITH_ALL
from chronos.store.relay_refill import checkpoints_mark, release
from chronos.wire.topics import Names

PARTS = ("kafka", "table", "redis", "elasticsearch")

Facts = dict[str, object]


async def rebuild_part(
    part: str,
    settings: Settings,
    *,
    progress: Progress,
    source: Source = Source.AUTO,
    command: int = BY_ITSELF,
) -> Facts:
    """Makes one part anew; see the module of each for what it does and raises."""
    names = Names(settings.namespace)
    if part == "kafka":
        return await rebuild_kafka(settings, progress=progress, command=command)
    events = Topic(settings.kafka, names)
    if part == "table":
        if command == BY_ITSELF:
            shards = settings.relay_shards
            await refuse_a_lost_topic(settings.postgres_dsn, events, shards=shards)
        return await rebuild_table(settings.kafka, names, settings.state_dir, progress=progress)
    topic = await chosen(
        source, settings.postgres_dsn, events, is_just_made=command == WITH_ALL
    )
    try:
        facts = await _rebuild_copy(part, settings, progress, topic)
    except RebuildFailed as fault:
        if topic is None:
            raise
        raise RebuildFailed(
            f"{fault}\nKafka was read first: `chronos reconcile` tells what is wrong with it, "
            "and `--from postgresql` does without it."
        ) from fault
    return facts | {"read": (Source.KAFKA if topic else Source.POSTGRESQL).value}


async def _rebuild_copy(
    part: str, settings: Settings, progress: Progress, topic: Topic | None
) -> Facts:
    names, dsn = Names(settings.namespace), settings.postgres_dsn
    if part == "redis":
        return await rebuild_redis(
            dsn, settings.redis_url, names, progress=progress, topic=topic
        )
    return await rebuild_elasticsearch(
        dsn, settings.elasticsearch_url, names, progress=progress, topic=topic
    )


async def rebuild_all(
    settings: Settings, *, progress: Progress, source: Source = Source.AUTO
) -> Facts:
    """Makes every part anew that an earlier run did not come to.

    Returns:
        What was done, by part.
    """
    path = settings.state_dir / "rebuild-all.json"
    mark = await checkpoints_mark(settings.postgres_dsn)
    done = _done(path, mark)
    facts: Facts = {}
    for part in PARTS:
        if part in done:
            facts[part] = "done by an earlier run"
            continue

        def told(phase: str, done: int, total: int, part: str = part) -> None:
            progress(f"{part}: {phase}", done, total)

        facts[part] = await rebuild_part(
            part, settings, progress=told, source=source, command=WITH_ALL
        )
        done.append(part)
        mark = await checkpoints_mark(settings.postgres_dsn)
        _keep(path, _Note(mark=mark, done=done))
    await release(settings.postgres_dsn)
    path.unlink(missing_ok=True)
    return facts


class _Note(msgspec.Struct):
    """What an unfinished run has done, and how the relay's checkpoints were then."""

    mark: str
    done: list[str]


def _done(path: Path, mark: str) -> list[str]:
    try:
        note = msgspec.json.decode(path.read_bytes(), type=_Note)
    except (FileNotFoundError, msgspec.MsgspecError):
        return []
    return note.done if note.mark == mark else []


def _keep(path: Path, note: _Note) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half")
    half.write_bytes(msgspec.json.encode(note))
    half.replace(path)
