"""The recovery of tables from their changelogs: in bulk, then Faust's own for what is left.

Faust's way costs a message, an event, two queues and four tasks for each record. On a busy
machine a worker with a million accounts was not ready after two minutes, with 300,000 of them
read. Here, once Faust knows from where to where each partition is to be read, a consumer in no
group reads them by pages, and each page goes to the table's database in one write, with the
offset up to which it is filled. Faust then finds nothing left to recover, or a short rest.

What is kept of Faust's rules: only partitions that this worker was assigned are read; a
rebalance or a stop ends the reading at once, and what was written until then is a recovery
that got so far; a partition whose database is not open here is left alone. Where Kafka does not
answer, or after `BULK_S_MAX`, Faust's own loop goes on from there, which waits for as long as
it takes. The newest version of a key wins, in whatever order the records come.

Bounds: `PAGE_RECORDS_MAX` records at a time, and what Kafka gives for each partition in one
fetch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery
from faust.types import TP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

PAGE_RECORDS_MAX: Final = 2_000
BULK_S_MAX: Final = 75.0
"""Below the 90 s of a request to the broker, after which Faust gives its recovery up."""
_POLL_MS: Final = 200
_FETCH_WAIT_MS: Final = 50
_log = structlog.get_logger(room="stream")


class BulkTable:
    """Takes pages of its changelog."""

    def fill(self, tp: Any, records: Sequence[Any]) -> bool:
        """Writes records, older versions left out; False where the partition is not here."""
        raise NotImplementedError


class BulkRecovery(Recovery):
    """Reads changelogs by pages before Faust looks for what is left."""

    async def _seek_offsets(
        self, consumer: Any, tps: set[TP], offsets: Any, title: str
    ) -> None:
        # The last step before Faust asks whether anything is to be recovered: from here on it
        # knows the ends, and everything that `tps` and `offsets` say is of this assignment.
        if title == "active":
            await self._read_in_bulk(frozenset(tps), offsets)
        await super()._seek_offsets(consumer, tps, offsets, title)

    async def _read_in_bulk(self, tps: Iterable[TP], offsets: Any) -> None:
        ends = {tp: self.active_highwaters[tp] for tp in tps if self._is_behind(tp, offsets)}
        if not ends:
            return
        began_s = monotonic()
        behind = sum(end - offsets[tp] for tp, end in ends.items())
        try:
            async with asyncio.timeout(BULK_S_MAX), self._reader(ends, offsets) as reader:
                await self._read(reader, ends, offsets)
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("bulk_recovery_ended", reason=repr(error))
        _log.info(
            "table_recovered_in_bulk",
            records=behind - sum(end - offsets[tp] for tp, end in ends.items()),
            seconds=round(monotonic() - began_s, 3),
        )

    async def _read(self, reader: Any, ends: Mapping[TP, int], offsets: Any) -> None:
        left = set(ends)
        while left:
            found = await reader.getmany(timeout_ms=_POLL_MS, max_records=PAGE_RECORDS_MAX)
            self._end_if_rebalanced()
            for place, records in found.items():
                tp = TP(place.topic, place.partition)
                table: Any = self.tp_to_table[tp]
                if not table.fill(tp, records):
                    left.discard(tp)
                    reader.pause(place)
                    continue
                offsets[tp] = max(offsets[tp], records[-1].offset)
                # Views answer, and the rebalance that ends this is heard.
                await asyncio.sleep(0)
                self._end_if_rebalanced()
            for tp in list(left):
                # A gap at the end holds nothing: records may be compacted away.
                place = TopicPartition(*tp)
                position = await reader.position(place)
                self._end_if_rebalanced()
                if position > ends[tp]:
                    offsets[tp] = max(offsets[tp], ends[tp])
                    left.discard(tp)
                    reader.pause(place)

    def _end_if_rebalanced(self) -> None:
        # Faust ends this some turns of the loop after it was given partitions anew. What comes
        # in these turns is of the assignment before, while `offsets` are of the next one.
        if self.signal_recovery_start.is_set():
            raise RebalanceAgain

    def _is_behind(self, tp: TP, offsets: Any) -> bool:
        end, offset = self.active_highwaters.get(tp), offsets.get(tp)
        is_known = end is not None and offset is not None
        return is_known and end > offset and isinstance(self.tp_to_table.get(tp), BulkTable)

    @asynccontextmanager
    async def _reader(self, ends: Mapping[TP, int], offsets: Any) -> AsyncIterator[Any]:
        app: Any = self.app
        reader = AIOKafkaConsumer(
            bootstrap_servers=app.settings.kafka,
            client_id=f"{app.role}-{app.settings.slot}-recovery",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
        )
        try:
            await reader.start()
            reader.assign([TopicPartition(*tp) for tp in ends])
            for tp in ends:
                reader.seek(TopicPartition(*tp), offsets[tp] + 1)
            yield reader
        finally:
            await _closed(reader)


async def _closed(reader: Any) -> None:
    stopping = asyncio.ensure_future(reader.stop())
    try:
        await asyncio.shield(stopping)
    except asyncio.CancelledError:
        # A rebalance came while it was closing; half closed, it would keep its connections.
        await stopping
        raise


class BulkTableManager(TableManager):
    """Recovers tables in bulk."""

    async def on_start(self) -> None:
        """Makes the tables' channels at once.

        Faust waits a second here for modules that might still add tables; ours are all added
        before the app starts, and a failover would be a second longer.
        """
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> Recovery:
        """Gives the recovery of this app's tables."""
        if self._recovery is None:
            self._recovery = BulkRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
