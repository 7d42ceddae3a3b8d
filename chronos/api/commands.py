"""From a checked body to the ledger and back: what every command route shares."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import Final

import msgspec
from prometheus_client import Counter

from chronos.api.answer import Answer
from chronos.api.exchange import Exchange, Services
from chronos.domain.commands import Command
from chronos.errors import Unavailable
from chronos.telemetry import metrics
from chronos.wire.booking import Attempt
from chronos.wire.problems import CONTENT_TYPE as PROBLEM_JSON
from chronos.wire.receipt import Receipt

DRY_RUN_KEY: Final = "dry-run"
_canonical = msgspec.json.Encoder(order="sorted").encode
_CODE = re.compile(rb'"code":"([a-z_]+)"')


async def answer_command(services: Services, exchange: Exchange, command: Command) -> Answer:
    """Executes a command, or previews it, and answers with its receipt."""
    attempt = _attempt(exchange, command)
    try:
        if exchange.query["dry_run"]:
            receipt = await services.ledger.preview(attempt)
            outcome = "previewed"
        else:
            receipt = await services.ledger.execute(attempt)
            outcome = _outcome(receipt)
    except Unavailable:
        _commands(type(command).__name__, "unavailable").inc()
        raise
    answer = _answer(receipt)
    _commands(type(command).__name__, outcome).inc()
    if answer.code is not None and outcome == "refused":
        metrics.REJECTIONS.labels(code=answer.code).inc()
    return answer


def request_hash(exchange: Exchange) -> bytes:
    """Hashes what a request means; equal for a retry, whatever its key order and white space.

    Each part is followed by a zero byte, which none of them can hold: no two requests can be
    written the same way.
    """
    path = [part for name, value in sorted(exchange.params.items()) for part in (name, value)]
    head = [
        exchange.request.method,
        exchange.route_path,
        *path,
        exchange.request.headers.get("If-Match", ""),
    ]
    meaning = "".join(f"{part}\0" for part in head).encode("utf-8", "surrogateescape")
    return hashlib.sha256(meaning + _canonical(exchange.body)).digest()


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
    found = _CODE.search(receipt.body)
    return Answer(
        status=receipt.status,
        body=receipt.body,
        content_type=PROBLEM_JSON,
        headers=headers,
        code=None if found is None else found[1].decode(),
    )


def _outcome(receipt: Receipt) -> str:
    if receipt.replayed:
        return "replayed"
    return "booked" if receipt.status < 400 else "refused"


@cache
def _commands(command: str, outcome: str) -> Counter:
    return metrics.COMMANDS.labels(command=command, outcome=outcome)
