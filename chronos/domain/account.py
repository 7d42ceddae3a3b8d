"""An account's state: the fold of its events, and the head from which the next is decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum

from chronos.domain.chart import AccountKind
from chronos.domain.ids import AccountId

HOLDS_MAX = 500
"""Most open holds of one account: every copy of its balance carries them all."""


class AccountStatus(IntEnum):
    """What an account may do; the number is what the journal stores."""

    OPEN = 0
    FROZEN_DEBITS = 1
    FROZEN_ALL = 2
    CLOSED = 3

    @property
    def label(self) -> str:
        """The word used outside: "open", "frozen_debits", "frozen_all" or "closed"."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """One account after one of its events. Amounts are in minor units of its currency."""

    account_id: AccountId
    currency: str
    kind: AccountKind
    version: int
    booked: int
    held: int
    """Sum of the open holds."""
    open_holds: int
    """How many holds are open."""
    overdraft_limit: int | None
    """How far below zero booked minus held may go; None: without bound."""
    status: AccountStatus
    opened_on: date

    @property
    def available(self) -> int:
        """Booked minus held plus the overdraft limit; without a limit, booked minus held."""
        return self.booked - self.held + (self.overdraft_limit or 0)

    def can_pay(self, amount: int) -> bool:
        """Tells whether a debit of this positive amount leaves the account within its limit."""
        return self.overdraft_limit is None or amount <= self.available


class FreezeScope(StrEnum):
    """What a frozen account may not do: pay, or pay and be paid."""

    DEBITS = "debits"
    ALL = "all"

    @property
    def status(self) -> AccountStatus:
        """The status of an account that is frozen so."""
        return (
            AccountStatus.FROZEN_ALL if self is FreezeScope.ALL else AccountStatus.FROZEN_DEBITS
        )
