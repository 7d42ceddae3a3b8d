"""Accounts, read from the journal."""

from __future__ import annotations

import msgspec

from chronos.api.answer import Answer, json_answer
from chronos.api.answers import Account, Balance
from chronos.api.exchange import Exchange, Services
from chronos.api.problems import HttpProblem
from chronos.api.query import AFTER, LIMIT
from chronos.store.reads import StoredAccount, StoredEvent
from chronos.wire.codec import format_instant, with_hash

_encode = msgspec.json.encode


async def show_account(services: Services, exchange: Exchange) -> Answer:
    """Answers `GET /v1/accounts/{id}`; the ETag is the account's version."""
    stored = await _stored(services, exchange)
    state = stored.state
    account = Account(
        id=state.account_id,
        currency=state.currency,
        kind=state.kind.value,
        status=state.status.label,
        version=state.version,
        booked=state.booked,
        held=state.held,
        available=state.available,
        overdraft_limit=state.overdraft_limit,
        external_id=stored.external_id,
        metadata=dict(stored.metadata),
        opened_at=format_instant(stored.opened_at),
        opened_on=state.opened_on,
    )
    return json_answer(account, headers=_etag(stored))


async def show_balance(services: Services, exchange: Exchange) -> Answer:
    """Answers `GET /v1/accounts/{id}/balance`."""
    stored = await _stored(services, exchange)
    state = stored.state
    balance = Balance(
        account=state.account_id,
        currency=state.currency,
        booked=state.booked,
        held=state.held,
        available=state.available,
        version=state.version,
        as_of=format_instant(stored.recorded_at),
    )
    return json_answer(balance, headers=_etag(stored))


async def list_events(services: Services, exchange: Exchange) -> Answer:
    """Answers `GET /v1/accounts/{id}/events`: the stored bytes, oldest first."""
    account_id = exchange.params["id"]
    after, limit = exchange.query[AFTER], exchange.query[LIMIT]
    events = await services.reads.events_of(account_id, after, limit + 1)
    if not events and not await services.reads.is_known(account_id):
        raise _unknown(account_id)
    page, has_more = events[:limit], len(events) > limit
    following = b'"%d"' % page[-1].version if has_more else b"null"
    body = b'{"data":[%b],"page":{"next":%b,"has_more":%b}}' % (
        b",".join(_with_hash(event) for event in page),
        following,
        _encode(has_more),
    )
    return Answer(status=200, body=body)


async def _stored(services: Services, exchange: Exchange) -> StoredAccount:
    account_id = exchange.params["id"]
    stored = await services.reads.account(account_id)
    if stored is None:
        raise _unknown(account_id)
    return stored


def _with_hash(event: StoredEvent) -> bytes:
    return with_hash(event.body, event.hash)


def _etag(stored: StoredAccount) -> dict[str, str]:
    return {"ETag": f'"{stored.state.version}"'}


def _unknown(account_id: str) -> HttpProblem:
    return HttpProblem("account_not_found", f"There is no account {account_id}.", status=404)
