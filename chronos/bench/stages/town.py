"""Many accounts with a short history each, booked by the core and put into the journal in bulk.

Phases: open the accounts, then move money among them. The first transfers bring each account
in turn its funds from one settlement account; the others go between two accounts by chance, so
that a worker finds the accounts in no order. The rows of the outbox are written too when they
are asked for: then the relay publishes what was filled as it publishes what was commanded.

Bounds: the heads of all accounts are in memory, half a kilobyte each.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from chronos.clock import SystemIds
from chronos.domain.account import AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.commands import OpenAccount, TransferFunds
from chronos.domain.evolve import evolve
from chronos.domain.ids import AccountId, TransferId
from chronos.embedded.together import together
from chronos.ledger.booking import Bookkeeper
from chronos.settings import Settings
from chronos.store.bulk import Bulk
from chronos.wire.booking import AccountRow, Attempt, EventRow, Found, Head, OutboxRow
from chronos.wire.codec import decode_event
from chronos.wire.topics import Names

CURRENCY: Final = "EUR"
FUNDS: Final = 1_000_000_000
COMMANDS_AT_ONCE: Final = 100
"""In one transaction, as a group commit has them."""
ROWS_AT_ONCE: Final = 20_000
SEED: Final = 7
_NOTHING: Final = sha256(b"").digest()

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TownPlan:
    """How many accounts, and about how many events they have together."""

    accounts: int
    events: int
    now: datetime
    """When all of it was recorded."""
    is_published: bool
    """Whether the outbox has the events too."""
    prefix: str = "town"
    """Begins the name of every account."""

    @property
    def transfers(self) -> int:
        """Tells how many transfers make up the events after the openings."""
        return max(0, (self.events - self.accounts - 1) // 2)

    @property
    def positions(self) -> int:
        """Tells how many positions it takes: two for each command, used or not."""
        return 2 * (1 + self.accounts + self.transfers)

    @property
    def names(self) -> tuple[str, ...]:
        """Names the accounts; those that get funds first come first."""
        return tuple(f"{self.prefix}.{number:07}" for number in range(self.accounts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """What was filled."""

    accounts: tuple[str, ...]
    funded: tuple[str, ...]
    """Those that can pay."""
    events: int


async def fill_town(bulk: Bulk, settings: Settings, plan: TownPlan, *, say: Say) -> Town:
    """Fills a town into a journal that nobody else writes.

    Args:
        bulk: The journal.
        settings: Names of the topics, and how many partitions and shards there are.
        plan: What is filled.
        say: Takes a line of news.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    say(f"filling {plan.accounts:,} accounts with about {plan.events:,} events …")
    first = await bulk.first_position()
    events = await put_town(bulk, settings, plan, first_position=first)
    if plan.is_published:
        await bulk.keep_positions(first + plan.positions)
    else:
        await bulk.settle(first + plan.positions)
    return Town(accounts=plan.names, funded=plan.names[: plan.transfers], events=events)


