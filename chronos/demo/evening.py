"""The evening of a bank's day: what every read model shows, and whether they agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from chronos.audit.copies import Copy, ElasticsearchCopy, RedisCopy, Shown
from chronos.audit.reconcile import Targets, faust_copy, reconcile
from chronos.audit.report import Report
from chronos.audit.verify import verify
from chronos.client.answers import TrialBalance
from chronos.client.ledger_client import LedgerClient
from chronos.clock import Clock
from chronos.demo.following import (
    LOOK_AGAIN_S,
    Following,
    Marker,
    measure,
    watch_copy,
    watch_entries,
    watch_topic,
    watch_view,
)
from chronos.demo.script import CURRENCY, BankDay
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.redis import RedisMirror
from chronos.stream.topic_reader import open_topic

POSTGRES = "PostgreSQL"
KAFKA = "Kafka"
FAUST = "Faust table"
REDIS = "Redis"
ELASTICSEARCH = "Elasticsearch"
SEARCH = "history search"
MODELS = (POSTGRES, FAUST, REDIS, ELASTICSEARCH)
SAMPLE_SHOPS = 2
SAMPLE_PEOPLE = 3
CATCH_UP_S = 120.0
SETTLE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One account as each model shows it; None where a model has none."""

    account_id: str
    shown: dict[str, Shown | None]

    @property
    def agrees(self) -> bool:
        """Tells whether all models show the same money at the same version."""
        seen = {
            None if one is None else (one.version, one.booked, one.held)
            for one in self.shown.values()
        }
        return len(seen) == 1 and None not in seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """Everything that is known when the day is over."""

    rows: tuple[Row, ...]
    following: Following
    reconciled: Report
    verified: Report
    trial_balance: TrialBalance
    arithmetic: tuple[str, ...]
    """Accounts whose balance is not what the script's own addition says; should be none."""

    @property
    def is_clean(self) -> bool:
        """Tells whether every model agrees with the journal, and the journal with itself."""
        return (
            self.reconciled.is_clean
            and self.verified.is_clean
            and self.trial_balance.balanced
            and not self.arithmetic
            and all(row.agrees for row in self.rows)
        )


async def spend_evening(
    day: BankDay,
    expected: Mapping[str, int],
    targets: Targets,
    client: LedgerClient,
    *,
    clock: Clock,
) -> Evening:
    """Waits for the read models, compares every account, then times how fast they follow.

    Args:
        day: What was played; some of its accounts are shown side by side.
        expected: What every account must hold, by the addition of those who asked for it.
        targets: The journal and its copies.
        client: Speaks to the bank.
        clock: Ends the waits.

    Raises:
        ChronosError: A server does not answer.
    """
    reconciled = await reconcile(targets, wait_s=CATCH_UP_S, clock=clock)
    # Of the same events: what is measured below adds some.
    verified = await verify(targets.postgres_dsn)
    arithmetic = await _wrong_sums(expected, client)
    async with _models(targets) as models:
        sample = _sample(day)
        following = await _follow(targets, client, models, sample, clock=clock)
        rows = await _settled_rows(client, models, sample, clock=clock)
    return Evening(
        rows=rows,
        following=following,
        reconciled=reconciled,
        verified=verified,
        trial_balance=await client.books.trial_balance(),
        arithmetic=arithmetic,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Models:
    copies: dict[str, Copy]
    elasticsearch: ElasticsearchMirror


@asynccontextmanager
async def _models(targets: Targets) -> AsyncIterator[_Models]:
    async with AsyncExitStack() as stack:
        faust = await stack.enter_async_context(faust_copy(targets))
        redis = RedisMirror(targets.redis_url, targets.names)
        stack.push_async_callback(redis.close)
        elasticsearch = ElasticsearchMirror(targets.elasticsearch_url, targets.names)
        stack.push_async_callback(elasticsearch.close)
        yield _Models(
            copies={
                FAUST: faust,
                REDIS: RedisCopy(redis),
                ELASTICSEARCH: ElasticsearchCopy(elasticsearch),
            },
            elasticsearch=elasticsearch,
        )


def _sample(day: BankDay) -> list[str]:
    """Picks some accounts of each sort, the marker's two among them."""
    names = list(day.expected)
    shops = [name for name in names if name.startswith("shop.")]
    others = [name for name in names if not name.startswith(("shop.", "landlord.", "firm."))]
    people = sorted(others[1:], key=len)[:SAMPLE_PEOPLE]
    landlord = next(name for name in names if name.startswith("landlord."))
    firm = next(name for name in names if name.startswith("firm."))
    return [names[0], firm, landlord, *shops[:SAMPLE_SHOPS], *people]


async def _follow(
    targets: Targets, client: LedgerClient, models: _Models, sample: list[str], *, clock: Clock
) -> Following:
    marker = Marker(source=sample[0], destination=sample[-1], currency=CURRENCY)
    async with open_topic(targets.kafka, targets.names.events) as reader:
        await reader.from_end()
        await reader.page(wait_ms=1)
        watches = {
            KAFKA: watch_topic(reader),
            FAUST: watch_view(client),
            REDIS: watch_copy(models.copies[REDIS]),
            ELASTICSEARCH: watch_copy(models.copies[ELASTICSEARCH]),
            SEARCH: watch_entries(models.elasticsearch.entries),
        }
        return await measure(client, marker, watches, clock=clock)


async def _settled_rows(
    client: LedgerClient, models: _Models, sample: Sequence[str], *, clock: Clock
) -> tuple[Row, ...]:
    """Shows the sample once all models agree on it, or as it is when their time is up.

    The markers were waited for at one end only; their other end follows by itself.
    """
    due_s = clock.monotonic_s() + SETTLE_S
    while True:
        rows = await _side_by_side(client, models, sample)
        if all(row.agrees for row in rows) or clock.monotonic_s() >= due_s:
            return rows
        await asyncio.sleep(LOOK_AGAIN_S)


async def _side_by_side(
    client: LedgerClient, models: _Models, sample: Sequence[str]
) -> tuple[Row, ...]:
    shown = {name: await copy.read_many(sample) for name, copy in models.copies.items()}
    shown[POSTGRES] = [await _journal(client, account_id) for account_id in sample]
    return tuple(
        Row(account_id=account_id, shown={name: shown[name][at] for name in MODELS})
        for at, account_id in enumerate(sample)
    )


async def _journal(client: LedgerClient, account_id: str) -> Shown:
    answer = await client.accounts.balance(account_id)
    return Shown(
        account_id=answer.account,
        version=answer.version,
        currency=answer.currency,
        booked=answer.booked,
        held=answer.held,
        available=answer.available,
        hash=None,
    )


async def _wrong_sums(expected: Mapping[str, int], client: LedgerClient) -> tuple[str, ...]:
    """Compares every account of the journal with what must be there."""
    names = iter(expected)
    wrong: list[str] = []

    async def compare() -> None:
        for name in names:
            booked = (await client.accounts.balance(name)).booked
            if booked != expected[name]:
                wrong.append(f"{name} has {booked}, the script says {expected[name]}")

    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(compare())
    return tuple(wrong)
