"""Holds: money reserved, not yet moved. Placed once; ended once, by capture, void or expiry.

A decision looks at the hold's own events and at the head of its account, which carries the sum
and the number of the open holds: what it costs does not grow with either.
"""

from __future__ import annotations

from collections.abc import Mapping

from chronos.domain import checks
from chronos.domain.account import HOLDS_MAX, AccountState
from chronos.domain.after import hold_after
from chronos.domain.commands import CaptureHold, ExpireHold, PlaceHold, VoidHold
from chronos.domain.entry import Entry, Leg, book
from chronos.domain.events import HoldCaptured, HoldExpired, HoldPlaced, HoldVoided
from chronos.domain.evolve import evolve
from chronos.domain.ids import AccountId, HoldId
from chronos.domain.money import balances_fit, within_bounds
from chronos.domain.rejections import Rejected, RejectionCode
from chronos.domain.states import Accepted, HoldState, HoldStatus, States


def decide_place(states: States, command: PlaceHold) -> Accepted | Rejected:
    """Reserves the amount if the account may pay and has it available."""
    account = states.accounts.get(command.account_id)
    if account is None:
        return checks.not_found(command.account_id, "/account")
    refused = _unfit(states, command, account) or _unaffordable(command, account)
    if refused is not None:
        return refused
    placed = HoldPlaced(
        **hold_after(
            account, command.hold_id, command.amount, placed=True, on=states.booking_date
        ),
        description=command.description,
        metadata=command.metadata,
        expires_at=command.expires_at,
    )
    return Accepted(events=(placed,))


def decide_capture(states: States, command: CaptureHold) -> Accepted | Rejected:
    """Ends the hold and moves up to its amount to the destination."""
    found = _open_hold(states, command.hold_id)
    if isinstance(found, Rejected):
        return found
    hold, account = found
    if hold.expires_at is not None and hold.expires_at <= states.recorded_at:
        return _not_open(hold.hold_id, "has expired")
    amount = hold.amount if command.amount is None else command.amount
    if amount > hold.amount:
        return Rejected(
            code=RejectionCode.CAPTURE_EXCEEDS_HOLD,
            detail=f"Hold {hold.hold_id} reserves {hold.amount} minor units, the capture asks "
            f"for {amount}.",
            pointer="/amount",
        )
    if command.destination == account.account_id:
        return Rejected(
            code=RejectionCode.SAME_ACCOUNT,
            detail=f"The capture pays account {account.account_id} from itself.",
            pointer="/to",
        )
    captured = HoldCaptured(
        **hold_after(account, hold.hold_id, hold.amount, placed=False, on=states.booking_date),
        description=command.description,
        metadata={},
        captured_amount=amount,
        transfer_id=command.transfer_id,
        destination=command.destination,
    )
    accounts = {**_destination(states, command), account.account_id: evolve(account, captured)}
    booked = book(_capture_entry(command, account, amount), states, accounts)
    return booked if isinstance(booked, Rejected) else Accepted(events=(captured, *booked))


def decide_void(states: States, command: VoidHold) -> Accepted | Rejected:
    """Ends the hold; nothing moves. Also an expired hold that nobody has ended yet."""
    found = _open_hold(states, command.hold_id)
    if isinstance(found, Rejected):
        return found
    hold, account = found
    refused = checks.wrong_versions(command.expected_versions, {hold.account_id: account})
    if refused is not None:
        return refused
    voided = HoldVoided(
        **hold_after(account, hold.hold_id, hold.amount, placed=False, on=states.booking_date),
        description=command.description,
        metadata={},
    )
    return Accepted(events=(voided,))


def decide_expire(states: States, command: ExpireHold) -> Accepted | Rejected:
    """Ends the hold if its time has come; nothing moves."""
    found = _open_hold(states, command.hold_id)
    if isinstance(found, Rejected):
        return found
    hold, account = found
    if hold.expires_at is None or hold.expires_at > states.recorded_at:
        return Rejected(
            code=RejectionCode.DATE_INVALID,
            detail=f"Hold {hold.hold_id} expires at {hold.expires_at}, it is "
            f"{states.recorded_at}.",
        )
    expired = HoldExpired(
        **hold_after(account, hold.hold_id, hold.amount, placed=False, on=states.booking_date),
        description=None,
        metadata={},
    )
    return Accepted(events=(expired,))


def _unfit(states: States, command: PlaceHold, account: AccountState) -> Rejected | None:
    refused = checks.wrong_currency(account, command.currency, "/account")
    if refused is not None:
        return refused
    if command.expires_at is not None and command.expires_at <= states.recorded_at:
        return checks.date_refused(
            f"The hold would expire at {command.expires_at}, which is not after "
            f"{states.recorded_at}.",
            "/expires_at",
        )
    if command.hold_id in states.holds:
        return Rejected(
            code=RejectionCode.HOLD_EXISTS,
            detail=f"Hold {command.hold_id} exists already.",
            pointer="/id",
        )
    return checks.wrong_versions(command.expected_versions, {account.account_id: account})


def _unaffordable(command: PlaceHold, account: AccountState) -> Rejected | None:
    refused = checks.forbidden(account, paying=True)
    if refused is not None:
        return refused
    if account.open_holds >= HOLDS_MAX:
        return Rejected(
            code=RejectionCode.TOO_MANY_HOLDS,
            detail=f"Account {account.account_id} has {account.open_holds} open holds, "
            f"{HOLDS_MAX} at most.",
        )
    if not account.can_pay(command.amount):
        return checks.insufficient(account, command.amount, "/amount")
    held = account.held + command.amount
    if not (
        within_bounds(held) and balances_fit(account.booked, held, account.overdraft_limit)
    ):
        return checks.balance_limit(account.account_id, "/amount")
    return None


def _open_hold(states: States, hold_id: HoldId) -> tuple[HoldState, AccountState] | Rejected:
    hold = states.holds.get(hold_id)
    # An account that is not there was not known when the locks were taken: the hold is newer.
    account = None if hold is None else states.accounts.get(hold.account_id)
    if hold is None or account is None:
        return Rejected(
            code=RejectionCode.HOLD_NOT_FOUND,
            detail=f"There is no hold {hold_id}.",
            in_path=True,
        )
    if hold.status is not HoldStatus.OPEN:
        return _not_open(hold_id, f"is {hold.status.value}")
    return hold, account


def _not_open(hold_id: HoldId, how: str) -> Rejected:
    return Rejected(
        code=RejectionCode.HOLD_NOT_OPEN, detail=f"Hold {hold_id} {how}; it is not open."
    )


def _capture_entry(command: CaptureHold, account: AccountState, amount: int) -> Entry:
    payer, payee = account.account_id, command.destination
    return Entry(
        transfer_id=command.transfer_id,
        legs=(
            Leg(payer, -amount, account.currency, payee, None, "/amount"),
            Leg(payee, amount, account.currency, payer, "/to", "/amount"),
        ),
        description=command.description,
        value_date=command.value_date,
        metadata=command.metadata,
        expected_versions=command.expected_versions,
        external_id=command.external_id,
        id_pointer="/transfer_id",
    )


def _destination(states: States, command: CaptureHold) -> Mapping[AccountId, AccountState]:
    destination = states.accounts.get(command.destination)
    return {} if destination is None else {command.destination: destination}
