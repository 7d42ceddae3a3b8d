"""Lists of transfers and the search among them, from Elasticsearch.

One row is one journal entry, newest first, whole or not there: see `chronos.mirror.transfers`.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from chronos.clock import Clock
from chronos.errors import Unavailable
from chronos.mirror.guard import SearchRefused
from chronos.mirror.transfers import JournalEntry, Posting, TransferIndex, TransferQuery
from chronos.settings import Settings
from chronos.wire.cursors import Cursors
from web.narrowing import read_currency, read_narrowing
from web.paging import Paging, search_unavailable
from web.parameters import Parameters, invalid
from web.respond import JsonAnswer, Respond, json_answer
from web.routes.table import TRANSFERS


class Transfers:
    """Answers for lists of transfers.

    Args:
        transfers: The journal entries of the index of entries.
        settings: Gives the zone of a calendar day.
        secret: Seals cursors; the same in every worker.
        clock: Tells how old an entry is.
    """

    def __init__(
        self, transfers: TransferIndex, settings: Settings, *, secret: bytes, clock: Clock
    ):
        self._transfers = transfers
        self._zone = ZoneInfo(settings.time_zone)
        self._cursors = Cursors(secret, list_name="transfers")
        self._clock = clock

    def add_to(self, respond: Respond) -> None:
        """Puts the view on its path."""
        respond.add_view(TRANSFERS, self.answer)

    async def answer(self, request: web.Request) -> JsonAnswer:
        """Answers with one page of transfers.

        Raises:
            Refusal: A parameter cannot be used, or Elasticsearch is not there.
        """
        parameters = Parameters(request, TRANSFERS.names, TRANSFERS.groups)
        query = self._query(parameters)
        paging = Paging.read(parameters, self._cursors)
        try:
            page = await self._transfers.page(
                query,
                before_position=paging.position,
                rows_max=paging.rows_max,
                now=self._clock.now(),
            )
        except Unavailable as fault:
            raise search_unavailable(fault) from fault
        except SearchRefused as refusal:
            raise invalid("q", "cannot be searched for") from refusal
        return json_answer(
            {
                "data": [transfer_document(row) for row in page.rows],
                "page": paging.document(page.next_position),
            }
        )

    def _query(self, parameters: Parameters) -> TransferQuery:
        query = TransferQuery(
            account_id=parameters.id("account"),
            currency=read_currency(parameters),
            narrowing=read_narrowing(parameters, self._zone),
        )
        if query.narrowing.counterparty is not None and query.account_id is None:
            raise invalid("counterparty", "needs `account`, whose other side it is")
        return query


def transfer_document(entry: JournalEntry) -> dict[str, Any]:
    """Gives the members of a journal entry, named as the command endpoint names them.

    `from`, `to`, `amount` and `currency` are null where there is more than one withdrawal and
    one deposit in one currency.
    """
    head, postings = entry.head, entry.postings
    pair = _pair(postings)
    return {
        "id": head.transfer_id,
        "status": "booked",
        "position": max(posting.position for posting in postings),
        "recorded_at": head.recorded_at,
        "value_date": head.value_date,
        "from": None if pair is None else pair[0].account_id,
        "to": None if pair is None else pair[1].account_id,
        "amount": None if pair is None else pair[1].amount,
        "currency": None if pair is None else pair[1].currency,
        "external_id": head.external_id,
        "description": head.description,
        "metadata": head.metadata,
        "reverses": head.reverses_transfer_id,
        "postings": [
            {
                "account": posting.account_id,
                "amount": posting.amount,
                "currency": posting.currency,
            }
            for posting in postings
        ],
    }


def _pair(postings: tuple[Posting, ...]) -> tuple[Posting, Posting] | None:
    # Two postings of a whole entry are of one currency: each currency sums to zero.
    if len(postings) != 2:
        return None
    first, second = postings
    return (first, second) if first.amount < 0 else (second, first)
