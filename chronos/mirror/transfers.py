"""Transfers: the journal entries among the index of entries, one row each, newest first.

An entry stands in the index as its postings, each a document of its own account. The row of an
entry is found by one of them: that of the account which was asked for, else the first (leg 0).
So no entry comes twice, and the position of that posting is where a page ends.

Postings of one entry may reach the index one after another, for their accounts live in several
partitions. An entry is shown when it is whole and left out until then; it is never shown half.
It is whole when its legs follow each other from 0, each currency sums to zero, and every
counterparty that they name is there. Of an entry with more than two postings, which names none,
the last ones could be missing and sum to zero by themselves: it is shown when it has had
`SETTLING_S` to arrive as well. What is left out does not end a list: it is passed over, and a
page is filled from what lies behind it, for `ROUNDS_MAX` searches at most. So a page may hold
fewer rows than were asked for while there are more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec
from elasticsearch import AsyncElasticsearch

from chronos.errors import InvariantBroken
from chronos.mirror.entries import MONEY_TYPES
from chronos.mirror.guard import guarded
from chronos.mirror.narrowing import Narrowing, clauses, terms

SETTLING_S: Final = 2.0
ROUNDS_MAX: Final = 4
_ROWS_OF_LATER_ROUNDS: Final = 200
_POSTINGS_PER_ENTRY_MAX: Final = 100
_WINDOW_ROWS: Final = 10_000
"""What one search gives at most (`index.max_result_window`)."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferQuery:
    """Which journal entries: their narrowing is that of the posting which stands for them."""

    account_id: str | None = None
    currency: str | None = None
    narrowing: Narrowing = field(default_factory=Narrowing)


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a journal entry."""

    transfer_id: str
    account_id: str
    leg: int
    amount: int
    currency: str
    counterparty: str | None
    position: int
    legs: int | None = None
    """How many postings the entry has; version 1 of the event did not say."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What every posting says of its journal entry, and the position of the one found."""

    transfer_id: str
    position: int
    recorded_at: str
    value_date: str
    description: str | None
    metadata: dict[str, str]
    reverses_transfer_id: str | None
    external_id: str | None = None
    """Version 1 of the event had none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A whole journal entry; its postings in order."""

    head: Head
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPage:
    """Rows of a list, and the position behind which it goes on; None at its end."""

    rows: tuple[JournalEntry, ...]
    next_position: int | None


class TransferIndex:
    """Reads journal entries behind the alias of the entries."""

    def __init__(self, client: AsyncElasticsearch, alias: str) -> None:
        self._client = client
        self._alias = alias

    async def page(
        self, query: TransferQuery, *, before_position: int | None, rows_max: int, now: datetime
    ) -> TransferPage:
        """Reads whole journal entries, newest first, found below `before_position`.

        Raises:
            Unavailable: Elasticsearch does not answer.
            SearchRefused: Elasticsearch cannot read the text.
        """
        rows: list[JournalEntry] = []
        place, size = before_position, rows_max + 1
        for _ in range(ROUNDS_MAX):
            heads = await self._heads(query, before_position=place, size=size)
            postings = await self._postings([head.transfer_id for head in heads])
            for head in heads:
                if len(rows) == rows_max:
                    return TransferPage(rows=tuple(rows), next_position=place)
                place = head.position
                found = postings.get(head.transfer_id, ())
                if is_whole(found, _age_s(head, now)):
                    rows.append(JournalEntry(head=head, postings=tuple(found)))
            if len(heads) < size:
                return TransferPage(rows=tuple(rows), next_position=None)
            size = max(rows_max + 1, _ROWS_OF_LATER_ROUNDS)
        return TransferPage(rows=tuple(rows), next_position=place)

    async def _heads(
        self, query: TransferQuery, *, before_position: int | None, size: int
    ) -> list[Head]:
        with guarded():
            answer = await self._client.search(
                index=self._alias,
                query={"bool": {"filter": list(_filters(query))}},
                sort=[{"position": "desc"}],
                search_after=None if before_position is None else [before_position],
                size=size,
                source_includes=list(Head.__struct_fields__),
                track_total_hits=False,
                filter_path=["hits.hits._source"],
            )
        return [_read(source, Head) for source in _sources(answer)]

    async def _postings(self, transfer_ids: Sequence[str]) -> Mapping[str, Sequence[Posting]]:
        """Reads the postings of journal entries, in their order."""
        found: dict[str, list[Posting]] = defaultdict(list)
        for ids in _chunks(transfer_ids, _WINDOW_ROWS // _POSTINGS_PER_ENTRY_MAX):
            with guarded():
                answer = await self._client.search(
                    index=self._alias,
                    query={"bool": {"filter": [_MONEY, {"terms": {"transfer_id": list(ids)}}]}},
                    sort=[{"leg": "asc"}],
                    size=_WINDOW_ROWS,
                    source_includes=list(Posting.__struct_fields__),
                    track_total_hits=False,
                    filter_path=["hits.hits._source"],
                )
            for source in _sources(answer):
                posting = _read(source, Posting)
                found[posting.transfer_id].append(posting)
        return found


def is_whole(postings: Sequence[Posting], age_s: float) -> bool:
    """Tells whether these postings are all of their journal entry.

    They say how many there are. Those of version 1 do not, and are looked at: by their legs,
    their counterparties and their sums.
    """
    if postings and postings[0].legs is not None:
        return len(postings) == postings[0].legs
    accounts = {posting.account_id for posting in postings}
    sums: dict[str, int] = defaultdict(int)
    for number, posting in enumerate(postings):
        if posting.leg != number:
            return False
        if posting.counterparty is None:
            if age_s < SETTLING_S:
                return False
        elif posting.counterparty not in accounts:
            return False
        sums[posting.currency] += posting.amount
    return len(postings) > 1 and not any(sums.values())


_MONEY: Final = {"terms": {"type": list(MONEY_TYPES)}}


def _filters(query: TransferQuery) -> Iterator[dict[str, Any]]:
    yield _MONEY
    yield from terms({"account_id": query.account_id, "currency": query.currency})
    if query.account_id is None:
        yield {"term": {"leg": 0}}
    yield from clauses(query.narrowing)


def _age_s(head: Head, now: datetime) -> float:
    age: timedelta = now - datetime.fromisoformat(head.recorded_at).astimezone(UTC)
    return age.total_seconds()


def _sources(answer: Any) -> Iterator[Mapping[str, Any]]:
    for hit in answer.get("hits", {}).get("hits", ()):
        yield hit["_source"]


def _read(source: Mapping[str, Any], shape: type[_T]) -> _T:
    try:
        return msgspec.convert(source, shape)
    except msgspec.ValidationError as error:
        raise InvariantBroken(f"A document among the entries is not ours: {error}") from error


def _chunks(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
