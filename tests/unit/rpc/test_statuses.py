"""The one table: every code that an answer may carry has a status of gRPC."""

import pytest
from grpc import StatusCode

from chronos.domain.rejections import RejectionCode
from chronos.rpc.statuses import status_of
from chronos.wire.problems import PROBLEMS

EXPECTED = {
    # The caller's mistake, whatever the state of the ledger
    "malformed_message": StatusCode.INVALID_ARGUMENT,
    "idempotency_key_missing": StatusCode.INVALID_ARGUMENT,
    "idempotency_key_invalid": StatusCode.INVALID_ARGUMENT,
    "idempotency_key_reused": StatusCode.INVALID_ARGUMENT,
    "schema_violation": StatusCode.INVALID_ARGUMENT,
    "amount_too_large": StatusCode.INVALID_ARGUMENT,
    "currency_mismatch": StatusCode.INVALID_ARGUMENT,
    "same_account": StatusCode.INVALID_ARGUMENT,
    "date_invalid": StatusCode.INVALID_ARGUMENT,
    # Who asks
    "unauthenticated": StatusCode.UNAUTHENTICATED,
    "insufficient_scope": StatusCode.PERMISSION_DENIED,
    # The present state
    "account_not_found": StatusCode.NOT_FOUND,
    "transfer_not_found": StatusCode.NOT_FOUND,
    "account_exists": StatusCode.ALREADY_EXISTS,
    "external_id_exists": StatusCode.ALREADY_EXISTS,
    "transfer_exists": StatusCode.ALREADY_EXISTS,
    "insufficient_funds": StatusCode.FAILED_PRECONDITION,
    "account_frozen": StatusCode.FAILED_PRECONDITION,
    "account_closed": StatusCode.FAILED_PRECONDITION,
    "balance_limit": StatusCode.FAILED_PRECONDITION,
    "version_conflict": StatusCode.ABORTED,
    "idempotency_in_progress": StatusCode.ABORTED,
    # Not now
    "rate_limited": StatusCode.RESOURCE_EXHAUSTED,
    "unavailable": StatusCode.UNAVAILABLE,
    "internal_error": StatusCode.INTERNAL,
}


@pytest.mark.parametrize(("code", "status"), EXPECTED.items())
def test_a_code_has_its_status(code, status):
    assert status_of(code) is status


@pytest.mark.parametrize("code", PROBLEMS)
def test_no_code_is_forgotten_and_none_is_a_success(code):
    assert status_of(code) not in (StatusCode.OK, StatusCode.UNKNOWN)


@pytest.mark.parametrize("code", [code.value for code in RejectionCode])
def test_a_refusal_of_the_core_is_never_told_as_a_fault_to_be_tried_again(code):
    assert status_of(code) not in (StatusCode.UNAVAILABLE, StatusCode.INTERNAL)
