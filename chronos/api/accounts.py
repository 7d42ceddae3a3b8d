"""Accounts, read from the journal."""

from __future__ import annotations

import msgspec

from chronos.api.answer import Answer, etag, json_answer
from chronos.api.answers import Account
from chronos.api.exchange import Exchange, Services
from chronos.api.problems import unknown_account
from chronos.api.query import AFTER, LIMIT
from chronos.store.reads import StoredEvent
from chronos.wire.codec import format_instant, with_hash

_encode = msgspec.json.encode


async def show_account(services: Services, exchange: Exchange) -> Answer:
    """Answers `GET /v1/accounts/{id}`; the ETag is the account's version."""
    account_id = exchange.params["id"]
    stored = await services.reads.account(account_id)
    if stored is None:
        raise unknown_account(account_id)
    state = stored.state
    account = Account(
        id=state.account_id,
        currency=state.currency,
        kind=state.kind,
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
    return json_answer(account, headers=etag(state.version))


async def list_events(services: Services, exchange: Exchange) -> Answer:
    """Answers `GET /v1/accounts/{id}/events`: the stored bytes, oldest first."""
    account_id = exchange.params["id"]
    after, limit = exchange.query[AFTER], exchange.query[LIMIT]
    events = await services.reads.events_of(account_id, after, limit + 1)
    if not events and not await services.reads.is_known(account_id):
        raise unknown_account(account_id)
    page, has_more = events[:limit], len(events) > limit
    following = b'"%d"' % page[-1].version if has_more else b"null"
    body = b'{"data":[%b],"page":{"next":%b,"has_more":%b}}' % (
        b",".join(_with_hash(event) for event in page),
        following,
        _encode(has_more),
    )
    return Answer(status=200, body=body)


def _with_hash(event: StoredEvent) -> bytes:
    return with_hash(event.body, event.hash)
