"""A topic of events in memory, and the records of a bank to put there."""

import asyncio
import contextlib

from chronos.domain.chart import AccountKind
from chronos.domain.ids import TransferId
from chronos.errors import Unavailable
from chronos.stream.topic_reader import PlaceGone, TopicRecord
from chronos.wire.headers import decode_headers
from tests.builders import MemoryBank, attempt, open_account, transfer

PARTITIONS = 8


class MemoryTopic:
    """Keeps records by partition; may be away, and may forget."""

    partitions = PARTITIONS

    def __init__(self):
        self.logs = [[] for _ in range(PARTITIONS)]
        self.is_away = False
        self.readers = 0
        self.opened = []
        self._news = asyncio.Event()

    async def ends(self):
        self._answer()
        return {number: len(log) for number, log in enumerate(self.logs)}

    @contextlib.asynccontextmanager
    async def open_at(self, offsets):
        self._answer()
        self.opened.append(dict(offsets))
        self.readers += 1
        try:
            yield MemoryPages(self, dict(offsets))
        finally:
            self.readers -= 1

    def count(self):
        return sum(len(log) for log in self.logs)

    async def publish(self, *records):
        for record in records:
            log = self.logs[record.partition]
            log.append(record._replace(offset=len(log)))
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await self._news.wait()

    def _answer(self):
        if self.is_away:
            raise Unavailable("kafka", "away")


class MemoryPages:
    """Reads from places on, a page at a time."""

    def __init__(self, topic, offsets):
        self._topic = topic
        self._offsets = offsets

    async def page(self, *, records_max):
        self._topic._answer()
        found = []
        for partition, offset in self._offsets.items():
            log = self._topic.logs[partition]
            if offset > len(log):
                raise PlaceGone("not there")
            found += log[offset : offset + records_max - len(found)]
        for record in found:
            self._offsets[record.partition] = record.offset + 1
        if not found:
            await self._topic.wait()
        return found


class Bank:
    """Books, and gives the records that the relay would send."""

    def __init__(self, accounts=3):
        self._bank = MemoryBank.empty()
        self._count = 0
        self.names = [f"a{number}" for number in range(accounts)]
        self._book(open_account("bank", kind=AccountKind.SETTLEMENT))
        for name in self.names:
            self._book(open_account(name))

    def pay(self, *names):
        """Pays each named account once; gives the records of both legs of each."""
        records = []
        for name in names:
            self._count += 1
            records += self._book(
                transfer("bank", name, 5, transfer_id=TransferId(f"trf_{self._count}"))
            )
        return records

    def records_of(self, account_id, records):
        return [record for record in records if record.key == account_id.encode()]

    def _book(self, command):
        self._count += 1
        booked = self._bank.book([attempt(command, key=f"key-{self._count}")])
        assert booked.receipts[0].status < 400, booked.receipts[0].body
        rows = [row for row in booked.outbox_rows if row.topic == "chronos.events.v1"]
        return [topic_record(row) for row in rows]


def topic_record(row, **changes):
    record = TopicRecord(
        partition=row.partition,
        offset=0,
        timestamp_ms=0,
        key=row.key,
        value=row.value,
        headers=tuple(decode_headers(row.headers)),
    )
    return record._replace(**changes)


def foreign(partition):
    return TopicRecord(partition, 0, 0, b"x", b"{}", ())
