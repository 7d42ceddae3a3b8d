"""Journal entries as the index has them, written posting by posting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec

from chronos.mirror.entries import Entry
from chronos.wire.codec import format_instant
from chronos.wire.event_shapes import SCHEMA_VERSIONS

NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
Line = tuple[str, int, str]
_encoder = msgspec.json.Encoder(order="sorted")


class Journal:
    """Numbers events as a journal does: positions grow, versions have no gaps."""

    def __init__(self) -> None:
        self._positions: Iterator[int] = count(1)
        self._versions: dict[str, int] = {}
        self.written: list[Entry] = []

    def pay(
        self, transfer_id: str, source: str, to: str, amount: int, **said: Any
    ) -> list[Entry]:
        """Writes a transfer."""
        lines = ((source, -amount, "EUR"), (to, amount, "EUR"))
        return self.post(transfer_id, lines, **said)

    def post(self, transfer_id: str, lines: Sequence[Line], **said: Any) -> list[Entry]:
        """Writes a journal entry; two postings name each other, more name nobody."""
        pair = [line[0] for line in lines] if len(lines) == 2 else []
        return [
            self.event(
                account,
                "MoneyDeposited" if amount > 0 else "MoneyWithdrawn",
                transfer_id=transfer_id,
                leg=leg,
                legs=len(lines),
                amount=amount,
                currency=currency,
                counterparty=pair[1 - leg] if pair else None,
                **said,
            )
            for leg, (account, amount, currency) in enumerate(lines)
        ]

    def exchange(self, transfer_id: str, sold: int, bought: int) -> list[Entry]:
        """Writes an exchange of euros of alice for dollars of bob."""
        lines = [
            ("alice", -sold, "EUR", "bob"),
            ("pos:EUR", sold, "EUR", "alice"),
            ("pos:USD", -bought, "USD", "bob"),
            ("bob", bought, "USD", "alice"),
        ]
        return [
            self.event(
                account,
                "MoneyDeposited" if amount > 0 else "MoneyWithdrawn",
                transfer_id=transfer_id,
                leg=leg,
                legs=len(lines),
                amount=amount,
                currency=currency,
                counterparty=counterparty,
            )
            for leg, (account, amount, currency, counterparty) in enumerate(lines)
        ]

    def event(self, account: str, kind: str, /, **said: Any) -> Entry:
        """Writes one event."""
        position = next(self._positions)
        version = self._versions[account] = self._versions.get(account, 0) + 1
        recorded_at = said.pop("recorded_at", NOON)
        body = dict(_COMMON)
        if kind == "AccountOpened":
            del body["description"]
        if kind in ("MoneyDeposited", "MoneyWithdrawn"):
            body |= {"reverses_transfer_id": None, "external_id": None, "legs": 2}
        body |= {
            "account_id": account,
            "event_id": f"00000000-0000-7000-8000-{position:012x}",
            "position": position,
            "recorded_at": format_instant(recorded_at),
            "schema_version": SCHEMA_VERSIONS[kind],
            "type": kind,
            "version": version,
            **said,
        }
        return Entry(
            event_id=body["event_id"],
            account_id=account,
            version=version,
            recorded_at=recorded_at,
            body=_encoder.encode(body),
            digest=position.to_bytes(32),
        )


_COMMON: dict[str, Any] = {
    "available_after": 0,
    "booked_after": 0,
    "causation_id": "key",
    "correlation_id": "req",
    "currency": "EUR",
    "description": None,
    "held_after": 0,
    "metadata": {},
    "overdraft_limit_after": 0,
    "principal": "tester",
    "status_after": 0,
    "value_date": "2026-03-02",
}
