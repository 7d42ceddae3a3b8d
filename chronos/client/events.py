"""Events as the doors show them: the event's own members and its hash.

What only some types of events have is None for the others, and left out when written again.
"""

from __future__ import annotations

from datetime import date

import msgspec

from chronos.client.pages import Page


class EventMembers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event says, but for the name of its account. Amounts are minor units."""

    version: int
    event_id: str
    position: int
    type: str
    recorded_at: str
    value_date: date
    principal: str
    correlation_id: str
    causation_id: str
    schema_version: int
    currency: str
    metadata: dict[str, str]
    booked_after: int
    held_after: int
    available_after: int
    overdraft_limit_after: int | None
    status_after: int
    hash: str
    """Of the chain up to this event, SHA-256 in lower-case hexadecimal."""
    description: str | None = None
    kind: str | None = None
    external_id: str | None = None
    transfer_id: str | None = None
    leg: int | None = None
    legs: int | None = None
    amount: int | None = None
    """Signed effect on the booked balance."""
    counterparty: str | None = None
    reverses_transfer_id: str | None = None
    hold_id: str | None = None
    hold_amount: int | None = None
    captured_amount: int | None = None
    open_holds_after: int | None = None
    expires_at: str | None = None
    destination: str | None = None
    scope: str | None = None


class Event(EventMembers, frozen=True, kw_only=True):
    """An event as the journal and the live stream show it."""

    account_id: str


class Entry(EventMembers, frozen=True, kw_only=True):
    """An event as the history shows it."""

    account: str


class HistoryPage(Page[Entry], frozen=True, kw_only=True):
    """A page of an account's history, newest first; it holds all up to `version`."""

    account: str
    version: int
