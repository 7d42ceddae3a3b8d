"""Batches: many commands in one request, decided in order in one transaction.

The batch has its own key, and its whole answer is replayed under it. An item may have a key of
its own: then it is done once, in whichever batch it comes. The name of an item without one has
a space in it, which no key of a client can have.
"""

from __future__ import annotations

from collections.abc import Iterator

from chronos.api.answer import Answer
from chronos.api.commands import (
    DRY_RUN_KEY,
    answer_attempt,
    principal_of,
    request_hash,
)
from chronos.api.exchange import Exchange, Services
from chronos.api.parse import invalid_fields
from chronos.wire.batch import BatchBody, command_of
from chronos.wire.booking import Attempt, BatchAttempt
from chronos.wire.meaning import meaning_hash
from chronos.wire.problems import InputError

_ITEM_ROUTE = "/v1/batches#command"


async def run_batch(services: Services, exchange: Exchange) -> Answer:
    """Answers `POST /v1/batches`."""
    body = exchange.body_as(BatchBody)
    key = exchange.idempotency_key or DRY_RUN_KEY
    _check_keys(body, key)
    batch = BatchAttempt(
        items=tuple(_items(services, exchange, body, key)),
        is_atomic=body.atomic,
        principal=principal_of(exchange),
        idempotency_key=key,
        request_hash=request_hash(exchange),
        request_id=exchange.request_id,
        traceparent=exchange.traceparent,
        instance=exchange.path,
    )
    return await answer_attempt(services, exchange, batch)


def _check_keys(body: BatchBody, key: str) -> None:
    errors = [
        InputError(
            pointer=f"/commands/{number}/idempotency_key",
            code="schema_violation",
            detail="The key of a command is not that of its batch.",
        )
        for number, item in enumerate(body.commands)
        if item.idempotency_key == key
    ]
    if errors:
        raise invalid_fields(errors)


def _items(
    services: Services, exchange: Exchange, body: BatchBody, key: str
) -> Iterator[Attempt]:
    principal = principal_of(exchange)
    for number, item in enumerate(body.commands):
        yield Attempt(
            command=command_of(item, services.ids.new_id),
            principal=principal,
            idempotency_key=item.idempotency_key or f"{key} {number}",
            request_hash=meaning_hash(
                method="POST", route=_ITEM_ROUTE, params={}, if_match="", body=item
            ),
            request_id=exchange.request_id,
            traceparent=exchange.traceparent,
            instance=exchange.path,
            has_own_key=item.idempotency_key is not None,
        )
