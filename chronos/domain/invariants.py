"""What must hold between one event and the state before it; used by every reader of history."""

from __future__ import annotations

from chronos.domain.account import AccountState
from chronos.domain.events import (
    AccountChanged,
    AccountOpened,
    Event,
    HoldChanged,
    HoldPlaced,
    MoneyMoved,
    OverdraftLimitSet,
)
from chronos.domain.evolve import evolve
from chronos.domain.money import within_bounds


def violation(before: AccountState | None, event: Event) -> str | None:
    """Tells which rule an event breaks after the state before it, or None.

    Returns:
        One sentence with the values that disagree.
    """
    expected_version = 1 if before is None else before.version + 1
    if event.version != expected_version:
        return f"version {event.version} follows version {expected_version - 1}"
    if (before is None) != isinstance(event, AccountOpened):
        return f"{type(event).__name__} at version {event.version}"
    if isinstance(event, AccountOpened):
        return None
    after = evolve(before, event)
    return _stored_differs(after, event) or _holds_differ(after, event) or _beyond(after, event)


def _stored_differs(after: AccountState, event: AccountChanged) -> str | None:
    stored = (
        event.booked_after,
        event.held_after,
        event.available_after,
        event.overdraft_limit_after,
        event.status_after,
    )
    folded = (after.booked, after.held, after.available, after.overdraft_limit, after.status)
    if stored == folded:
        return None
    return (
        "stored booked, held, available, overdraft limit and status "
        f"{stored} differ from the folded {folded}"
    )


def _holds_differ(after: AccountState, event: AccountChanged) -> str | None:
    if after.held < 0 or after.open_holds < 0:
        return f"{after.held} is held in {after.open_holds} holds"
    if not isinstance(event, HoldChanged) or event.open_holds_after == after.open_holds:
        return None
    return f"{event.open_holds_after} open holds stored, {after.open_holds} folded"


def _beyond(after: AccountState, event: AccountChanged) -> str | None:
    if not within_bounds(after.booked):
        return f"booked balance {after.booked} is beyond the greatest balance"
    if after.overdraft_limit is None or after.available >= 0:
        return None
    if isinstance(event, MoneyMoved):
        takes = event.amount < 0
    else:
        takes = isinstance(event, HoldPlaced | OverdraftLimitSet)
    if not takes:
        return None
    return f"available balance {after.available} is below zero after {type(event).__name__}"
