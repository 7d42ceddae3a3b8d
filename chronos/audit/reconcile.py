"""Compares every copy with the journal, account by account and record by record.

The journal is read in one snapshot, page by page. A copy may be behind it (it follows) and may
be ahead of it (money moves on while we look); it may never show a state that the journal does
not have at that version, nor an account or an event that the journal does not know. What is
behind is read again until a common deadline. Memory: one page of accounts, and one number per
account for the topic.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from chronos.audit.balances_check import compare_balances
from chronos.audit.copies import ElasticsearchCopy, FaustCopy, RedisCopy
from chronos.audit.events_check import compare_entries, compare_topic
from chronos.audit.looking import Audit, Patience
from chronos.audit.report import Report
from chronos.client.doors import Doors
from chronos.client.exchange import Patience as ClientPatience
from chronos.client.ledger_client import LedgerClient
from chronos.clock import Clock
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.redis import RedisMirror
from chronos.store.journal_scan import open_lookup, open_scan
from chronos.wire.topics import Names

VIEW_ATTEMPT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Where the journal and its copies are."""

    names: Names
    postgres_dsn: str
    kafka: str
    redis_url: str
    elasticsearch_url: str
    doors: Doors
    other_queries: tuple[str, ...] = ()
    """Base addresses of further balances workers, which own further partitions."""


async def reconcile(targets: Targets, *, wait_s: float, clock: Clock) -> Report:
    """Compares all copies with the journal.

    Args:
        targets: The journal and its copies.
        wait_s: How long copies may take to catch up with the snapshot; 0 waits for nothing.
        clock: Tells when that time is over.

    Raises:
        Unavailable: PostgreSQL does not answer; a copy that does not is a difference.
    """
    report = Report("reconcile")
    async with AsyncExitStack() as stack:
        audit = Audit(
            scan=await stack.enter_async_context(open_scan(targets.postgres_dsn)),
            lookup=await stack.enter_async_context(open_lookup(targets.postgres_dsn)),
            report=report,
            patience=Patience(clock=clock, until_s=clock.monotonic_s() + wait_s),
        )
        redis = await stack.enter_async_context(_redis(targets))
        elasticsearch = await stack.enter_async_context(_elasticsearch(targets))
        faust = await stack.enter_async_context(faust_copy(targets))
        copies = (
            faust,
            RedisCopy(redis),
            ElasticsearchCopy(elasticsearch),
        )
        await compare_topic(audit, bootstrap=targets.kafka, topic=targets.names.events)
        await compare_balances(audit, copies)
        await compare_entries(audit, elasticsearch.entries)
        report.facts["views_answered_from"] = dict(faust.sources)
    return report


@asynccontextmanager
async def faust_copy(targets: Targets) -> AsyncIterator[FaustCopy]:
    """Opens a client for each balances worker."""
    patience = ClientPatience(attempt_s=VIEW_ATTEMPT_S)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                LedgerClient(replace(targets.doors, query=query), patience=patience)
            )
            for query in (targets.doors.query, *targets.other_queries)
        ]
        yield FaustCopy(clients)


@asynccontextmanager
async def _redis(targets: Targets) -> AsyncIterator[RedisMirror]:
    mirror = RedisMirror(targets.redis_url, targets.names)
    try:
        yield mirror
    finally:
        await mirror.close()


@asynccontextmanager
async def _elasticsearch(targets: Targets) -> AsyncIterator[ElasticsearchMirror]:
    mirror = ElasticsearchMirror(targets.elasticsearch_url, targets.names)
    try:
        yield mirror
    finally:
        await mirror.close()
