"""Makes records of an account's events anew from the journal, for a topic that lost them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from chronos.store.faults import translated
from chronos.store.outbox import connect
from chronos.store.outbox_cursor import Row
from chronos.wire.codec import decode_event
from chronos.wire.headers import encode_headers, event_headers

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

    Trace contexts are not in the journal; these records carry none.

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
                Row(
                    position=row["position"],
                    partition=partition,
                    topic=topic,
                    key=account_id.encode(),
                    headers=_headers(row["body"], row["hash"]),
                    value=row["body"],
                )
                for row in found
            ]
    finally:
        connection.terminate()


def _headers(body: bytes, digest: bytes) -> bytes:
    headers = event_headers(decode_event(body), digest, "")
    return encode_headers([pair for pair in headers if pair[0] != "traceparent"])
