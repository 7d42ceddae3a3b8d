"""A bank whose holds expire, and what its journal, its receipts and Kafka say of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from chronos.domain.account import FreezeScope
from chronos.domain.chart import AccountKind
from chronos.domain.commands import CaptureHold, Command, FreezeAccount, PlaceHold
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.ledger.service import Ledger
from chronos.settings import Settings
from chronos.stream.topic_reader import open_topic
from chronos.wire.receipt import Receipt
from chronos.wire.topics import Names
from tests.builders import attempt, open_account
from tests.integration.relay.harness import RelayProcess

ENDS = """
SELECT hold_id, array_agg(type ORDER BY position) AS types
FROM events
WHERE type IN ('HoldCaptured', 'HoldVoided', 'HoldExpired')
GROUP BY hold_id
"""
LAST = """
SELECT version, held_after, open_holds_after
FROM events
WHERE account_id = $1
ORDER BY version DESC
LIMIT 1
"""


@dataclass
class HoldBank:
    """Sends commands as clients do, and looks at the journal as its owner may."""

    ledger: Ledger
    owner: asyncpg.Connection
    _keys: itertools.count[int] = field(default_factory=itertools.count)

    async def open(self) -> None:
        """Opens `shop`, and `alice`, who may go below zero without bound."""
        await self.granted(open_account("alice", kind=AccountKind.SETTLEMENT))
        await self.granted(open_account("shop"))

    async def send(self, command: Command) -> Receipt:
        return await self.ledger.execute(attempt(command, f"key-{next(self._keys)}"))

    async def granted(self, command: Command) -> None:
        receipt = await self.send(command)
        assert receipt.status < 400, receipt.body

    async def in_s(self, seconds: float) -> datetime:
        """The instant that comes so many seconds from now, by PostgreSQL's clock."""
        now = await self.owner.fetchval("SELECT clock_timestamp()")
        return now + timedelta(seconds=seconds)

    async def place(self, hold_id: str, expires_at: datetime, account: str = "alice") -> None:
        await self.granted(
            PlaceHold(
                hold_id=HoldId(hold_id),
                account_id=AccountId(account),
                amount=5,
                currency="EUR",
                expires_at=expires_at,
                description=None,
                metadata={},
                expected_versions={},
            )
        )

    async def capture(self, hold_id: str) -> Receipt:
        return await self.send(
            CaptureHold(
                hold_id=HoldId(hold_id),
                transfer_id=TransferId(f"trf_{hold_id}"),
                destination=AccountId("shop"),
                amount=None,
                description=None,
                value_date=None,
                metadata={},
                expected_versions={},
            )
        )

    async def freeze(self, account: str) -> None:
        await self.granted(
            FreezeAccount(
                account_id=AccountId(account),
                scope=FreezeScope.ALL,
                description=None,
                expected_version=None,
            )
        )

    async def ends(self) -> dict[str, Sequence[str]]:
        """How each ended hold ended: the types of its ends."""
        return {row["hold_id"]: row["types"] for row in await self.owner.fetch(ENDS)}

    async def has_expired(self, *hold_ids: str) -> bool:
        ends = await self.ends()
        return all(ends.get(hold_id) == ["HoldExpired"] for hold_id in hold_ids)

    async def held(self, account: str = "alice") -> tuple[int, int]:
        """Sum and number of the account's open holds."""
        row = await self.owner.fetchrow(LAST, account)
        return row["held_after"], row["open_holds_after"]

    async def is_past(self, instant: datetime) -> bool:
        return await self.owner.fetchval("SELECT clock_timestamp() >= $1::timestamptz", instant)

    async def receipts_of_chronos(self) -> dict[str, int]:
        """Key and status of what Chronos itself has sent."""
        rows = await self.owner.fetch(
            "SELECT idempotency_key, status FROM receipts WHERE principal = 'chronos'"
        )
        return {row["idempotency_key"]: row["status"] for row in rows}


async def expiry_state(process: RelayProcess) -> str:
    """What a relay says of the expiry of holds; empty when it does not answer."""
    status, text = await process.get("/readyz")
    return json.loads(text)["stores"]["hold_expiry"] if status else ""


async def expired_in_kafka(settings: Settings) -> list[dict[str, Any]]:
    """The bodies of all HoldExpired on the events topic, each with its traceparent."""
    found = []
    async with open_topic(settings.kafka, Names(settings.namespace).events) as reader:
        async for page in reader.pages_until(await reader.end_offsets()):
            for record in page:
                if record.header("ce_type") == "HoldExpired":
                    body = msgspec.json.decode(record.value)
                    found.append({**body, "traceparent": record.header("traceparent")})
    return found
