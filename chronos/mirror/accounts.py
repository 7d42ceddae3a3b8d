"""Accounts: one document per account, the same content as the table and Redis have.

A document is written whole with the account's version as its external version: Elasticsearch
itself refuses (409) what is not newer, whatever order redelivery and rebalances bring.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from elasticsearch import AsyncElasticsearch

from chronos.errors import InvariantBroken, Unavailable
from chronos.mirror.bulk import BulkOutcome, Document, send_documents
from chronos.mirror.guard import guarded
from chronos.mirror.narrowing import terms, words
from chronos.wire.balance import Balance

SEARCHED_FIELDS = ("account_id.words", "external_id.words", "metadata_words")
READ_ACCOUNTS_MAX = 1000
_ROWS_PER_SCAN = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountQuery:
    """Which accounts; every part given must hold. `text` is what a person typed."""

    kind: str | None = None
    status: str | None = None
    currency: str | None = None
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None


class AccountIndex:
    """Writes and reads the accounts behind one alias."""

    def __init__(self, client: AsyncElasticsearch, alias: str) -> None:
        self._client = client
        self._alias = alias

    async def write_many(self, balances: Sequence[Balance]) -> BulkOutcome:
        """Writes each balance that is newer than the document there.

        Raises:
            Unavailable: Not all were taken; writing all again is safe.
            InvariantBroken: One can never be taken.
        """
        return await send_documents(self._client, balances, _to_document, index=self._alias)

    async def page(
        self, query: AccountQuery, *, after_account: str | None, rows_max: int
    ) -> list[Balance]:
        """Reads accounts by account id, those behind `after_account`.

        Raises:
            Unavailable: Elasticsearch does not answer.
            SearchRefused: Elasticsearch cannot read the text.
        """
        with guarded():
            answer = await self._client.search(
                index=self._alias,
                query={"bool": {"filter": list(_filters(query))}},
                sort=[{"account_id": "asc"}],
                search_after=None if after_account is None else [after_account],
                size=rows_max,
                track_total_hits=False,
                filter_path=["hits.hits._source"],
            )
        return [from_source(hit["_source"]) for hit in answer.get("hits", {}).get("hits", ())]

    async def read(self, account_id: str) -> Balance | None:
        """Reads one account's newest document, or None; does not wait for a refresh.

        Raises:
            Unavailable: Elasticsearch does not answer.
        """
        with guarded():
            answer = await self._client.options(ignore_status=404).get(
                index=self._alias, id=account_id
            )
        if "found" not in answer:
            raise Unavailable("elasticsearch", f"no index behind {self._alias}")
        return from_source(answer["_source"]) if answer["found"] else None

    async def read_many(self, account_ids: Sequence[str]) -> list[Balance | None]:
        """Reads accounts' newest documents in the order asked, at most `READ_ACCOUNTS_MAX`.

        Raises:
            Unavailable: Elasticsearch does not answer.
        """
        if len(account_ids) > READ_ACCOUNTS_MAX:
            raise ValueError(f"{len(account_ids)} accounts asked, {READ_ACCOUNTS_MAX} at most")
        with guarded():
            answer = await self._client.mget(index=self._alias, ids=list(account_ids))
        return [
            from_source(document["_source"]) if document.get("found") else None
            for document in answer["docs"]
        ]

    async def scan(self) -> AsyncIterator[Balance]:
        """Yields every account that a search finds, by account id."""
        after: str | None = None
        while True:
            rows = await self.page(AccountQuery(), after_account=after, rows_max=_ROWS_PER_SCAN)
            for balance in rows:
                yield balance
            if len(rows) < _ROWS_PER_SCAN:
                return
            after = rows[-1].account_id

    async def count(self) -> int:
        """Counts the accounts that a search finds."""
        with guarded():
            answer = await self._client.count(index=self._alias)
        return int(answer["count"])

    async def refresh(self) -> None:
        """Makes all that was written visible to searches now."""
        with guarded():
            await self._client.indices.refresh(index=self._alias)


def to_source(balance: Balance) -> dict[str, Any]:
    """Gives the document of a balance."""
    source: dict[str, Any] = msgspec.to_builtins(balance)
    source["available"] = balance.available
    source["metadata_words"] = sorted(set(balance.metadata.values()))
    return source


def from_source(source: Mapping[str, Any]) -> Balance:
    """Reads a balance back from its document.

    Raises:
        InvariantBroken: The document is not one of ours.
    """
    try:
        return msgspec.convert(source, Balance)
    except msgspec.ValidationError as error:
        raise InvariantBroken(f"A document among the accounts is not ours: {error}") from error


def _to_document(balance: Balance) -> Document:
    action = {
        "index": {
            "_id": balance.account_id,
            "version": balance.version,
            "version_type": "external",
        }
    }
    return Document(
        action=msgspec.json.encode(action),
        source=msgspec.json.encode(to_source(balance)),
        account_id=balance.account_id,
        version=balance.version,
    )


def _filters(query: AccountQuery) -> Iterator[dict[str, Any]]:
    yield from terms(
        {
            "kind": query.kind,
            "status": query.status,
            "currency": query.currency,
            "external_id": query.external_id,
            **{f"metadata.{key}": value for key, value in query.metadata.items()},
        }
    )
    if query.text is not None:
        yield words(query.text, SEARCHED_FIELDS)
