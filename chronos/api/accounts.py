"""Accounts, read from the journal."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from chronos.api.answer import Answer, Streamed, etag, json_answer
from chronos.api.answers import Account
from chronos.api.exchange import Exchange, Services
from chronos.api.places import PAGE_BYTES_MAX
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


async def list_events(services: Services, exchange: Exchange) -> Streamed:
    """Answers `GET /v1/accounts/{id}/events`: the stored bytes, oldest first."""
    return Streamed(pieces=_events(services, exchange), is_page=True)


async def _events(services: Services, exchange: Exchange) -> AsyncGenerator[bytes, None]:
    # Called, not written here: the events are let go of while the page waits for its client.
    yield await _page(services, exchange)


async def _page(services: Services, exchange: Exchange) -> bytes:
    account_id = exchange.params["id"]
    after, limit = exchange.query[AFTER], exchange.query[LIMIT]
    events = await services.reads.events_of(
        account_id, after, limit + 1, bytes_max=PAGE_BYTES_MAX
    )
    if not events and not await services.reads.is_known(account_id):
        raise unknown_account(account_id)
    # One more than is shown was read: by their number, or by their bytes.
    is_heavy = sum(len(event.body) for event in events) >= PAGE_BYTES_MAX
    page = events[: len(events) - 1 if is_heavy else limit]
    has_more = len(page) < len(events)
    following = b'"%d"' % page[-1].version if has_more else b"null"
    return b'{"data":[%b],"page":{"next":%b,"has_more":%b}}' % (
        b",".join(_with_hash(event) for event in page),
        following,
        _encode(has_more),
    )


def _with_hash(event: StoredEvent) -> bytes:
    return with_hash(event.body, event.hash)
