"""Transfers and all other journal entries, read from the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chronos.api.answer import Answer, json_answer
from chronos.api.answers import Balances
from chronos.api.exchange import Exchange, Services
from chronos.api.problems import HttpProblem
from chronos.domain.events import MoneyMoved
from chronos.errors import InvariantBroken
from chronos.wire.codec import decode_event
from chronos.wire.documents import entry_document


async def show_transfer(services: Services, exchange: Exchange) -> Answer:
    """Answers `GET /v1/transfers/{id}`: any journal entry, with all its postings."""
    transfer_id = exchange.params["id"]
    stored = await services.reads.postings_of(transfer_id)
    if not stored:
        raise HttpProblem("transfer_not_found", f"There is no transfer {transfer_id}.")
    recorded = [decode_event(posting.body) for posting in stored]
    money = [entry.event for entry in recorded if isinstance(entry.event, MoneyMoved)]
    if len(money) != len(recorded) or not _is_whole(money):
        raise InvariantBroken(
            f"Transfer {transfer_id} is not a whole journal entry. Run `chronos verify`."
        )
    document = entry_document(money, recorded[-1])
    document["position"] = recorded[-1].position
    document["accounts"] = {posting.account_id: _balances(posting) for posting in money}
    return json_answer(document)


def _is_whole(money: Sequence[MoneyMoved]) -> bool:
    """Tells that all postings are there, and that they sum to zero in each currency."""
    sums: Counter[str] = Counter()
    for posting in money:
        sums[posting.currency] += posting.amount
    return len(money) == money[0].legs and not any(sums.values())


def _balances(posting: MoneyMoved) -> Balances:
    return Balances(
        version=posting.version,
        booked=posting.booked_after,
        held=posting.held_after,
        available=posting.available_after,
    )