async def put_town(
    bulk: Bulk, settings: Settings, plan: TownPlan, *, first_position: int
) -> int:
    """Puts the rows of a town into a journal, and tells how many events they are.

    The next page is booked while PostgreSQL takes the one before, so that two processors work.

    Args:
        bulk: The journal.
        settings: Names of the topics, and how many partitions and shards there are.
        plan: What is filled.
        first_position: From here on the plan's positions are nobody else's.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    pages = _Clerk(settings, plan, first_position).pages()
    booked = [next(pages, None)]

    async def book_next() -> None:
        booked.append(await asyncio.to_thread(next, pages, None))

    events = 0
    async with _transaction(bulk, is_one=plan.is_published):
        while (rows := booked.pop()) is not None:
            await together(_put(bulk, rows, is_published=plan.is_published), book_next())
            events += len(rows.events)
    return events


async def _put(bulk: Bulk, rows: Rows, *, is_published: bool) -> None:
    await bulk.insert(rows.accounts, rows.events)
    if is_published:
        await bulk.insert_outbox(rows.outbox)


def rows_of(settings: Settings, plan: TownPlan, *, first_position: int) -> Rows:
    """Gives all rows of a town at once, for small ones."""
    together = Rows([], [], [])
    for rows in _Clerk(settings, plan, first_position).pages():
        together.accounts += rows.accounts
        together.events += rows.events
        together.outbox += rows.outbox
    return together


@asynccontextmanager
async def _transaction(bulk: Bulk, *, is_one: bool) -> AsyncIterator[None]:
    # A backlog is there at once; a journal alone need not be.
    if is_one:
        async with bulk.at_once():
            yield
    else:
        yield


@dataclass(slots=True)
class Rows:
    """Some rows of a town, in the order of their positions."""

    accounts: list[AccountRow]
    events: list[EventRow]
    outbox: list[OutboxRow]


class _Clerk:
    """Books, keeps the heads, and hands over rows by the thousand."""

    def __init__(self, settings: Settings, plan: TownPlan, first_position: int):
        self.next_position = first_position
        self.names = plan.names
        self._plan = plan
        self._settlement = f"{plan.prefix}.settlement"
        self._heads: dict[AccountId, Head] = {}
        self._keeper = Bookkeeper(
            ids=SystemIds(),
            names=Names(settings.namespace),
            partitions=settings.partitions,
            shards=settings.relay_shards,
            zone=ZoneInfo("UTC"),
        )

    def pages(self) -> Iterator[Rows]:
        """Yields the rows of everything, in the order of their positions."""
        rows = Rows([], [], [])
        commands = self._commands()
        while some := tuple(islice(commands, COMMANDS_AT_ONCE)):
            self._book(some, rows)
            if len(rows.events) >= ROWS_AT_ONCE:
                yield rows
                rows = Rows([], [], [])
        if rows.events:
            yield rows

    def _commands(self) -> Iterator[OpenAccount | TransferFunds]:
        yield _opening(self._settlement, AccountKind.SETTLEMENT)
        for name in self.names:
            yield _opening(name, AccountKind.CUSTOMER)
        chance = random.Random(SEED)  # noqa: S311 - repeatable chance, not secrets
        for number in range(self._plan.transfers):
            if number < len(self.names):
                yield self._transfer(number, self._settlement, self.names[number], FUNDS)
            else:
                source, destination = chance.sample(self.names, 2)
                yield self._transfer(number, source, destination, 100 + number % 100)

    def _transfer(
        self, number: int, source: str, destination: str, amount: int
    ) -> TransferFunds:
        return TransferFunds(
            transfer_id=TransferId(f"{self._plan.prefix}.{self.next_position}.{number}"),
            source=AccountId(source),
            destination=AccountId(destination),
            amount=amount,
            currency=CURRENCY,
            description=f"Transfer {number} of the measurement",
            value_date=None,
            metadata={},
            expected_versions={},
        )

    def _book(self, commands: Sequence[OpenAccount | TransferFunds], rows: Rows) -> None:
        positions = range(self.next_position, self.next_position + 2 * len(commands))
        heads = self._heads
        found = Found(
            heads={name: heads[name] for name in _touched(commands) if name in heads},
            transfers=frozenset(),
            external_ids={},
            holds={},
            entries={},
            receipts={},
            busy_keys=frozenset(),
            now=self._plan.now,
            positions=tuple(positions),
        )
        booked = self._keeper.book([_attempt(command) for command in commands], found)
        self.next_position = positions.stop
        rows.accounts += booked.account_rows
        rows.events += booked.event_rows
        if self._plan.is_published:
            rows.outbox += booked.outbox_rows
        for row in booked.event_rows:
            self._note(row)

    def _note(self, row: EventRow) -> None:
        account_id = AccountId(row.account_id)
        before = self._heads.get(account_id)
        if before is None:
            state = evolve(None, decode_event(row.body).event)
        else:
            # What the core has just booked: to decode and to fold it again costs as much.
            state = replace(
                before.state,
                version=row.version,
                booked=row.booked_after,
                held=row.held_after,
                status=AccountStatus(row.status_after),
            )
        self._heads[account_id] = Head(state=state, hash=row.hash, recorded_at=row.recorded_at)


def _touched(commands: Sequence[OpenAccount | TransferFunds]) -> set[AccountId]:
    touched: set[AccountId] = set()
    for command in commands:
        if isinstance(command, TransferFunds):
            touched |= {command.source, command.destination}
    return touched


def _opening(name: str, kind: AccountKind) -> OpenAccount:
    return OpenAccount(
        account_id=AccountId(name),
        currency=CURRENCY,
        kind=kind,
        overdraft_limit=None,
        external_id=None,
        metadata={},
    )


def _attempt(command: OpenAccount | TransferFunds) -> Attempt:
    name = command.account_id if isinstance(command, OpenAccount) else command.transfer_id
    return Attempt(
        command=command,
        principal="bench",
        idempotency_key=name,
        request_hash=_NOTHING,
        request_id="req_bench",
        traceparent="",
        instance="",
    )
