"""What the bank of the bad requests has besides its accounts: holds, entries, ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.integration.api.running import wait_until
from tests.integration.api.wire import Door

EXPIRY_S = 0.2


def furnish(door: Door) -> None:
    """Makes one of everything that a request can be refused about."""
    _accounts(door)
    _transfers(door)
    _holds(door)
    _hold_that_expires(door)


def _accounts(door: Door) -> None:
    assert door.open_account("pos-eur", kind="position").status == 201
    for account_id in ("empty", "gone", "ice", "thrift", "reserved"):
        assert door.open_account(account_id).status == 201
    for account_id in ("ice", "thrift", "reserved"):
        assert door.transfer("bank", account_id, 100).status == 201
    door.made("/v1/accounts/gone/close", status=200)
    door.made("/v1/accounts/ice/freeze", status=200)
    door.made("/v1/accounts/thrift/freeze", {"scope": "debits"}, status=200)


def _transfers(door: Door) -> None:
    for transfer_id in ("t-plain", "t-reversed"):
        fields = {"from": "bank", "to": "alice", "amount": 1, "currency": "EUR"}
        door.made("/v1/transfers", {"id": transfer_id, **fields})
    door.made("/v1/transfers/t-reversed/reverse", {"transfer_id": "t-reversal"})


def _holds(door: Door) -> None:
    for hold_id, amount in (("h-open", 60), ("h-captured", 10), ("h-voided", 10)):
        _place(door, hold_id, amount)
    door.made("/v1/holds/h-captured/capture", {"to": "bob"}, status=200)
    door.made("/v1/holds/h-voided/void", status=200)


def _hold_that_expires(door: Door) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=EXPIRY_S)
    _place(door, "h-expired", 10, expires_at=soon.isoformat())

    def has_expired() -> bool:
        path = "/v1/holds/h-expired/capture?dry_run=true"
        return door.post(path, {"to": "bob"}).status == 409

    wait_until(has_expired, 20)


def _place(door: Door, hold_id: str, amount: int, **fields: object) -> None:
    hold = {"id": hold_id, "account": "reserved", "amount": amount, "currency": "EUR"}
    door.made("/v1/holds", {**hold, **fields})
