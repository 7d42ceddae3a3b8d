"""Commands: what somebody wants to happen. Each is checked for shape before it gets here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from chronos.domain.chart import AccountKind
from chronos.domain.ids import AccountId, TransferId


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount:
    """Asks for a new account with no money in it."""

    account_id: AccountId
    currency: str
    kind: AccountKind
    overdraft_limit: int | None
    """Minor units, at least 0; None: the default of the kind (customer 0, others unbounded)."""
    external_id: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFunds:
    """Asks to move an amount from the source account to the destination account."""

    transfer_id: TransferId
    source: AccountId
    destination: AccountId
    amount: int
    """Minor units, 1 to AMOUNT_MAX."""
    currency: str
    description: str | None
    value_date: date | None
    """None: the booking date."""
    metadata: Mapping[str, str]
    expected_versions: Mapping[AccountId, int]
    """The version each named account must have; empty: any."""


Command = OpenAccount | TransferFunds
