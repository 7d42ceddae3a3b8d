"""The real journal, opened as an API process opens it."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from typing import Any
from zoneinfo import ZoneInfo

from chronos.clock import SystemIds
from chronos.ledger.needs import needs_of
from chronos.store.event_store import Rules
from chronos.store.group_commit import Limits
from chronos.store.opening import Sizes, Store, open_store
from chronos.wire.receipt import Receipt
from tests.builders import bookkeeper

LIMITS = Limits(pending_max=4096, batch_max=256, deadline_s=5, drain_s=5)
SIZES = Sizes(lanes=2, reader_connections_max=2, limits=LIMITS)


def rules(**changes: Any) -> Rules:
    keeper = bookkeeper(ids=SystemIds(), **changes)
    return Rules(needs_of=needs_of, book_in_parts=keeper.book_in_parts, zone=ZoneInfo("UTC"))


def store_on(
    writer_dsn: str, sizes: Sizes = SIZES, **changes: Any
) -> AbstractAsyncContextManager[Store]:
    """Opens a journal; `changes` are of its bookkeeper."""
    return open_store(writer_dsn, rules(**changes), sizes)


def document(receipt: Receipt) -> dict[str, Any]:
    return json.loads(receipt.body)


def code(receipt: Receipt) -> str:
    return document(receipt)["code"]
