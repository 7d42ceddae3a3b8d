"""Accounts with a long history, booked by the core and put into the journal in bulk.

Every account has the same traffic and another age: the long one is old, not busy. Each has its
own settlement account, whose history is as long. The last transfer is recorded a minute ago.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from zoneinfo import ZoneInfo

from chronos.clock import SystemIds
from chronos.domain.chart import AccountKind
from chronos.domain.commands import OpenAccount, TransferFunds
from chronos.domain.evolve import evolve
from chronos.domain.ids import AccountId, TransferId
from chronos.ledger.booking import Bookkeeper
from chronos.store.bulk import Bulk
from chronos.wire.booking import AccountRow, Attempt, EventRow, Found, Head
from chronos.wire.codec import decode_event
from chronos.wire.topics import Names

CURRENCY: Final = "EUR"
EVENTS_A_DAY: Final = 1000
TRANSFERS_AT_ONCE: Final = 20
"""In one transaction, as a group commit has them."""
ROWS_AT_ONCE: Final = 20_000
OPENED_BEFORE: Final = timedelta(days=2)
_LAST_BEFORE: Final = timedelta(minutes=1)
_ZONE: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class LongAccount:
    """An account, and what its reads must answer."""

    account_id: str
    events: int
    first_at: datetime
    """Of its first transfer."""
    last_at: datetime
    booked: int


async def fill(
    bulk: Bulk, lengths: Sequence[int], *, now: datetime, say: Callable[[str], None]
) -> tuple[LongAccount, ...]:
    """Makes one account of each length.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    writer = _Writer(bulk, await bulk.first_position())
    accounts = []
    for length in lengths:
        say(f"filling an account with {length:,} events …")
        accounts.append(await writer.fill(length, now))
    await bulk.settle(writer.next_position)
    return tuple(accounts)


class _Writer:
    """Books, keeps the heads, and hands over rows by the thousand."""

    def __init__(self, bulk: Bulk, first_position: int):
        self.next_position = first_position
        self._bulk = bulk
        self._keeper = Bookkeeper(
            ids=SystemIds(), names=Names("bench"), partitions=1, shards=1, zone=_ZONE
        )
        self._heads: dict[AccountId, Head] = {}
        self._accounts: list[AccountRow] = []
        self._events: list[EventRow] = []

    async def fill(self, length: int, now: datetime) -> LongAccount:
        account_id = AccountId(f"bench.{length}")
        settlement = AccountId(f"bench.{length}.settlement")
        self._heads = {}  # Those of another account would hold this one's time to theirs.
        transfers = length - 1
        last_at = now - _LAST_BEFORE
        gap = timedelta(days=1) / EVENTS_A_DAY
        first_at = last_at - gap * transfers
        self._book(
            first_at - OPENED_BEFORE,
            [
                _opening(account_id, AccountKind.CUSTOMER),
                _opening(settlement, AccountKind.SETTLEMENT),
            ],
        )
        for start in range(0, transfers, TRANSFERS_AT_ONCE):
            numbers = range(start, min(start + TRANSFERS_AT_ONCE, transfers))
            moment = first_at + gap * start
            self._book(moment, list(_transfers(account_id, settlement, numbers)))
            if len(self._events) >= ROWS_AT_ONCE:
                await self._flush()
        await self._flush()
        head = self._heads[account_id]
        return LongAccount(
            account_id=account_id,
            events=head.state.version,
            first_at=first_at,
            last_at=last_at,
            booked=head.state.booked,
        )

    def _book(self, now: datetime, commands: Sequence[OpenAccount | TransferFunds]) -> None:
        positions = range(self.next_position, self.next_position + 2 * len(commands))
        found = Found(
            heads=self._heads,
            transfers=frozenset(),
            external_ids={},
            holds={},
            entries={},
            receipts={},
            busy_keys=frozenset(),
            now=now,
            positions=tuple(positions),
        )
        booked = self._keeper.book([_attempt(command) for command in commands], found)
        self.next_position = positions.stop
        self._accounts += booked.account_rows
        self._events += booked.event_rows
        heads = dict(self._heads)
        for row in booked.event_rows:
            account_id = AccountId(row.account_id)
            before = heads.get(account_id)
            event = decode_event(row.body).event
            state = evolve(None if before is None else before.state, event)
            heads[account_id] = Head(state=state, hash=row.hash, recorded_at=row.recorded_at)
        self._heads = heads

    async def _flush(self) -> None:
        await self._bulk.insert(self._accounts, self._events)
        self._accounts, self._events = [], []


def _opening(account_id: AccountId, kind: AccountKind) -> OpenAccount:
    return OpenAccount(
        account_id=account_id,
        currency=CURRENCY,
        kind=kind,
        overdraft_limit=None,
        external_id=None,
        metadata={},
    )


def _transfers(
    account_id: AccountId, settlement: AccountId, numbers: Sequence[int]
) -> Iterator[TransferFunds]:
    """Makes two deposits, then a withdrawal that they cover, and so on."""
    for number in numbers:
        pays_in = number % 3 != 2
        source, destination = (settlement, account_id) if pays_in else (account_id, settlement)
        yield TransferFunds(
            transfer_id=TransferId(f"{account_id}.{number}"),
            source=source,
            destination=destination,
            amount=100 + number % 100,
            currency=CURRENCY,
            description=f"Transfer {number} of the measurement",
            value_date=None,
            metadata={},
            expected_versions={},
        )


def _attempt(command: OpenAccount | TransferFunds) -> Attempt:
    name = command.account_id if isinstance(command, OpenAccount) else command.transfer_id
    return Attempt(
        command=command,
        principal="bench",
        idempotency_key=name,
        request_hash=sha256(name.encode()).digest(),
        request_id="req_bench",
        traceparent="",
        instance="",
    )
