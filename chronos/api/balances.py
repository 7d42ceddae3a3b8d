"""Balances from the journal: now, as recorded by a moment, and for a banking day."""

from __future__ import annotations

from datetime import date, datetime

from msgspec import structs

from chronos.api.answer import Answer, etag, json_answer
from chronos.api.answers import Balance
from chronos.api.exchange import Exchange, Services
from chronos.api.problems import account_not_yet_opened, unknown_account
from chronos.api.query import AT, VALUE_DATE, invalid_parameter
from chronos.domain.account import AccountState
from chronos.store.moments import NotYetOpened, OpenedLater
from chronos.wire.codec import format_instant


async def show_balance(services: Services, exchange: Exchange) -> Answer:
    """Answers `GET /v1/accounts/{id}/balance`; the ETag is the balance's version."""
    account_id = exchange.params["id"]
    at, day = exchange.query[AT], exchange.query[VALUE_DATE]
    if at is not None and day is not None:
        raise invalid_parameter(
            "Parameters at and value_date exclude each other: by when it was recorded, or from "
            "when it counts."
        )
    if at is not None:
        balance = await _at(services, account_id, at)
    elif day is not None:
        balance = await _by_value(services, account_id, day)
    else:
        balance = await _now(services, account_id)
    return json_answer(balance, headers=etag(balance.version))


async def _now(services: Services, account_id: str) -> Balance:
    stored = await services.reads.balance(account_id)
    if stored is None:
        raise unknown_account(account_id)
    return _balance(stored.state, as_of=stored.recorded_at)


async def _at(services: Services, account_id: str, at: datetime) -> Balance:
    found = await services.moments.balance_at(account_id, at)
    if found is None:
        raise unknown_account(account_id)
    if isinstance(found, NotYetOpened):
        raise account_not_yet_opened(account_id, opened=format_instant(found.opened_at))
    balance = _balance(found.state, as_of=found.recorded_at)
    return structs.replace(balance, at=format_instant(at), final=found.is_final)


async def _by_value(services: Services, account_id: str, day: date) -> Balance:
    found = await services.moments.balance_by_value(account_id, day)
    if found is None:
        raise unknown_account(account_id)
    if isinstance(found, OpenedLater):
        raise account_not_yet_opened(account_id, opened=f"on {found.opened_on}")
    return structs.replace(_balance(found.state, as_of=found.recorded_at), value_date=day)


def _balance(state: AccountState, *, as_of: datetime) -> Balance:
    return Balance(
        account=state.account_id,
        currency=state.currency,
        booked=state.booked,
        held=state.held,
        available=state.available,
        version=state.version,
        as_of=format_instant(as_of),
    )
