"""The bank on which a document is tried: it has what the document's examples speak of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from chronos.domain.checks import VALUE_DATE_BACK_MAX
from tests.integration.api.wire import Door

PLENTY = 10**12
OF_EACH = 20


def furnish(door: Door) -> None:
    """Opens accounts in three currencies, with money, entries and open holds."""
    for currency in ("EUR", "USD", "JPY"):
        code = currency.lower()
        _open(door, f"bank-{code}", currency, kind="settlement")
        _open(door, f"position-{code}", currency, kind="position")
    for account_id in ("alice", "bob", "carol", "dora"):
        _open(door, account_id, "EUR")
        _pay(door, "bank-eur", account_id, PLENTY)
    for number in range(OF_EACH):
        _open(door, f"spare-{number}", "EUR")
    _open(door, "alice-usd", "USD")
    _open(door, "yen", "JPY")
    _pay(door, "bank-eur", "alice", 1, id="trf_01kjqyx7t9c3v")
    _hold(door, "hld_01kjqyz2m4e8w")
    _hold(door, "hld_01kjqyz9x6b5t")
    for number in range(OF_EACH):
        _pay(door, "alice", "bob", 1, id=f"transfer-{number}")
        _hold(door, f"hold-{number}")


def _open(door: Door, account_id: str, currency: str, **fields: Any) -> None:
    """Opens an account so long ago that the examples' dates lie after it."""
    day = datetime.now(UTC).date() - VALUE_DATE_BACK_MAX + timedelta(days=1)
    answer = door.open_account(account_id, currency, opened_on=str(day), **fields)
    assert answer.status == 201, answer.json


def _pay(door: Door, source: str, to: str, amount: int, **fields: Any) -> None:
    body = {"from": source, "to": to, "amount": amount, "currency": "EUR"}
    door.made("/v1/transfers", {**body, **fields})


def _hold(door: Door, hold_id: str) -> None:
    body = {"id": hold_id, "account": "alice", "amount": 100_000, "currency": "EUR"}
    door.made("/v1/holds", body)
