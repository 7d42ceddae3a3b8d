"""Puts pages of finished records into Kafka, each whole or again: outbox rows, changelogs.

One idempotent producer, one batch per partition, everything awaited. A batch built by us
costs a fifth of what a send per record costs. After any failure the producer is thrown away:
its sequence numbers no longer match what the broker has, and a batch of it may still be on
its way. The caller sends the whole page again; consumers skip the versions they know.

Bounds: one page at a time; a page is given up after 20 s; a batch has at most 900,000 bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from chronos.errors import InvariantBroken, Unavailable
from chronos.telemetry.span_shapes import send
from chronos.telemetry.spans import current, working
from chronos.wire.headers import decode_headers, sampled_in_packed

COMPRESSION: Final = "snappy"
"""Of 250 events it makes 0.35 in 0.35 us each. lz4 makes 0.30 of them in 4.8 us: aiokafka asks
for its level 9, the slow kind, and has no setting for it. zstd makes 0.22 in 1.2 us, and takes
twice as long as the others to be read, by every consumer."""
BATCH_BYTES_MAX: Final = 900_000
PAGE_DEADLINE_S: Final = 20.0
_REQUEST_TIMEOUT_MS: Final = 10_000
_DISCARD_S: Final = 0.5
_log = structlog.get_logger(room="stream")


class Record(Protocol):
    """Is a finished record, as an outbox row or a table's changelog has it."""

    @property
    def position(self) -> int:
        """Place in the journal, for the log."""
        ...

    @property
    def partition(self) -> int:
        """Partition of the topic."""
        ...

    @property
    def topic(self) -> str:
        """Topic."""
        ...

    @property
    def key(self) -> bytes:
        """Record key."""
        ...

    @property
    def headers(self) -> bytes:
        """Packed headers."""
        ...

    @property
    def value(self) -> bytes:
        """Record value."""
        ...


class Publisher:
    """Publishes pages through a producer of its own.

    Args:
        kafka: Bootstrap server, host:port.
        client_id: Name of this client in the broker's log.
    """

    def __init__(self, kafka: str, *, client_id: str):
        self._kafka = kafka
        self._client_id = client_id
        self._producer: Any = None
        self._one_at_a_time = asyncio.Lock()

    async def publish(self, records: Sequence[Record]) -> dict[tuple[str, int], int]:
        """Publishes all records, in order within each partition, and awaits every answer.

        Returns:
            The offset of the last record of each (topic, partition), where Kafka told it.

        Raises:
            Unavailable: Kafka did not take them all; which ones it took is unknown.
            InvariantBroken: A record is larger than Kafka takes.
        """
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(PAGE_DEADLINE_S):
                    with self._traced(records):
                        return await self._publish(records)
            except (KafkaError, OSError, TimeoutError) as error:
                await self._discard()
                raise Unavailable("kafka", repr(error)) from error
            except BaseException:
                await self._discard()
                raise

    async def close(self) -> None:
        """Closes the producer."""
        await self._discard()

    def _traced(self, records: Sequence[Record]) -> working:
        # What an agent publishes is below its batch, what the relay does below the requests.
        return working(
            current() or (sampled_in_packed(record.headers) for record in records),
            lambda: send(
                {record.topic for record in records}, len(records), client_id=self._client_id
            ),
        )

    async def _publish(self, records: Sequence[Record]) -> dict[tuple[str, int], int]:
        if self._producer is None:
            self._producer = await self._start()
        batches = self._batches(records)
        sent: list[asyncio.Future[Any]] = []
        for (topic, partition), batch in batches:
            answer = await self._producer.send_batch(batch, topic, partition=partition)
            answer.add_done_callback(_look_at)
            sent.append(answer)
        answers = await asyncio.gather(*sent)
        # A batch that the broker had already, from a try of its own, has no offset.
        return {
            place: answer.offset + batch.record_count() - 1
            for (place, batch), answer in zip(batches, answers, strict=True)
            if answer.offset >= 0
        }

    def _batches(self, records: Sequence[Record]) -> list[tuple[tuple[str, int], Any]]:
        # Rolled-over batches stay in the order of their records.
        full: list[tuple[tuple[str, int], Any]] = []
        open_ones: dict[tuple[str, int], Any] = {}
        for record in records:
            place = (record.topic, record.partition)
            headers = decode_headers(record.headers)
            batch = open_ones.get(place)
            if batch is None:
                batch = open_ones[place] = self._producer.create_batch()
            if not _append(batch, record, headers):
                full.append((place, batch))
                batch = open_ones[place] = self._producer.create_batch()
                if not _append(batch, record, headers):
                    raise InvariantBroken(
                        f"The record of position {record.position} for {record.topic} is "
                        "larger than Kafka takes."
                    )
        return [*full, *open_ones.items()]

    async def _start(self) -> Any:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._kafka,
            client_id=self._client_id,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            compression_type=COMPRESSION,
            max_batch_size=BATCH_BYTES_MAX,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(_DISCARD_S):
                await producer.stop()
        except Exception as error:  # noqa: BLE001 - it tells what ended it, in its own words
            _log.info("producer_discarded", reason=repr(error))
            await _break_off(producer)


def _append(batch: Any, record: Record, headers: list[tuple[str, bytes]]) -> bool:
    taken = batch.append(timestamp=None, key=record.key, value=record.value, headers=headers)
    return taken is not None


def _look_at(answer: asyncio.Future[Any]) -> None:
    # The first failure ends the page; the others would be reported as never looked at.
    if not answer.cancelled():
        answer.exception()


async def _break_off(producer: Any) -> None:
    # stop() waits for batches that no broker will ever answer; nothing public ends that wait.
    producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001 - see above
    try:
        await producer._sender.close()  # noqa: SLF001 - see above
    except Exception as error:  # noqa: BLE001
        # Its task has died of a bug, as was seen when a killed broker came back: a batch that
        # it had given up was answered after all. It is thrown away, whatever ended it.
        _log.info("sender_discarded", reason=repr(error))
    await producer.client.close()
