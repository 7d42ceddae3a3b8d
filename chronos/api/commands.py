"""From a checked body to the ledger and back: what every command route shares."""

from __future__ import annotations

from typing import Final

from chronos.api.answer import Answer
from chronos.api.exchange import Exchange, Services
from chronos.api.query import DRY_RUN
from chronos.domain.commands import Command
from chronos.ledger.counted import run_counted
from chronos.wire.booking import Attempt
from chronos.wire.meaning import meaning_hash
from chronos.wire.problems import CONTENT_TYPE as PROBLEM_JSON
from chronos.wire.problems import code_in
from chronos.wire.receipt import Receipt

DRY_RUN_KEY: Final = "dry-run"


async def answer_command(services: Services, exchange: Exchange, command: Command) -> Answer:
    """Executes a command, or previews it, and answers with its receipt."""
    dry_run = bool(exchange.query[DRY_RUN])
    return _answer(
        await run_counted(services.ledger, _attempt(exchange, command), dry_run=dry_run)
    )


def request_hash(exchange: Exchange) -> bytes:
    """Hashes what a request means; equal for a retry."""
    return meaning_hash(
        method=exchange.request.method,
        route=exchange.route_path,
        params=exchange.params,
        if_match=exchange.request.headers.get("If-Match", ""),
        body=exchange.body,
    )


def _attempt(exchange: Exchange, command: Command) -> Attempt:
    if exchange.principal is None:
        raise TypeError(f"{exchange.route_path} executes a command for nobody")
    return Attempt(
        command=command,
        principal=exchange.principal.name,
        idempotency_key=exchange.idempotency_key or DRY_RUN_KEY,
        request_hash=request_hash(exchange),
        request_id=exchange.request_id,
        traceparent=exchange.traceparent,
        instance=exchange.path,
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
