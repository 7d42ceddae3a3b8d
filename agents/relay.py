"""The relay: from the outbox in PostgreSQL to Kafka.

Two agents. `relay.control` reads a topic with one partition per shard of the outbox: to be
assigned a partition is to be asked to relay that shard, and its records are commands to the
shard's owner. `relay.publish` reads a channel of pages, fed by one reader per owned shard.

Ownership is Kafka's, correctness is the advisory lock's and the epoch's: two processes that
both think they own a shard cannot both hold its lock, and the one that lost it cannot move
the checkpoint. A process that finds its shard taken asks politely from then on, until Kafka
assigns anew; a process that Kafka has just assigned may end a holder that does not let go.

Bounds: one page of a shard on its way and one read ahead; pauses between tries grow to 2 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, Final

import structlog

from chronos.clock import Clock, SystemClock
from chronos.crash_points import CrashPoint, pass_point
from chronos.errors import Unavailable
from chronos.store.cluster_identity import check_identity
from chronos.store.outbox import Fenced, ShardHold, connect, count_unpublished, take_shard
from chronos.store.outbox_layout import Layout
from chronos.store.outbox_poller import SnapshotPoller
from chronos.store.outbox_reader import Page, ShardReader, pages_together
from chronos.store.outbox_rotation import Rotation
from chronos.store.outbox_sizes import table_sizes
from chronos.store.republish import pages_of_account
from chronos.store.startup_checks import Demand, Duty, check
from chronos.stream.app import ChronosApp
from chronos.stream.consume import Consumption, Foreign, Taken, consume
from chronos.stream.liveness import Place, Progress
from chronos.stream.publisher import Publisher, Record
from chronos.telemetry import stream_metrics as metrics
from chronos.wire.headers import decode_headers
from chronos.wire.relay_control import Republish, decode_command
from chronos.wire.topics import partition_of

PUBLISH: Final = "relay.publish"
CONTROL: Final = "relay.control"
HOUSEKEEPING_PAUSE_S: Final = 5.0
_POLITE_PAUSE_S: Final = 2.0
_RETRY_FIRST_S: Final = 0.1
_RETRY_MAX_S: Final = 2.0
_CONTROL_BATCH_MAX: Final = 100
_CONTROL_WAIT_S: Final = 0.1
_log = structlog.get_logger(room="agents")


class Relay:
    """Relays the shards that Kafka assigns to this process.

    Args:
        app: The app of the relay; its stop ends every wait.
        offer: Puts a page on the channel of `relay.publish`.
        prove_topic_end: Raises when Kafka ends with what this database never had.
        clock: Tells the age of rows.
    """

    def __init__(
        self,
        app: ChronosApp,
        *,
        offer: Callable[[Page], Coroutine[Any, Any, None]],
        prove_topic_end: Callable[[], Awaitable[None]],
        clock: Clock | None = None,
    ):
        settings = app.settings
        self._app = app
        self._offer = offer
        self._prove_topic_end = prove_topic_end
        self._clock = clock or SystemClock()
        self._dsn = settings.postgres_dsn
        self._rows_max = settings.outbox_rows_max
        self._poller = SnapshotPoller(self._dsn)
        self._publisher = Publisher(settings.kafka, client_id=f"relay-{settings.slot}-pages")
        self._rotation = Rotation(
            rows_max=settings.outbox_rotate_rows, age_max_s=settings.outbox_rotate_s
        )
        self._housekeeping_pause_s = min(HOUSEKEEPING_PAUSE_S, settings.outbox_rotate_s)
        self._tasks: dict[int, asyncio.Future[None]] = {}
        self._readers: dict[int, ShardReader] = {}
        self._proved: set[int] = set()

    async def open(self) -> None:
        """Refuses an unsafe or foreign database, then begins to watch this one.

        Raises:
            SettingFault: The outbox is dealt out to other partitions or shards.
            UnsafeSetting: A setting or right is unsafe, or the database is not the one that
                Kafka was filled from.
            Unavailable: PostgreSQL does not answer.
        """
        layout = Layout.of(self._app.settings)
        await check(self._dsn, Demand(duty=Duty.RELAY, transactions_max=0, layout=layout))
        connection = await connect(self._dsn, "start")
        try:
            for shard in range(layout.shards):
                await check_identity(connection, shard)
        finally:
            connection.terminate()
        await self._prove_topic_end()
        for shard in range(layout.shards):
            # That nobody owns a shard can only be seen where everybody says so.
            metrics.RELAY_SHARD_OWNED.labels(str(shard)).set(0)
        self._app.add_work(self._works)
        self._app.add_future(self._poller.run())
        self._app.add_future(self._keep_house())

    async def close(self) -> None:
        """Gives every shard up and closes the producer."""
        await self.disown()
        await self._publisher.close()

    def not_ready(self) -> str:
        """Says why this process does not relay what it owns; empty when it does."""
        if set(self._tasks) != set(self._readers):
            return "waiting for the lock of a shard"
        return ""

    def own(self, shards: set[int]) -> None:
        """Begins to relay these shards, and no others."""
        for shard in sorted(shards - self._tasks.keys()):
            self._tasks[shard] = self._app.add_future(self._relay_shard(shard))

    async def disown(self) -> None:
        """Stops relaying; a page on its way is awaited for a moment."""
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def publish(self, page: Page) -> None:
        """Publishes a page, again and again while Kafka does not take it whole.

        Small pages of other shards go with it, until Kafka refuses. Before the first page since
        the shard was taken, Kafka's end is looked up in the journal: the connection was lost,
        and what answers now may be an older copy. Returns without a result when the app stops
        or the shard is lost.

        Raises:
            UnsafeSetting: Kafka ends with events that this database never had.
        """
        page.is_begun = True
        pause_s = _RETRY_FIRST_S
        pages, is_refused = [page], False
        while not page.is_obsolete:
            started_s = monotonic()
            try:
                await self._prove(page)
                if not is_refused:
                    pages = await self._together_with(page)
                if not pages:
                    return
                await self._publisher.publish([row for one in pages for row in one.rows])
            except Unavailable as fault:
                for other in pages[1:]:
                    other.is_begun = False  # its turn comes, or it is offered again
                pages, is_refused = [page], True
                metrics.RELAY_PUBLISH_FAILURES.inc()
                self._app.liveness.waits(PUBLISH, fault.service)
                _log.warning("page_refused", shard=page.shard, reason=fault.detail)
                await self._app.sleep(pause_s)
                if self._app.should_stop:
                    return
                pause_s = min(pause_s * 2, _RETRY_MAX_S)
                continue
            pass_point(CrashPoint.AFTER_KAFKA_ACK)
            for sent in pages:
                sent.published.set()
                self._observe(sent, monotonic() - started_s)
            self._app.liveness.waits_no_more(PUBLISH)
            self._app.liveness.did_something(PUBLISH)

    async def publish_again(self, records: Sequence[Record]) -> None:
        """Publishes records that Kafka had before.

        Raises:
            Unavailable: Kafka did not take them all.
        """
        await self._publisher.publish(records)

    async def _prove(self, page: Page) -> None:
        if page.shard not in self._proved:
            await self._prove_topic_end()
            if not page.is_obsolete:  # else the shard may have been taken anew meanwhile
                self._proved.add(page.shard)

    async def _together_with(self, page: Page) -> list[Page]:
        proved = [reader for shard, reader in self._readers.items() if shard in self._proved]
        pages = await pages_together(page, proved, rows_max=self._rows_max)
        for one in pages:
            one.is_begun = True
        return pages

    def oldest_unpublished_age_s(self, shard: int) -> float:
        """Tells the age of the oldest row that this process holds and Kafka has not."""
        reader = self._readers.get(shard)
        page = reader.on_its_way if reader else None
        return 0.0 if page is None else self._age_s(page)

    def _works(self) -> dict[Place, Progress]:
        # From its reading on until Kafka has it, whoever hangs between.
        ways = (reader.on_its_way for reader in self._readers.values())
        return {
            Place(PUBLISH, page.rows[0].topic, page.rows[0].partition): Progress(
                page.rows[0].position, len(page.rows)
            )
            for page in ways
            if page is not None
        }

    async def _relay_shard(self, shard: int) -> None:
        # `held` tells a lock that was lost with its connection from one that another took.
        held: int | None = None
        while True:
            try:
                hold = await take_shard(self._dsn, shard, held_epoch=held)
                if hold is None:
                    await asyncio.sleep(_POLITE_PAUSE_S)
                    continue
                if hold.ended_holders:
                    metrics.RELAY_TAKEOVERS.inc(hold.ended_holders)
                held = hold.epoch
                await self._walk(hold)
            except Fenced:
                metrics.RELAY_FENCED.inc()
                _log.warning("shard_fenced", shard=shard, epoch=held)
            except Unavailable as fault:
                self._app.liveness.waits(f"shard {shard}", fault.service)
                _log.warning("shard_waits", shard=shard, reason=fault.detail)
            await asyncio.sleep(_RETRY_FIRST_S * 5)

    async def _walk(self, hold: ShardHold) -> None:
        reader = ShardReader(hold, self._poller, offer=self._offer, rows_max=self._rows_max)
        label = str(hold.shard)
        self._readers[hold.shard] = reader
        self._proved.discard(hold.shard)
        self._app.liveness.waits_no_more(f"shard {label}")
        metrics.RELAY_SHARD_OWNED.labels(label).set(1)
        metrics.RELAY_EPOCH.labels(label).set(hold.epoch)
        age = metrics.OUTBOX_UNPUBLISHED_AGE_SECONDS.labels(label)
        age.set_function(lambda: self.oldest_unpublished_age_s(hold.shard))
        _log.info("shard_taken", shard=hold.shard, epoch=hold.epoch)
        try:
            await reader.run()
        finally:
            del self._readers[hold.shard]
            _forget_shard(label)
            _log.info("shard_given_up", shard=hold.shard, epoch=hold.epoch)
            await hold.close()

    async def _keep_house(self) -> None:
        while True:
            try:
                connection = await connect(self._dsn, "housekeeping")
                try:
                    while True:
                        await self._tidy(connection)
                        await asyncio.sleep(self._housekeeping_pause_s)
                finally:
                    connection.terminate()
            except Unavailable as fault:
                _log.warning("housekeeping_waits", reason=fault.detail)
                await asyncio.sleep(HOUSEKEEPING_PAUSE_S)

    async def _tidy(self, connection: Any) -> None:
        for shard in list(self._readers):
            waiting = await count_unpublished(connection, shard)
            if shard in self._readers:
                metrics.OUTBOX_BACKLOG_ROWS.labels(str(shard)).set(waiting)
        switched, truncated = await self._rotation.turn(connection)
        metrics.OUTBOX_ROTATIONS.inc(switched)
        metrics.OUTBOX_TRUNCATIONS.inc(truncated)
        # Last: what is only looked at must not keep the tables from being rotated.
        for size in await table_sizes(connection, self._app.settings.relay_shards):
            metrics.OUTBOX_TABLE_BYTES.labels(size.table).set(size.size_bytes)
            metrics.OUTBOX_TABLE_ROWS.labels(size.table).set(size.rows)
            age = self._age_of_s(size.oldest_recorded_at)
            metrics.OUTBOX_TABLE_AGE_SECONDS.labels(size.table).set(age)

    def _observe(self, page: Page, seconds: float) -> None:
        metrics.OUTBOX_ROWS_PUBLISHED.labels(str(page.shard)).inc(len(page.rows))
        metrics.OUTBOX_PAGE_ROWS.observe(len(page.rows))
        metrics.OUTBOX_PUBLISH_SECONDS.observe(seconds)
        metrics.OUTBOX_COMMIT_TO_KAFKA_SECONDS.observe(self._age_s(page))

    def _age_s(self, page: Page) -> float:
        for name, value in decode_headers(page.rows[0].headers):
            if name == "ce_time":
                return self._age_of_s(datetime.fromisoformat(value.decode()))
        return 0.0

    def _age_of_s(self, moment: datetime | None) -> float:
        if moment is None:
            return 0.0
        return max(0.0, (self._clock.now() - moment).total_seconds())


def register(app: ChronosApp, *, prove_topic_end: Callable[[], Awaitable[None]]) -> Relay:
    """Puts the relay's two agents on `app`, and has the relay follow Kafka's assignment."""
    pages: Any = app.channel(maxsize=2 * app.settings.relay_shards)
    control = app.source_topic(
        app.names.relay_control,
        batch_wait_s=_CONTROL_WAIT_S,
        partitions=app.settings.relay_shards,
    )
    relay = Relay(app, offer=pages.put, prove_topic_end=prove_topic_end)
    app.add_resource(relay)

    @app.agent(pages, name=PUBLISH, concurrency=1)
    async def publish_pages(stream: Any) -> None:
        async for page in stream:
            await relay.publish(page)

    @app.agent(control, name=CONTROL, concurrency=1)
    async def obey(stream: Any) -> None:
        await consume(app, stream, _control(app, relay))

    _follow_assignment(app, relay)
    return relay


def _forget_shard(label: str) -> None:
    """Takes back what this process said of a shard: its next owner says it now."""
    metrics.RELAY_SHARD_OWNED.labels(label).set(0)
    for gauge in (
        metrics.RELAY_EPOCH,
        metrics.OUTBOX_UNPUBLISHED_AGE_SECONDS,
        metrics.OUTBOX_BACKLOG_ROWS,
    ):
        gauge.remove(label)


def _follow_assignment(app: ChronosApp, relay: Relay) -> None:
    async def revoked(*_: Any, **__: Any) -> None:
        await relay.disown()

    async def settled(*_: Any, **__: Any) -> None:
        assigned = app.consumer.assignment()
        relay.own({tp.partition for tp in assigned if tp.topic == app.names.relay_control})

    # Faust's signals pass on what these two have no use for.
    on_revoked: Any = app.on_partitions_revoked
    on_settled: Any = app.on_rebalance_complete
    on_stopping: Any = app.on_before_shutdown
    on_revoked.connect(revoked)
    on_settled.connect(settled)
    on_stopping.connect(revoked)


def _control(app: ChronosApp, relay: Relay) -> Consumption[Republish | None]:
    async def repair(record: Any, error: ValueError) -> None:
        # A command that nobody understands has no effect to wait for; it is logged by the loop.
        del record, error

    async def step(batch: Sequence[Taken[Republish | None]]) -> None:
        for taken in batch:
            if taken.item is not None:
                await _republish(app, relay, taken.item.account_id)

    return Consumption(
        agent=CONTROL,
        decode=_command,
        repair=repair,
        step=step,
        batch_events_max=_CONTROL_BATCH_MAX,
        batch_wait_s=_CONTROL_WAIT_S,
    )


def _command(record: Any) -> Republish | None:
    if record.value is None:
        raise Foreign("no value: a command has one")
    return decode_command(record.value)


async def _republish(app: ChronosApp, relay: Relay, account_id: str) -> None:
    settings = app.settings
    published = 0
    async for page in pages_of_account(
        settings.postgres_dsn,
        account_id,
        topic=app.names.events,
        partition=partition_of(account_id.encode(), settings.partitions),
    ):
        await relay.publish_again(page)
        published += len(page)
    _log.info("account_republished", events=published)
