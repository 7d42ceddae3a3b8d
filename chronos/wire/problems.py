"""Problem documents: every code that an answer may carry, and the bytes that carry it.

Source: RFC 9457 (`application/problem+json`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:chronos:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem: its HTTP status, title, and whether the same may be sent again."""

    status: int
    title: str
    retryable: bool = False


class InputError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong with a request: where (JSON pointer), which code, and in words."""

    pointer: str
    code: str
    detail: str


PROBLEMS: dict[str, Problem] = {
    # Not readable as the format
    "bad_request": Problem(400, "The request is not valid HTTP"),
    "malformed_json": Problem(400, "The body is not valid JSON"),
    "malformed_message": Problem(400, "The bytes are not a protobuf message of the method"),
    "duplicate_json_key": Problem(400, "A JSON object names a key twice"),
    "invalid_encoding": Problem(400, "The body is not valid UTF-8 text"),
    "too_deep": Problem(400, "The JSON is nested too deeply"),
    "idempotency_key_missing": Problem(400, "The Idempotency-Key header is missing"),
    "idempotency_key_invalid": Problem(400, "The Idempotency-Key header is not usable"),
    "if_match_invalid": Problem(400, "The If-Match header is not usable"),
    "invalid_parameter": Problem(400, "A query parameter is not usable"),
    "invalid_cursor": Problem(400, "The cursor does not belong to this list"),
    "unauthenticated": Problem(401, "A valid API key is needed"),
    "insufficient_scope": Problem(403, "The API key lacks the scope"),
    "not_found": Problem(404, "There is nothing at this address"),
    "transfer_not_found": Problem(404, "There is no such transfer"),
    "hold_not_found": Problem(404, "There is no such hold"),
    "method_not_allowed": Problem(405, "The address does not know this method"),
    "not_acceptable": Problem(406, "No representation fits the Accept header"),
    "request_timeout": Problem(408, "The body did not arrive in time", retryable=True),
    "body_too_large": Problem(413, "The body is too large"),
    "unsupported_media_type": Problem(415, "The Content-Type is not application/json"),
    "unsupported_content_encoding": Problem(415, "The Content-Encoding is not supported"),
    "expectation_failed": Problem(417, "The Expect header cannot be met"),
    "header_too_large": Problem(431, "The request's headers are too large"),
    # Readable, but breaks a rule of the request
    "schema_violation": Problem(422, "The body does not fit the schema"),
    "invalid_characters": Problem(422, "A text has characters that cannot be stored"),
    "amount_invalid": Problem(422, "The amount is not a whole number of minor units"),
    "amount_not_positive": Problem(422, "The amount is not above zero"),
    "amount_too_large": Problem(422, "The amount is above the greatest amount"),
    "currency_invalid": Problem(422, "The currency is not an ISO 4217 code in use"),
    "currency_mismatch": Problem(422, "The currency is not the account's"),
    "same_account": Problem(422, "An account is named twice"),
    "unbalanced": Problem(422, "The postings do not sum to zero"),
    "too_many_postings": Problem(422, "There are too many postings"),
    "batch_too_large": Problem(422, "The batch is too large"),
    "account_not_found": Problem(422, "There is no such account"),
    "id_invalid": Problem(422, "The id is not usable"),
    "description_invalid": Problem(422, "The description is not usable"),
    "metadata_invalid": Problem(422, "The metadata is not usable"),
    "date_invalid": Problem(422, "The date is not usable"),
    "idempotency_key_reused": Problem(422, "The key was used for another request"),
    # Conflicts with the present state
    "account_exists": Problem(409, "The account exists already"),
    "external_id_exists": Problem(409, "The external id belongs to another account"),
    "account_frozen": Problem(409, "The account is frozen"),
    "account_not_frozen": Problem(409, "The account is not frozen"),
    "account_closed": Problem(409, "The account is closed"),
    "already_reversed": Problem(409, "The transfer is reversed already"),
    "not_reversible": Problem(409, "The transfer cannot be reversed"),
    "balance_not_zero": Problem(409, "The account is not empty"),
    "holds_open": Problem(409, "The account has open holds"),
    "hold_exists": Problem(409, "The hold exists already"),
    "hold_not_open": Problem(409, "The hold is not open"),
    "capture_exceeds_hold": Problem(409, "The capture is above the hold"),
    "too_many_holds": Problem(409, "The account has too many open holds"),
    "position_account_missing": Problem(409, "The bank has no position account for it"),
    "batch_rejected": Problem(409, "A command of the atomic batch was refused"),
    "balance_limit": Problem(409, "A balance would leave its range"),
    "insufficient_funds": Problem(409, "The account has not enough available"),
    "transfer_exists": Problem(409, "The transfer exists already"),
    "idempotency_in_progress": Problem(409, "The same key is being worked on", retryable=True),
    "version_conflict": Problem(412, "The account is at another version"),
    # Not now
    "rate_limited": Problem(429, "Too many requests", retryable=True),
    "internal_error": Problem(500, "An unexpected fault"),
    "unavailable": Problem(503, "The service cannot answer now", retryable=True),
    "read_model_behind": Problem(503, "The read model is not there yet", retryable=True),
    "search_unavailable": Problem(503, "The search cannot answer now", retryable=True),
}

_encoder = msgspec.json.Encoder()
_CODE = re.compile(rb'"code":"([a-z_]+)"')


def problem_body(  # noqa: PLR0913  the members of a problem document, each by its name
    code: str,
    detail: str,
    *,
    instance: str,
    request_id: str,
    status: int | None = None,
    errors: Sequence[InputError] = (),
    extra: Mapping[str, Any] | None = None,
) -> bytes:
    """Writes a problem document.

    Args:
        code: A key of `PROBLEMS`.
        detail: One sentence about this occurrence.
        instance: Path of the request.
        request_id: The request's id, as in the `X-Request-Id` header.
        status: The HTTP status when it is not the code's own (an unknown account is 404 in a
            path and 422 in a body).
        errors: What is wrong with the input, where there is more to say.
        extra: Further members.
    """
    problem = PROBLEMS[code]
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + code,
        "title": problem.title,
        "status": problem.status if status is None else status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": request_id,
        "retryable": problem.retryable,
    }
    if errors:
        document["errors"] = list(errors)
    if extra:
        document.update(extra)
    return _encoder.encode(document)


def code_in(document: bytes) -> str | None:
    """Finds the code of a problem document; None when the bytes are of another document."""
    found = _CODE.search(document)
    return None if found is None else found[1].decode()
