"""What can be wrong with a call: one exception, and the details that a client gets.

Source: `google.rpc.Status` and its standard details (google/rpc/error_details.proto), in the
trailer `grpc-status-details-bin`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from chronos.rpc.statuses import status_of
from chronos.wire.problems import PROBLEMS, InputError

DOMAIN: Final = "chronos"
CODE_TRAILER: Final = "chronos-code"
_DETAILS_TRAILER: Final = "grpc-status-details-bin"
_VIOLATIONS_MAX: Final = 16
_RETRY_S: Final = 1

Trailer = tuple[str, str | bytes]


class RpcProblem(Exception):
    """Ends a call with a status and its details; caught by the one net.

    Args:
        code: A key of `PROBLEMS`.
        detail: One sentence about this occurrence.
        status: The status when it is not the code's own.
        errors: What is wrong with the input, field by field.
        replayed: Whether this is the stored answer of an earlier call.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: StatusCode | None = None,
        errors: Sequence[InputError] = (),
        replayed: bool = False,
    ):
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.status = status_of(code) if status is None else status
        self.errors = errors
        self.replayed = replayed


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    detail: str
    errors: tuple[InputError, ...] = ()


_decode = msgspec.json.Decoder(_Document).decode


def refusal(document: bytes, *, replayed: bool) -> RpcProblem:
    """Reads a refusal from its problem document, the bytes that HTTP would answer."""
    found = _decode(document)
    return RpcProblem(found.code, found.detail, errors=found.errors, replayed=replayed)


def trailers(problem: RpcProblem, *, request_id: str) -> tuple[Trailer, ...]:
    """Gives the metadata that tells a problem to programs."""
    details = _status(problem, request_id).SerializeToString()
    return (CODE_TRAILER, problem.code), (_DETAILS_TRAILER, details)


def _status(problem: RpcProblem, request_id: str) -> status_pb2.Status:
    status = status_pb2.Status(code=problem.status.value[0], message=problem.detail)
    info = error_details_pb2.ErrorInfo(reason=problem.code, domain=DOMAIN)
    status.details.add().Pack(info)
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id=request_id))
    if problem.errors:
        violations = [_violation(error) for error in problem.errors[:_VIOLATIONS_MAX]]
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=violations))
    if PROBLEMS[problem.code].retryable:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = _RETRY_S
        status.details.add().Pack(retry)
    return status


def _violation(error: InputError) -> error_details_pb2.BadRequest.FieldViolation:
    return error_details_pb2.BadRequest.FieldViolation(
        field=error.pointer.removeprefix("/").replace("/", "."),
        description=error.detail,
        reason=error.code,
    )
