"""Commands: what somebody wants to happen. Each is checked for shape before it gets here.

`expected_versions` names the version that an account must have for the command to be granted;
empty, or None for the one account of a verb: any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from chronos.domain.account import FreezeScope
from chronos.domain.chart import AccountKind
from chronos.domain.ids import AccountId, HoldId, TransferId


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
    opened_on: date | None = None
    """The day from which the account counts as open; None: the booking date."""


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
    external_id: str | None = None
    """What another system calls it; not unique."""


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of a journal entry: a credit is positive, a debit negative."""

    account_id: AccountId
    amount: int
    """Minor units, not zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostEntries:
    """Asks for one journal entry of several postings in one currency, which sum to zero."""

    transfer_id: TransferId
    postings: tuple[Posting, ...]
    currency: str
    description: str | None
    value_date: date | None
    metadata: Mapping[str, str]
    expected_versions: Mapping[AccountId, int]
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeFunds:
    """Asks to sell an amount of one currency for an amount of another.

    The bank stands between: its position account of each currency takes the other side.
    """

    transfer_id: TransferId
    source: AccountId
    destination: AccountId
    sell_amount: int
    """Leaves the source, minor units of its currency."""
    buy_amount: int
    """Comes to the destination, minor units of its currency."""
    sell_currency: str | None
    """The currency that the sender believes the source to have; None: unsaid."""
    buy_currency: str | None
    sell_positions: tuple[AccountId, ...]
    """The bank's position accounts in the source's currency; the first that is there serves."""
    buy_positions: tuple[AccountId, ...]
    description: str | None
    value_date: date | None
    metadata: Mapping[str, str]
    expected_versions: Mapping[AccountId, int]
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseTransfer:
    """Asks for a new journal entry with the sides of an earlier one swapped."""

    transfer_id: TransferId
    """Of the reversal."""
    reverses: TransferId
    description: str | None
    value_date: date | None
    metadata: Mapping[str, str]
    expected_versions: Mapping[AccountId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold:
    """Asks to reserve an amount of an account, so that nothing else can spend it."""

    hold_id: HoldId
    account_id: AccountId
    amount: int
    currency: str
    expires_at: datetime | None
    """UTC; None: never by itself."""
    description: str | None
    metadata: Mapping[str, str]
    expected_versions: Mapping[AccountId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureHold:
    """Asks to move up to the held amount to the destination; the rest is available again."""

    hold_id: HoldId
    transfer_id: TransferId
    destination: AccountId
    amount: int | None
    """None: all of the hold."""
    description: str | None
    value_date: date | None
    metadata: Mapping[str, str]
    expected_versions: Mapping[AccountId, int]
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidHold:
    """Asks to end a hold without moving anything."""

    hold_id: HoldId
    description: str | None
    expected_versions: Mapping[AccountId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireHold:
    """Asks to end a hold whose time has come; sent by the expiry agent alone."""

    hold_id: HoldId


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOverdraftLimit:
    """Asks for another overdraft limit."""

    account_id: AccountId
    overdraft_limit: int | None
    """Minor units, at least 0; None: the default of the kind (customer 0, others unbounded)."""
    description: str | None
    expected_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeAccount:
    """Asks that an account may not pay, or neither pay nor be paid."""

    account_id: AccountId
    scope: FreezeScope
    description: str | None
    expected_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfreezeAccount:
    """Asks that a frozen account may pay and be paid again."""

    account_id: AccountId
    description: str | None
    expected_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAccount:
    """Asks to close an empty account for good."""

    account_id: AccountId
    description: str | None
    expected_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotateAccount:
    """Asks for other metadata of an account, in place of all that it has."""

    account_id: AccountId
    metadata: Mapping[str, str]
    description: str | None
    expected_version: int | None


AccountVerb = (
    SetOverdraftLimit | FreezeAccount | UnfreezeAccount | CloseAccount | AnnotateAccount
)
EntryCommand = TransferFunds | PostEntries | ExchangeFunds | ReverseTransfer
HoldCommand = PlaceHold | CaptureHold | VoidHold | ExpireHold
Command = OpenAccount | EntryCommand | HoldCommand | AccountVerb
