"""Holds, read from the journal."""

from __future__ import annotations

from chronos.api.answer import Answer, json_answer
from chronos.api.exchange import Exchange, Services
from chronos.api.problems import HttpProblem
from chronos.domain.events import HoldChanged, HoldPlaced
from chronos.errors import InvariantBroken
from chronos.wire.codec import decode_event
from chronos.wire.documents import ended_hold_document, hold_document


async def show_hold(services: Services, exchange: Exchange) -> Answer:
    """Answers `GET /v1/holds/{id}`, open or ended."""
    hold_id = exchange.params["id"]
    stored = await services.reads.hold_events(hold_id)
    if not stored:
        raise HttpProblem("hold_not_found", f"There is no hold {hold_id}.")
    first, *later = (decode_event(event.body) for event in stored)
    placed = first.event
    if not isinstance(placed, HoldPlaced):
        raise InvariantBroken(f"Hold {hold_id} ends without a beginning. Run `chronos verify`.")
    document = hold_document(placed, first.recorded_at)
    for recorded in later:
        if isinstance(recorded.event, HoldChanged):
            document.update(ended_hold_document(recorded.event, recorded))
    return json_answer(document)
