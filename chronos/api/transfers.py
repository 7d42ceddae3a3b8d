"""Transfers: making one, and reading it from the journal."""

from __future__ import annotations

from chronos.api.answer import Answer, json_answer
from chronos.api.answers import Balances, BookedTransfer
from chronos.api.bodies import TransferBody
from chronos.api.commands import answer_command
from chronos.api.exchange import Exchange, Services
from chronos.api.problems import HttpProblem
from chronos.domain.commands import TransferFunds
from chronos.domain.events import MoneyDeposited, MoneyMoved, MoneyWithdrawn
from chronos.domain.ids import AccountId, TransferId
from chronos.errors import InvariantBroken
from chronos.wire.codec import Recorded, decode_event, format_instant


async def make_transfer(services: Services, exchange: Exchange) -> Answer:
    """Answers `POST /v1/transfers`."""
    body = exchange.body_as(TransferBody)
    command = TransferFunds(
        transfer_id=TransferId(body.id or exchange.fresh_id("trf_")),
        source=AccountId(body.source),
        destination=AccountId(body.destination),
        amount=body.amount,
        currency=body.currency,
        description=body.description,
        value_date=body.value_date,
        metadata=body.metadata or {},
        expected_versions={
            AccountId(account): version
            for account, version in (body.expected_versions or {}).items()
        },
    )
    return await answer_command(services, exchange, command)


async def show_transfer(services: Services, exchange: Exchange) -> Answer:
    """Answers `GET /v1/transfers/{id}` as its receipt did."""
    transfer_id = exchange.params["id"]
    postings = await services.reads.postings_of(transfer_id)
    if not postings:
        raise HttpProblem("transfer_not_found", f"There is no transfer {transfer_id}.")
    recorded = [decode_event(posting.body) for posting in postings]
    return json_answer(_booked(transfer_id, recorded))


def _booked(transfer_id: str, recorded: list[Recorded]) -> BookedTransfer:
    match [entry.event for entry in recorded]:
        case [MoneyWithdrawn() as withdrawn, MoneyDeposited() as deposited]:
            last = recorded[-1]
        case _:
            raise InvariantBroken(
                f"Transfer {transfer_id} is not a withdrawal and a deposit. "
                "Run `chronos verify`."
            )
    return BookedTransfer(
        id=transfer_id,
        status="booked",
        position=last.position,
        recorded_at=format_instant(last.recorded_at),
        value_date=deposited.value_date,
        source=withdrawn.account_id,
        destination=deposited.account_id,
        amount=deposited.amount,
        currency=deposited.currency,
        description=deposited.description,
        metadata=dict(deposited.metadata),
        reverses=deposited.reverses_transfer_id,
        accounts={posting.account_id: _balances(posting) for posting in (withdrawn, deposited)},
    )


def _balances(posting: MoneyMoved) -> Balances:
    return Balances(
        version=posting.version,
        booked=posting.booked_after,
        held=posting.held_after,
        available=posting.available_after,
    )
