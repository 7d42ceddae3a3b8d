"""Entries: one document per event, which is the event's own JSON and its hash.

An event never changes, so a document is created once; a second delivery finds it there (409).
History is read newest first by `position`, which for one account is the order of its versions;
whatever is added meanwhile comes before the first page and moves no later one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

import msgspec
from elasticsearch import AsyncElasticsearch

from chronos.domain.events import Event, MoneyMoved
from chronos.mirror.bulk import BulkOutcome, Document, send_documents
from chronos.mirror.guard import guarded
from chronos.mirror.narrowing import Narrowing, clauses, terms
from chronos.wire.codec import with_hash

EVENT_TYPES: tuple[str, ...] = tuple(kind.__name__ for kind in get_args(Event))
MONEY_TYPES: tuple[str, ...] = tuple(
    kind.__name__ for kind in get_args(Event) if issubclass(kind, MoneyMoved)
)
_HEADS_PER_PAGE = 1000


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the index needs to know of an event besides its bytes."""

    event_id: str
    account_id: str
    version: int
    recorded_at: datetime
    body: bytes
    """The event's canonical JSON, as the journal and Kafka have it."""
    digest: bytes
    """The event's hash, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryQuery:
    """Which entries of one account."""

    account_id: str
    types: Sequence[str] = MONEY_TYPES
    transfer_id: str | None = None
    narrowing: Narrowing = field(default_factory=Narrowing)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryHead:
    """What the index has of one account, for comparison with the journal."""

    account_id: str
    events: int
    version: int


class EntryIndex:
    """Writes and reads the entries behind one alias.

    Args:
        client: Elasticsearch.
        alias: Of the index.
        is_read: False while nobody reads the index: then entries come in any order, faster.
    """

    def __init__(self, client: AsyncElasticsearch, alias: str, *, is_read: bool = True) -> None:
        self._client = client
        self._alias = alias
        self._is_read = is_read

    async def write_many(self, entries: Sequence[Entry]) -> BulkOutcome:
        """Adds the entries that are not there yet, in the order of each account's versions.

        Raises:
            Unavailable: Not all were taken; writing all again is safe.
            InvariantBroken: One can never be taken.
        """
        return await send_documents(
            self._client, entries, _to_document, index=self._alias, is_read=self._is_read
        )

    async def page(
        self, query: EntryQuery, *, before_position: int | None, rows_max: int
    ) -> list[dict[str, Any]]:
        """Reads entries, newest first, whose position is below `before_position`.

        Raises:
            Unavailable: Elasticsearch does not answer.
            SearchRefused: Elasticsearch cannot read the text.
        """
        with guarded():
            answer = await self._client.search(
                index=self._alias,
                query={"bool": {"filter": list(_filters(query))}},
                sort=[{"position": "desc"}],
                search_after=None if before_position is None else [before_position],
                size=rows_max,
                track_total_hits=False,
                filter_path=["hits.hits._source"],
            )
        return [hit["_source"] for hit in answer.get("hits", {}).get("hits", ())]

    async def newest_version(self, account_id: str) -> int:
        """Tells the newest version of an account that a search finds, 0 for none.

        Raises:
            Unavailable: Elasticsearch does not answer.
        """
        with guarded():
            answer = await self._client.search(
                index=self._alias,
                query={"term": {"account_id": account_id}},
                sort=[{"version": "desc"}],
                size=1,
                source=False,
                track_total_hits=False,
                filter_path=["hits.hits.sort"],
            )
        hits = answer.get("hits", {}).get("hits", ())
        return int(hits[0]["sort"][0]) if hits else 0

    async def heads_of(self, account_ids: Sequence[str]) -> dict[str, EntryHead]:
        """Gives count and last version of those of the named accounts that have entries.

        Raises:
            Unavailable: Elasticsearch does not answer.
        """
        accounts = {
            "terms": {"field": "account_id", "size": max(1, len(account_ids))},
            "aggregations": _HEAD,
        }
        with guarded():
            answer = await self._client.search(
                index=self._alias,
                size=0,
                query={"terms": {"account_id": list(account_ids)}},
                aggregations={"heads": accounts},
                track_total_hits=False,
            )
        return {
            bucket["key"]: EntryHead(
                account_id=bucket["key"],
                events=bucket["doc_count"],
                version=int(bucket["version"]["value"]),
            )
            for bucket in answer["aggregations"]["heads"]["buckets"]
        }

    async def has_all_until(self, account_id: str, version: int) -> bool:
        """Tells whether a search finds every entry of an account up to a version.

        Raises:
            Unavailable: Elasticsearch does not answer.
        """
        of_account = {"term": {"account_id": account_id}}
        older = {"range": {"version": {"lte": version}}}
        with guarded():
            answer = await self._client.count(
                index=self._alias, query={"bool": {"filter": [of_account, older]}}
            )
        return int(answer["count"]) == version

    async def count(self) -> int:
        """Counts the entries that a search finds."""
        with guarded():
            answer = await self._client.count(index=self._alias)
        return int(answer["count"])

    async def refresh(self) -> None:
        """Makes all that was written visible to searches now."""
        with guarded():
            await self._client.indices.refresh(index=self._alias)

    async def heads(self) -> AsyncIterator[EntryHead]:
        """Yields each account with its count of events and last version, by account id."""
        after: Mapping[str, Any] | None = None
        while True:
            composite: dict[str, Any] = {
                "size": _HEADS_PER_PAGE,
                "sources": [{"account": {"terms": {"field": "account_id"}}}],
            }
            if after is not None:
                composite["after"] = after
            with guarded():
                answer = await self._client.search(
                    index=self._alias,
                    size=0,
                    aggregations={"heads": {"composite": composite, "aggregations": _HEAD}},
                )
            heads = answer["aggregations"]["heads"]
            for bucket in heads["buckets"]:
                yield EntryHead(
                    account_id=bucket["key"]["account"],
                    events=bucket["doc_count"],
                    version=int(bucket["version"]["value"]),
                )
            after = heads.get("after_key")
            if after is None:
                return


# A maximum is computed as a double, which is exact for versions; a sum of amounts is not asked
# for, because partial sums of money need not be.
_HEAD = {"version": {"max": {"field": "version"}}}


def _to_document(entry: Entry) -> Document:
    return Document(
        action=msgspec.json.encode({"create": {"_id": entry.event_id}}),
        source=with_hash(entry.body, entry.digest),
        account_id=entry.account_id,
        version=entry.version,
    )


def _filters(query: EntryQuery) -> Iterator[dict[str, Any]]:
    yield from terms({"account_id": query.account_id, "transfer_id": query.transfer_id})
    yield {"terms": {"type": list(query.types)}}
    yield from clauses(query.narrowing)
