"""What an answer says about its operation: done, certainly not done, or nobody knows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
import msgspec

from chronos.chaos.history import Outcome

UNSETTLED_CODES = frozenset({"idempotency_in_progress", "rate_limited", "request_timeout"})
"""Refusals that are not kept under the key: the same request may still be granted."""
NO_DOCUMENT = "no_document"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one attempt."""

    outcome: Outcome
    status: int = 0
    code: str = ""
    """Of the refusal; or what became of the connection."""
    reply: str = ""
    location: str = ""
    replayed: bool = False
    retry_after: str = ""
    """Of the header, as it was sent."""


class _Problem(msgspec.Struct):
    code: str


_problem = msgspec.json.Decoder(_Problem).decode


def judged(
    status: int,
    body: bytes,
    *,
    location: str = "",
    replayed: bool = False,
    retry_after: str = "",
) -> Answer:
    """Judges an answer that came whole."""
    outcome, code = _judged(status, body)
    return Answer(
        outcome=outcome,
        status=status,
        code=code,
        reply=body.decode("utf-8", "replace"),
        location=location,
        replayed=replayed,
        retry_after=retry_after,
    )


def unanswered(error: Exception) -> Answer:
    """Judges an attempt without a whole answer: nobody knows what became of it."""
    return Answer(outcome=Outcome.INFO, code=_trouble(error))


def _judged(status: int, body: bytes) -> tuple[Outcome, str]:
    if 200 <= status < 300:
        return Outcome.OK, ""
    try:
        code = _problem(body).code
    except msgspec.DecodeError:
        code = NO_DOCUMENT
    # Who answers without a document is not the ledger, so it cannot say that nothing was done.
    is_certain = 400 <= status < 500 and code not in UNSETTLED_CODES and code != NO_DOCUMENT
    return (Outcome.FAIL if is_certain else Outcome.INFO), code


def _trouble(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientConnectorError():
            return "refused" if isinstance(error.os_error, ConnectionRefusedError) else "no_way"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionError():
            return "reset"
        case aiohttp.ClientPayloadError() | asyncio.IncompleteReadError():
            return "cut_off"
        case _:
            return "broken"
