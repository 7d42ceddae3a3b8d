"""What must hold between one event and the state before it; used by every reader of history."""

from __future__ import annotations

from chronos.domain.account import AccountState
from chronos.domain.events import AccountOpened, Event, MoneyMoved
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
    return _stored_differs(after, event) or _beyond_bounds(after, event)


def _stored_differs(after: AccountState, event: MoneyMoved) -> str | None:
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


def _beyond_bounds(after: AccountState, event: MoneyMoved) -> str | None:
    if not within_bounds(after.booked):
        return f"booked balance {after.booked} is beyond the greatest balance"
    if event.amount < 0 and after.overdraft_limit is not None and after.available < 0:
        return f"available balance {after.available} is below zero after a debit"
    return None
