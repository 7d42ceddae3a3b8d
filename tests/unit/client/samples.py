"""Answers of every shape, as the server writes them."""

from __future__ import annotations

from typing import Any

TOUCHED = {"version": 7, "booked": 1, "held": 0, "available": 1}
RECEIPT = {"position": 9, "accounts": {"alice": TOUCHED}}
OPENED = {
    "id": "alice",
    "currency": "EUR",
    "kind": "customer",
    "status": "open",
    "overdraft_limit": 0,
    "external_id": None,
    "metadata": {},
    "opened_at": "2026-01-01T00:00:00.000000Z",
    "opened_on": "2026-01-01",
    **TOUCHED,
}
CHANGED = {
    "id": "alice",
    "currency": "EUR",
    "kind": "customer",
    "status": "frozen_all",
    "overdraft_limit": 0,
    "recorded_at": "2026-01-01T00:00:00.000000Z",
    **TOUCHED,
}
TRANSFER = {
    "id": "trf_1",
    "status": "booked",
    "position": 9,
    "recorded_at": "2026-01-01T00:00:00.000000Z",
    "value_date": "2026-01-01",
    "from": "alice",
    "to": "bob",
    "amount": 500,
    "currency": "EUR",
    "external_id": None,
    "description": None,
    "metadata": {},
    "reverses": None,
}
ENTRY = {
    **TRANSFER,
    "postings": [
        {"account": "alice", "amount": -500, "currency": "EUR"},
        {"account": "bob", "amount": 500, "currency": "EUR"},
    ],
}
HOLD = {
    "id": "hld_1",
    "status": "open",
    "account": "alice",
    "amount": 500,
    "currency": "EUR",
    "expires_at": None,
    "description": None,
    "metadata": {},
    "placed_at": "2026-01-01T00:00:00.000000Z",
    "recorded_at": "2026-01-01T00:00:00.000000Z",
    "captured_amount": None,
    "to": None,
    "transfer_id": None,
    "ended_at": None,
}
ENDED = {
    "id": "hld_1",
    "status": "voided",
    "account": "alice",
    "amount": 500,
    "currency": "EUR",
    "recorded_at": "2026-01-01T00:00:00.000000Z",
    "captured_amount": None,
    "to": None,
    "transfer_id": None,
    "ended_at": "2026-01-01T00:00:00.000000Z",
}
BALANCE = {
    "account": "alice",
    "currency": "EUR",
    "as_of": "2026-01-01T00:00:00.000000Z",
    "source": "journal",
    **TOUCHED,
}
STATEMENT = {
    "account": "alice",
    "currency": "EUR",
    "time_zone": "UTC",
    "from": "2026-01-01T00:00:00.000000Z",
    "to": "2026-02-01T00:00:00.000000Z",
    "final": True,
    "opening_balance": 0,
    "opening_version": 1,
    "lines": [],
    "closing_balance": 0,
    "closing_version": 1,
    "page": {"next": None, "has_more": False},
}
TRIAL_BALANCE = {"at": "", "final": True, "balanced": True, "totals": {}, "lines": []}
EMPTY_PAGE: dict[str, Any] = {"data": [], "page": {"next": None, "has_more": False}}


def event(version: int, **members: Any) -> dict[str, Any]:
    """Gives an event of alice as the journal shows it."""
    return {
        "account_id": "alice",
        "version": version,
        "event_id": f"event-{version}",
        "position": version,
        "type": "MoneyDeposited",
        "recorded_at": "2026-01-01T00:00:00.000000Z",
        "value_date": "2026-01-01",
        "principal": "tests",
        "correlation_id": "r",
        "causation_id": "k",
        "schema_version": 2,
        "currency": "EUR",
        "metadata": {},
        "booked_after": 1,
        "held_after": 0,
        "available_after": 1,
        "overdraft_limit_after": 0,
        "status_after": 0,
        "hash": "00" * 32,
        **members,
    }
