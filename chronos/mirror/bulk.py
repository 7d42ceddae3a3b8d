"""Bulk requests: each document is judged by its own answer, not by the status of the request.

201 and 200 are applied, 409 is "already applied" and as good. 429, 5xx, a missing index or a
block on it mean that Elasticsearch cannot take documents now: the whole batch is sent again
later, which is harmless because every document carries its id and version. Anything else is a
document that this index will never take: our mapping and our events disagree, and the worker
must not go past it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import AsyncElasticsearch

from chronos.crash_points import CrashPoint, pass_point
from chronos.errors import InvariantBroken, Unavailable
from chronos.mirror.guard import BULK_DEADLINE_S, guarded
from chronos.telemetry.span_shapes import bulk
from chronos.telemetry.spans import current, working

REQUEST_DOCUMENTS_MAX = 1000
REQUEST_BYTES_MAX = 8 << 20

_APPLIED = frozenset({200, 201})
_ALREADY_APPLIED = 409
_TRY_LATER = frozenset({401, 403, 404, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
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
    client: AsyncElasticsearch, documents: Sequence[Document], *, index: str
) -> BulkOutcome:
    """Writes the documents, in their order, to the alias `index`.

    Returns:
        The counts, once Elasticsearch has every document on disk.

    Raises:
        Unavailable: Not all were taken; sending all again is safe.
        InvariantBroken: One can never be taken.
    """
    applied = already = 0
    for page in _pages(documents):
        statuses = await _send(client, page, index)
        applied += sum(status in _APPLIED for status in statuses)
        already += sum(status == _ALREADY_APPLIED for status in statuses)
    pass_point(CrashPoint.AFTER_ELASTICSEARCH_WRITE)
    return BulkOutcome(applied=applied, already_applied=already)


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
        reason = f"{error.get('type', 'unknown')}: {error.get('reason', 'no reason given')}"
        if status not in _TRY_LATER and status < 500:
            raise InvariantBroken(
                f"Elasticsearch refuses version {document.version} of account"
                f" {document.account_id} with {status} {reason}",
                account_id=document.account_id,
                version=document.version,
            )
        later = f"{status} {reason}"
    if later is not None:
        raise Unavailable("elasticsearch", later)


def _pages(documents: Sequence[Document]) -> Iterator[list[Document]]:
    page: list[Document] = []
    size_bytes = 0
    for document in documents:
        size_bytes += len(document.action) + len(document.source)
        if page and (len(page) >= REQUEST_DOCUMENTS_MAX or size_bytes > REQUEST_BYTES_MAX):
            yield page
            page, size_bytes = [], len(document.action) + len(document.source)
        page.append(document)
    if page:
        yield page
