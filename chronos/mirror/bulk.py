"""Bulk requests: each document is judged by its own answer, not by the status of the request.

201 and 200 are applied, 409 is "already applied" and as good. 429, 5xx, a missing or closed
index or a block on it mean that Elasticsearch cannot take documents now: the whole batch is
sent again later, which is harmless because every document carries its id and version. Anything
else is a document that this index will never take: our mapping and our events disagree, and the
worker must not go past it.

A long batch goes in two lanes side by side, so that Elasticsearch has the next request before
it has answered the last, and documents are encoded and answers read meanwhile. An account is
in one lane, whose requests wait for each other: no version of it can be seen before those that
were sent before it. Once a lane has failed, no other begins a further request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from zlib import crc32

import msgspec
from elasticsearch import AsyncElasticsearch

from chronos.crash_points import CrashPoint, pass_point
from chronos.errors import InvariantBroken, Unavailable
from chronos.mirror.guard import BULK_DEADLINE_S, INDEX_CLOSED, guarded
from chronos.telemetry.span_shapes import bulk
from chronos.telemetry.spans import current, working

REQUEST_DOCUMENTS_MAX = 1250
REQUEST_BYTES_MAX = 8 << 20
LANES_MAX = 2
LANE_ITEMS_MIN = 625
"""Of each lane, if all had the same; fewer go in one."""

_APPLIED = frozenset({200, 201})
_ALREADY_APPLIED = 409
_TRY_LATER = frozenset({401, 403, 404, 429})


class OfAccount(Protocol):
    """What a document is made of."""

    @property
    def account_id(self) -> str:
        """Whose it is."""
        ...


T = TypeVar("T", bound=OfAccount)


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """Two lines of a bulk request, and whom to name if it fails."""

    action: bytes
    source: bytes
    account_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOutcome:
    """How many documents a call changed, and how many were there already."""

    applied: int
    already_applied: int


async def send_documents(
    client: AsyncElasticsearch,
    items: Sequence[T],
    to_document: Callable[[T], Document],
    *,
    index: str,
    is_read: bool = True,
) -> BulkOutcome:
    """Writes a document for each item to the alias `index`.

    Args:
        client: Elasticsearch.
        items: What documents are made of.
        to_document: Makes one.
        index: The alias.
        is_read: False for an index that nobody reads yet: an account's documents may then come
            in any order, and lanes are of the same length whoever the items are of. Whoever
            reads relies on an account's older entries to be there before its newer ones.

    Returns:
        The counts, once Elasticsearch has every document on disk.

    Raises:
        Unavailable: Not all were taken; sending all again is safe.
        InvariantBroken: One can never be taken.
    """
    statuses: list[int] = []
    is_failed = asyncio.Event()

    async def send(lane: Sequence[T]) -> None:
        try:
            for page in _pages(map(to_document, lane), _even_length(len(lane))):
                if is_failed.is_set():
                    return
                statuses.extend(await _send(client, page, index))
        except BaseException:
            is_failed.set()
            raise

    # Each lane comes to its end: a request that is still under way when the call fails would
    # meet its own repetition.
    lanes = _lanes(items, by_account=is_read)
    outcomes = await asyncio.gather(*map(send, lanes), return_exceptions=True)
    faults = [outcome for outcome in outcomes if outcome is not None]
    if faults:
        # To wait is right only if nothing else is wrong.
        raise min(faults, key=lambda fault: isinstance(fault, Unavailable))
    pass_point(CrashPoint.AFTER_ELASTICSEARCH_WRITE)
    already_applied = statuses.count(_ALREADY_APPLIED)
    return BulkOutcome(applied=len(statuses) - already_applied, already_applied=already_applied)


def _lanes(items: Sequence[T], *, by_account: bool) -> list[list[T]]:
    if len(items) < LANES_MAX * LANE_ITEMS_MIN:
        return [list(items)]
    if not by_account:
        return [list(items[number::LANES_MAX]) for number in range(LANES_MAX)]
    lanes: list[list[T]] = [[] for _ in range(LANES_MAX)]
    for item in items:
        lanes[crc32(item.account_id.encode()) % LANES_MAX].append(item)
    return lanes


async def _send(
    client: AsyncElasticsearch, page: Sequence[Document], index: str
) -> Sequence[int]:
    lines = [line for document in page for line in (document.action, document.source)]
    with working(current(), lambda: bulk(index, len(page))), guarded():
        answer = await client.options(request_timeout=BULK_DEADLINE_S).bulk(
            # The client takes encoded lines as they are; its type only knows mappings.
            operations=lines,  # type: ignore[arg-type]
            index=index,
            require_alias=True,
            filter_path=["items.*.status", "items.*.error.type", "items.*.error.reason"],
        )
    items = [item for entry in answer.get("items", ()) for item in entry.values()]
    if len(items) != len(page):
        raise Unavailable(
            "elasticsearch", f"{len(page)} documents sent, {len(items)} answers received"
        )
    _check(page, items)
    return [item["status"] for item in items]


def _check(page: Sequence[Document], items: Iterable[dict[str, Any]]) -> None:
    later: str | None = None
    for document, item in zip(page, items, strict=True):
        status = item["status"]
        if status in _APPLIED or status == _ALREADY_APPLIED:
            continue
        error = item.get("error", {})
        kind = error.get("type", "unknown")
        reason = f"{kind}: {error.get('reason', 'no reason given')}"
        if status not in _TRY_LATER and status < 500 and kind != INDEX_CLOSED:
            raise InvariantBroken(
                f"Elasticsearch refuses version {document.version} of account"
                f" {document.account_id} with {status} {reason}",
                account_id=document.account_id,
                version=document.version,
            )
        later = f"{status} {reason}"
    if later is not None:
        raise Unavailable("elasticsearch", later)


def _even_length(documents: int) -> int:
    """Gives the length of the requests of a lane, so that the last is no shorter than the rest.

    A request costs as much as some hundred documents in it.
    """
    requests = -(-documents // REQUEST_DOCUMENTS_MAX)
    return -(-documents // max(1, requests))


def _pages(documents: Iterable[Document], documents_max: int) -> Iterator[list[Document]]:
    page: list[Document] = []
    size_bytes = 0
    for document in documents:
        size_bytes += len(document.action) + len(document.source)
        if page and (len(page) >= documents_max or size_bytes > REQUEST_BYTES_MAX):
            yield page
            page, size_bytes = [], len(document.action) + len(document.source)
        page.append(document)
    if page:
        yield page
