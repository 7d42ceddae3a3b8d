"""Records of refused commands, made anew from their receipts."""

from __future__ import annotations

import pytest

from chronos.store import republish
from chronos.store.journal_scan import open_scan
from chronos.wire.booking import BatchAttempt
from chronos.wire.headers import decode_headers
from chronos.wire.topics import Names
from tests.builders import TRACEPARENT, attempt, open_account, transfer

NAMES = Names("chronos")
PUBLISHED = """
SELECT position, partition, topic, key, headers, value
FROM outbox_0
WHERE topic = $1
ORDER BY position
"""


@pytest.fixture
async def refused(funded):
    """The journal with refusals of every form: alone, in batches, and about nobody."""
    for number in range(7):
        poor = transfer("bob", "alice", 70 + number, transfer_id=f"trf_{number}")
        await funded.submit(attempt(poor, f"poor-{number}"))
    await funded.submit(attempt(transfer("carol", "bob"), "too-early"))
    await funded.submit(attempt(open_account("carol"), "open-3"))
    await funded.submit(attempt(transfer("carol", "bob", transfer_id="trf_c"), "too-poor"))
    await funded.submit(batch("undone", open_account("dave"), transfer("dave", "bob")))
    await funded.submit(
        batch("two", transfer("alice", "bob"), transfer("carol", "bob"), atomic=False)
    )
    await funded.submit(attempt(transfer("alice", "bob", transfer_id="trf_fine"), "fine"))


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("page_rows", [1, 3, 500])
@pytest.mark.parametrize("role", ["owner_dsn", "reader_dsn"])
async def test_they_are_those_that_the_outbox_had(
    database, owner, monkeypatch, page_rows, role
):
    monkeypatch.setattr(republish, "PAGE_ROWS", page_rows)
    published = [tuple(row) for row in await owner.fetch(PUBLISHED, NAMES.rejections)]

    async with open_scan(getattr(database, role)) as scan:
        made = republish.pages_of_rejections(scan, topic=NAMES.rejections, partitions=8)
        pages = [page async for page in made]

    assert len(published) == 9
    assert {len(page) for page in pages[:-1]} <= {page_rows}
    assert [unpacked(row) for page in pages for row in page] == [
        without_trace(row) for row in published
    ]


async def test_a_journal_without_refusals_has_none(database):
    async with open_scan(database.owner_dsn) as scan:
        made = republish.pages_of_rejections(scan, topic=NAMES.rejections, partitions=8)
        assert [page async for page in made] == []


def batch(key, *commands, atomic=True):
    items = tuple(
        attempt(command, f"{key} {number}", has_own_key=False)
        for number, command in enumerate(commands)
    )
    return BatchAttempt(
        items=items,
        is_atomic=atomic,
        principal="tester",
        idempotency_key=key,
        request_hash=items[0].request_hash,
        request_id="req_1",
        traceparent=TRACEPARENT,
        instance="/v1/batches",
    )


def unpacked(row):
    position, partition, topic, key, headers, value = row
    return position, partition, topic, key, decode_headers(headers), value


def without_trace(row):
    *place, headers, value = unpacked(row)
    return *place, [pair for pair in headers if pair[0] != "traceparent"], value
