"""By which codes the core may refuse each family of commands, for the OpenAPI document."""

from __future__ import annotations

from typing import Final

OF_ENTRIES: Final = (
    "insufficient_funds",
    "account_frozen",
    "account_closed",
    "balance_limit",
    "transfer_exists",
    "version_conflict",
    "account_not_found",
    "currency_mismatch",
    "same_account",
    "date_invalid",
)
OF_REVERSALS: Final = (
    "already_reversed",
    "not_reversible",
    "transfer_not_found",
    "insufficient_funds",
    "account_frozen",
    "account_closed",
    "balance_limit",
    "transfer_exists",
    "version_conflict",
    "date_invalid",
)
OF_HOLDS: Final = (
    "insufficient_funds",
    "account_frozen",
    "account_closed",
    "balance_limit",
    "hold_exists",
    "too_many_holds",
    "version_conflict",
    "account_not_found",
    "currency_mismatch",
    "date_invalid",
)
OF_CAPTURES: Final = (
    *OF_ENTRIES,
    "capture_exceeds_hold",
    "hold_not_found",
    "hold_not_open",
)
