"""Refusals by a business rule: values with a stable code, never exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RejectionCode(StrEnum):
    """Every reason for which the core refuses a command; the text is stable for ever."""

    ACCOUNT_EXISTS = "account_exists"
    EXTERNAL_ID_EXISTS = "external_id_exists"
    ACCOUNT_NOT_FOUND = "account_not_found"
    ACCOUNT_FROZEN = "account_frozen"
    ACCOUNT_NOT_FROZEN = "account_not_frozen"
    ACCOUNT_CLOSED = "account_closed"
    ALREADY_REVERSED = "already_reversed"
    BALANCE_LIMIT = "balance_limit"
    BALANCE_NOT_ZERO = "balance_not_zero"
    CAPTURE_EXCEEDS_HOLD = "capture_exceeds_hold"
    CURRENCY_MISMATCH = "currency_mismatch"
    DATE_INVALID = "date_invalid"
    HOLD_EXISTS = "hold_exists"
    HOLD_NOT_FOUND = "hold_not_found"
    HOLD_NOT_OPEN = "hold_not_open"
    HOLDS_OPEN = "holds_open"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    NOT_REVERSIBLE = "not_reversible"
    POSITION_ACCOUNT_MISSING = "position_account_missing"
    SAME_ACCOUNT = "same_account"
    TOO_MANY_HOLDS = "too_many_holds"
    TRANSFER_EXISTS = "transfer_exists"
    TRANSFER_NOT_FOUND = "transfer_not_found"
    UNBALANCED = "unbalanced"
    VERSION_CONFLICT = "version_conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A command was refused and changed nothing."""

    code: RejectionCode
    detail: str
    """One sentence for a person, with the values that led to the refusal."""
    pointer: str | None = None
    """The field of the request that the rule speaks of, as a JSON pointer."""
    in_path: bool = False
    """Whether the rule speaks of what the request's address names."""
