"""How fast each read model follows: marker transfers, timed from the receipt on.

The clock starts when the receipt arrives, which is after the commit; so each figure is smaller
than commit to visible by at most the time of one HTTP answer. Every model is watched at the
same time.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from chronos.audit.copies import Copy
from chronos.client.ledger_client import LedgerClient
from chronos.clock import Clock
from chronos.errors import Unavailable
from chronos.mirror.entries import EntryIndex
from chronos.stream.topic_reader import TopicReader

MARKERS = 5
MARKER_AMOUNT = 1
VISIBLE_DEADLINE_S = 30.0
LOOK_AGAIN_S = 0.002

Watch = Callable[[str, int], Awaitable[None]]
"""Returns once an account is visible at a version or later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The pair of accounts between which the marker transfers go."""

    source: str
    destination: str
    currency: str


@dataclass(slots=True, kw_only=True)
class Following:
    """The measured milliseconds by read model; a model that did not follow has none."""

    samples_ms: dict[str, list[float]] = field(default_factory=dict)

    def median_ms(self, name: str) -> float | None:
        """Gives the median, or None where the model did not follow in time."""
        samples = self.samples_ms.get(name, [])
        return statistics.median(samples) if len(samples) == MARKERS else None


async def measure(
    client: LedgerClient, marker: Marker, watches: dict[str, Watch], *, clock: Clock
) -> Following:
    """Books marker transfers one after another and times each read model."""
    following = Following()
    for _ in range(MARKERS):
        receipt = await client.transfers.make(
            marker.source,
            marker.destination,
            amount=MARKER_AMOUNT,
            currency=marker.currency,
            description="marker",
        )
        started_s = clock.monotonic_s()
        version = receipt.accounts[marker.destination].version
        async with asyncio.TaskGroup() as group:
            seen_s = {
                name: group.create_task(_seen_s(watch(marker.destination, version), clock))
                for name, watch in watches.items()
            }
        for name, task in seen_s.items():
            if (at_s := task.result()) is not None:
                following.samples_ms.setdefault(name, []).append((at_s - started_s) * 1000)
    return following


async def _seen_s(watching: Awaitable[None], clock: Clock) -> float | None:
    try:
        async with asyncio.timeout(VISIBLE_DEADLINE_S):
            await watching
    except (TimeoutError, Unavailable):
        return None
    return clock.monotonic_s()


def watch_copy(copy: Copy) -> Watch:
    """Watches a copy of balances by reading it again and again."""

    async def watch(account_id: str, version: int) -> None:
        while True:
            (shown,) = await copy.read_many([account_id])
            if shown is not None and shown.version >= version:
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    return watch


def watch_view(client: LedgerClient) -> Watch:
    """Watches the query side by asking once, with `min_version`: it answers when it has it."""

    async def watch(account_id: str, version: int) -> None:
        await client.views.balance(account_id, min_version=version)

    return watch


def watch_entries(index: EntryIndex) -> Watch:
    """Watches until a search finds the event; waits for the index's own refresh."""

    async def watch(account_id: str, version: int) -> None:
        while True:
            if await index.newest_version(account_id) >= version:
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    return watch


def watch_topic(reader: TopicReader) -> Watch:
    """Watches the topic itself, from where the reader stands."""

    async def watch(account_id: str, version: int) -> None:
        key = account_id.encode()
        while True:
            for record in await reader.page(wait_ms=50):
                if record.key == key and record.header("ce_version") == str(version):
                    return

    return watch
