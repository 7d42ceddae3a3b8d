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
    ACCOUNT_CLOSED = "account_closed"
    BALANCE_LIMIT = "balance_limit"
    CURRENCY_MISMATCH = "currency_mismatch"
    DATE_INVALID = "date_invalid"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    SAME_ACCOUNT = "same_account"
    TRANSFER_EXISTS = "transfer_exists"
    VERSION_CONFLICT = "version_conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A command was refused and changed nothing."""

    code: RejectionCode
    detail: str
    """One sentence for a person, with the values that led to the refusal."""
    pointer: str | None = None
    """The field of the request that the rule speaks of, as a JSON pointer."""
