"""The life of an account: opening, limit, freeze, unfreeze, close, annotate."""

from __future__ import annotations

from typing import assert_never

from chronos.domain import checks
from chronos.domain.account import AccountState, AccountStatus
from chronos.domain.after import unchanged, with_limit, with_status
from chronos.domain.chart import CHART, AccountKind
from chronos.domain.commands import (
    AccountVerb,
    AnnotateAccount,
    CloseAccount,
    FreezeAccount,
    OpenAccount,
    SetOverdraftLimit,
    UnfreezeAccount,
)
from chronos.domain.events import (
    AccountAnnotated,
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountUnfrozen,
    Event,
    OverdraftLimitSet,
)
from chronos.domain.money import balances_fit
from chronos.domain.rejections import Rejected, RejectionCode
from chronos.domain.states import Accepted, States


def decide_open(states: States, command: OpenAccount) -> Accepted | Rejected:
    """Opens an account unless its id, or its external id, names one already."""
    if command.account_id in states.accounts:
        return Rejected(
            code=RejectionCode.ACCOUNT_EXISTS,
            detail=f"Account {command.account_id} exists already.",
            pointer="/id",
        )
    owner = (
        None if command.external_id is None else states.external_ids.get(command.external_id)
    )
    if owner is not None:
        return Rejected(
            code=RejectionCode.EXTERNAL_ID_EXISTS,
            detail=f"External id {command.external_id} belongs to account {owner}.",
            pointer="/external_id",
        )
    opened_on = command.opened_on or states.booking_date
    earliest = states.booking_date - checks.VALUE_DATE_BACK_MAX
    if not earliest <= opened_on <= states.booking_date:
        return checks.date_refused(
            f"An account opens between {earliest} and {states.booking_date}, "
            f"not on {opened_on}.",
            "/opened_on",
        )
    opened = AccountOpened(
        account_id=command.account_id,
        version=1,
        currency=command.currency,
        kind=command.kind,
        overdraft_limit=_limit(command.overdraft_limit, command.kind),
        external_id=command.external_id,
        metadata=command.metadata,
        value_date=opened_on,
    )
    return Accepted(events=(opened,))


def decide_verb(states: States, command: AccountVerb) -> Accepted | Rejected:
    """Does what the verb asks to the one account that it names."""
    account = states.accounts.get(command.account_id)
    if account is None:
        return checks.not_found(command.account_id, None, in_path=True)
    expected = command.expected_version
    if expected is not None and account.version != expected:
        return checks.version_conflict(account, expected, None)
    refused = checks.closed(account)
    if refused is not None:
        return refused
    outcome = _done(states, command, account)
    return outcome if isinstance(outcome, Rejected) else Accepted(events=(outcome,))


def _done(states: States, command: AccountVerb, account: AccountState) -> Event | Rejected:
    match command:
        case SetOverdraftLimit():
            return _limited(states, command, account)
        case FreezeAccount():
            return _frozen(states, command, account)
        case UnfreezeAccount():
            return _unfrozen(states, command, account)
        case CloseAccount():
            return _closed(states, command, account)
        case AnnotateAccount():
            return AccountAnnotated(
                **unchanged(account, on=states.booking_date),
                description=command.description,
                metadata=command.metadata,
            )
        case _:
            assert_never(command)


def _limited(
    states: States, command: SetOverdraftLimit, account: AccountState
) -> OverdraftLimitSet | Rejected:
    limit = _limit(command.overdraft_limit, account.kind)
    free = account.booked - account.held
    if limit is not None and free + limit < 0:
        return Rejected(
            code=RejectionCode.INSUFFICIENT_FUNDS,
            detail=f"Account {account.account_id} is at {free} minor units of "
            f"{account.currency} after its holds; a limit of {limit} is too low for that.",
            pointer="/overdraft_limit",
        )
    if not balances_fit(account.booked, account.held, limit):
        return checks.balance_limit(account.account_id, "/overdraft_limit")
    return OverdraftLimitSet(
        **with_limit(account, limit, on=states.booking_date),
        description=command.description,
        metadata={},
    )


def _frozen(
    states: States, command: FreezeAccount, account: AccountState
) -> AccountFrozen | Rejected:
    status = command.scope.status
    if account.status is status:
        return Rejected(
            code=RejectionCode.ACCOUNT_FROZEN,
            detail=f"Account {account.account_id} is frozen so already ({status.label}).",
        )
    return AccountFrozen(
        **with_status(account, status, on=states.booking_date),
        description=command.description,
        metadata={},
        scope=command.scope,
    )


def _unfrozen(
    states: States, command: UnfreezeAccount, account: AccountState
) -> AccountUnfrozen | Rejected:
    if account.status is AccountStatus.OPEN:
        return Rejected(
            code=RejectionCode.ACCOUNT_NOT_FROZEN,
            detail=f"Account {account.account_id} is not frozen.",
        )
    return AccountUnfrozen(
        **with_status(account, AccountStatus.OPEN, on=states.booking_date),
        description=command.description,
        metadata={},
    )


def _closed(
    states: States, command: CloseAccount, account: AccountState
) -> AccountClosed | Rejected:
    if account.open_holds:
        return Rejected(
            code=RejectionCode.HOLDS_OPEN,
            detail=f"Account {account.account_id} has {account.open_holds} open holds.",
        )
    if account.booked:
        return Rejected(
            code=RejectionCode.BALANCE_NOT_ZERO,
            detail=f"Account {account.account_id} has a booked balance of {account.booked} "
            f"minor units of {account.currency}.",
        )
    return AccountClosed(
        **with_status(account, AccountStatus.CLOSED, on=states.booking_date),
        description=command.description,
        metadata={},
    )


def _limit(asked: int | None, kind: AccountKind) -> int | None:
    return 0 if asked is None and CHART[kind].bounded else asked
