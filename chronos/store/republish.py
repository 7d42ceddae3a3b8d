"""Makes records anew from the journal, for a topic that lost them.

Trace contexts are not in the journal: these records carry none, and are otherwise the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from chronos.store.faults import translated
from chronos.store.journal_scan import JournalScan
from chronos.store.outbox import connect
from chronos.store.outbox_cursor import Row
from chronos.wire.booking import ReceiptRow
from chronos.wire.codec import decode_event
from chronos.wire.headers import encode_headers, event_headers
from chronos.wire.rejection import rejection_record
from chronos.wire.topics import partition_of

PAGE_ROWS: Final = 500

# Walks the primary key; takes no lock.
_EVENTS = """
SELECT position, version, hash, body
FROM events
WHERE account_id = $1::text AND version > $2::bigint
ORDER BY version
LIMIT $3::bigint
"""


async def pages_of_account(
    dsn: str, account_id: str, *, topic: str, partition: int
) -> AsyncIterator[list[Row]]:
    """Yields all records of an account in version order, page by page.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    connection = await connect(dsn, "republish")
    try:
        version = 0
        while True:
            with translated():
                found = await connection.fetch(_EVENTS, account_id, version, PAGE_ROWS)
            if not found:
                return
            version = found[-1]["version"]
            yield [
                event_row(row, account_id=account_id, topic=topic, partition=partition)
                for row in found
            ]
    finally:
        connection.terminate()


async def pages_of_rejections(
    scan: JournalScan, *, topic: str, partitions: int
) -> AsyncIterator[list[Row]]:
    """Yields the records of all refused commands in the order of their positions.

    Args:
        scan: A snapshot of the journal; receipts are read once, from end to end.
        topic: The topic of rejections.
        partitions: How many it has.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    page: list[Row] = []
    async for receipt in scan.rejections():
        page.append(rejection_row(receipt, topic=topic, partitions=partitions))
        if len(page) == PAGE_ROWS:
            yield page
            page = []
    if page:
        yield page


def rejection_row(receipt: ReceiptRow, *, topic: str, partitions: int) -> Row:
    """Makes the record of a refusal as the outbox had it, without a trace context.

    Args:
        receipt: What `JournalScan.rejections` gives.
        topic: The topic of rejections.
        partitions: How many it has.
    """
    account_id = receipt.account_id
    assert account_id is not None  # noqa: S101  the scan looked its first event up
    headers, value = rejection_record(receipt, account_id)
    key = account_id.encode()
    return Row(
        position=receipt.position,
        partition=partition_of(key, partitions),
        topic=topic,
        key=key,
        headers=encode_headers(headers),
        value=value,
    )


def event_row(found: Any, *, account_id: str, topic: str, partition: int) -> Row:
    """Makes the record of an event as the outbox had it, without a trace context.

    Args:
        found: The event's `position`, `hash` and `body`.
        account_id: Its account.
        topic: Where it goes.
        partition: Where in the topic.
    """
    return Row(
        position=found["position"],
        partition=partition,
        topic=topic,
        key=account_id.encode(),
        headers=_headers(found["body"], found["hash"]),
        value=found["body"],
    )


def _headers(body: bytes, digest: bytes) -> bytes:
    headers = event_headers(decode_event(body), digest, "")
    return encode_headers([pair for pair in headers if pair[0] != "traceparent"])
