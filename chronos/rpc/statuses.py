"""The one table from the codes of refusals to the status codes of gRPC.

The rule is by HTTP status; a code stands in the second table where gRPC says it more precisely.
Source: gRPC, "Status codes and their use in gRPC".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from grpc import StatusCode

from chronos.wire.problems import PROBLEMS

_BY_HTTP_STATUS: Final[Mapping[int, StatusCode]] = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    405: StatusCode.UNIMPLEMENTED,
    406: StatusCode.INVALID_ARGUMENT,
    408: StatusCode.DEADLINE_EXCEEDED,
    409: StatusCode.FAILED_PRECONDITION,
    412: StatusCode.ABORTED,
    413: StatusCode.RESOURCE_EXHAUSTED,
    415: StatusCode.INVALID_ARGUMENT,
    417: StatusCode.INVALID_ARGUMENT,
    422: StatusCode.INVALID_ARGUMENT,
    429: StatusCode.RESOURCE_EXHAUSTED,
    431: StatusCode.RESOURCE_EXHAUSTED,
    500: StatusCode.INTERNAL,
    503: StatusCode.UNAVAILABLE,
}
_BY_CODE: Final[Mapping[str, StatusCode]] = {
    "account_exists": StatusCode.ALREADY_EXISTS,
    "external_id_exists": StatusCode.ALREADY_EXISTS,
    "transfer_exists": StatusCode.ALREADY_EXISTS,
    "hold_exists": StatusCode.ALREADY_EXISTS,
    "account_not_found": StatusCode.NOT_FOUND,
    "idempotency_in_progress": StatusCode.ABORTED,
}


def status_of(code: str) -> StatusCode:
    """Gives the status of a refusal by its code, a key of `PROBLEMS`."""
    return _BY_CODE.get(code) or _BY_HTTP_STATUS[PROBLEMS[code].status]
