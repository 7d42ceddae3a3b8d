"""From a checked body to the ledger and back: what every command route shares."""

from __future__ import annotations

from typing import Final

from chronos.api.answer import Answer
from chronos.api.exchange import Exchange, Services
from chronos.api.query import DRY_RUN
from chronos.ledger.counted import run_counted
from chronos.wire.bodies import CommandBody
from chronos.wire.booking import AnyAttempt, Attempt
from chronos.wire.meaning import meaning_hash
from chronos.wire.problems import CONTENT_TYPE as PROBLEM_JSON
from chronos.wire.problems import code_in
from chronos.wire.receipt import Receipt
from chronos.wire.terms import Asked

DRY_RUN_KEY: Final = "dry run"  # with a space, which no key of a client has


async def run_command(services: Services, exchange: Exchange) -> Answer:
    """Answers the route of any single command: its body says which."""
    body = exchange.body
    if not isinstance(body, CommandBody):
        raise TypeError(f"{exchange.route_path} has no body of a command")
    asked = Asked(
        fresh_id=exchange.fresh_id,
        subject=exchange.params.get("id", ""),
        expected_version=exchange.expected_version,
    )
    attempt = Attempt(
        command=body.command(asked),
        principal=principal_of(exchange),
        idempotency_key=exchange.idempotency_key or DRY_RUN_KEY,
        request_hash=request_hash(exchange),
        request_id=exchange.request_id,
        traceparent=exchange.traceparent,
        instance=exchange.path,
    )
    return await answer_attempt(services, exchange, attempt)


async def answer_attempt(services: Services, exchange: Exchange, attempt: AnyAttempt) -> Answer:
    """Executes an attempt, or previews it, and answers with its receipt."""
    dry_run = bool(exchange.query[DRY_RUN])
    return _answer(await run_counted(services.ledger, attempt, dry_run=dry_run))


def principal_of(exchange: Exchange) -> str:
    """Gives the name of who sends the request."""
    if exchange.principal is None:
        raise TypeError(f"{exchange.route_path} executes a command for nobody")
    return exchange.principal.name


def request_hash(exchange: Exchange) -> bytes:
    """Hashes what a request means; equal for a retry."""
    return meaning_hash(
        method=exchange.request.method,
        route=exchange.route_path,
        params=exchange.params,
        if_match=exchange.request.headers.get("If-Match", ""),
        body=exchange.body,
    )


def _answer(receipt: Receipt) -> Answer:
    headers = {}
    if receipt.location is not None:
        headers["Location"] = receipt.location
    if receipt.replayed:
        headers["Idempotent-Replayed"] = "true"
    if receipt.retry_after_s is not None:
        headers["Retry-After"] = str(receipt.retry_after_s)
    if receipt.status < 400:
        return Answer(status=receipt.status, body=receipt.body, headers=headers)
    return Answer(
        status=receipt.status,
        body=receipt.body,
        content_type=PROBLEM_JSON,
        headers=headers,
        code=code_in(receipt.body),
    )
