"""The mirror worker from a backlog, beside a bare loader on the same Elasticsearch.

The loader has the same documents ready in memory, in requests as long as the worker's, two of
them under way at once; it reads nothing, checks nothing and acknowledges nothing. It has its
turn before and after the worker, each time into an empty index of the same mapping, so that a
busy minute of the machine meets both; a turn before all counts for nothing, since a server that
has just started takes half as much.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec

from chronos.bench.report import BenchFault, Report, Start
from chronos.bench.stages.backlog import Drained
from chronos.bench.stages.draining import drain, make_backlog
from chronos.bench.stages.stage import Stage
from chronos.mirror.bulk import REQUEST_DOCUMENTS_MAX
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.indices import delete_indices
from chronos.stream.topic_reader import open_topic
from chronos.wire.codec import with_hash
from chronos.wire.topics import Names

COUNTER: Final = 'chronos_mirror_documents_total{index="entries"'
AT_ONCE: Final = 2
_REQUEST_DEADLINE_S: Final = 60.0
_NDJSON: Final = {"Content-Type": "application/x-ndjson"}
_NO_ERRORS: Final = b'{"errors":false}'


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorPlan:
    """What to measure."""

    accounts: int
    events: int


class LoaderFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of the bare loader."""

    documents: int
    seconds: float
    per_second: int


class MirrorReport(Report, frozen=True, kw_only=True):
    """The figures of one run."""

    worker: Drained
    loader: tuple[LoaderFigures, ...]
    """Its turn before the worker, and the one after it."""
    ratio: float
    """Documents a second of the worker by those of the loader's turns together."""


async def measure_mirror(stage: Stage, plan: MirrorPlan) -> MirrorReport:
    """Measures one worker on a backlog, and the loader before and after it.

    Raises:
        BenchFault: The relay or the worker stands still, or the loader was refused.
    """
    start = Start(stage.clock)
    town = await make_backlog(
        stage, accounts=plan.accounts, events=plan.events, idle=("mirror", "balances", "api")
    )
    requests = [
        b"".join(lines) for lines in pages(await _documents(stage), REQUEST_DOCUMENTS_MAX)
    ]
    await _load(stage, requests, town.events)
    turns = [await _load(stage, requests, town.events)]
    worker = await drain(stage, "mirror", counter=COUNTER, records=town.events)
    await stage.stop("mirror")
    turns.append(await _load(stage, requests, town.events))
    head = await start.head(
        "mirror",
        "one mirror worker on a backlog of events, beside a bare loader of the same documents",
        settings={
            "accounts": plan.accounts,
            "events": town.events,
            "partitions": stage.settings.partitions,
            "batch_events_max": stage.settings.batch_events_max,
            "loader_requests_at_once": AT_ONCE,
        },
        postgres_dsn=stage.settings.postgres_dsn,
    )
    yard = statistics.harmonic_mean([turn.per_second for turn in turns])
    return MirrorReport(
        **head, worker=worker, loader=tuple(turns), ratio=round(worker.per_second / yard, 3)
    )


async def _documents(stage: Stage) -> list[bytes]:
    documents = []
    async with open_topic(stage.settings.kafka, stage.names.events) as reader:
        async for records in reader.pages_until(await reader.end_offsets()):
            for record in records:
                digest = bytes.fromhex(record.header("ce_hash") or "")
                action = msgspec.json.encode({"create": {"_id": record.header("ce_id")}})
                source = with_hash(record.value or b"", digest)
                documents.append(action + b"\n" + source + b"\n")
    return documents


def pages(documents: Sequence[bytes], length: int) -> Iterator[Sequence[bytes]]:
    """Cuts documents into requests."""
    for start in range(0, len(documents), length):
        yield documents[start : start + length]


async def _load(stage: Stage, requests: Sequence[bytes], documents: int) -> LoaderFigures:
    names = Names(f"{stage.settings.namespace}loader")
    mirror = ElasticsearchMirror(stage.settings.elasticsearch_url, names)
    try:
        await mirror.ensure_indices()
        address = f"{stage.settings.elasticsearch_url}/{names.entries_alias}/_bulk"
        began_s = time.monotonic()
        await _send_all(f"{address}?filter_path=errors", requests)
        seconds = time.monotonic() - began_s
        await mirror.entries.refresh()
        found = await mirror.entries.count()
        await delete_indices(mirror.client, names)
    finally:
        await mirror.close()
    if found != documents:
        raise BenchFault(f"The loader's index has {found:,} documents, not {documents:,}.")
    figures = LoaderFigures(
        documents=documents,
        seconds=round(seconds, 3),
        per_second=round(documents / seconds),
    )
    stage.say(f"bare loader: {figures.per_second:,} documents a second")
    return figures


async def _send_all(address: str, requests: Sequence[bytes]) -> None:
    left = iter(requests)
    timeout = aiohttp.ClientTimeout(total=_REQUEST_DEADLINE_S)
    async with aiohttp.ClientSession(timeout=timeout, headers=_NDJSON) as session:

        async def work() -> None:
            for body in left:
                async with session.post(address, data=body) as answer:
                    said = await answer.read()
                    if answer.status != 200 or said != _NO_ERRORS:
                        raise BenchFault(f"Elasticsearch refuses the loader: {said[:200]!r}")

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
