"""Builders of values for tests: sensible defaults, every field open to the test that cares."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from chronos.domain.account import AccountState, AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.commands import Command, OpenAccount, TransferFunds
from chronos.domain.events import HoldChanged, HoldPlaced, MoneyMoved
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.domain.states import BookedPosting, HoldState, HoldStatus, JournalEntry, States
from chronos.ledger.booking import Bookkeeper
from chronos.ledger.needs import needs_of
from chronos.store.found import Prepared
from chronos.store.found import Wanted as Asked
from chronos.wire.booking import AnyAttempt, Attempt, Booked, Found, Head, StoredReceipt
from chronos.wire.codec import decode_event
from chronos.wire.documents import HOLD_ENDS
from chronos.wire.references import Referred, Wanted
from chronos.wire.topics import Names

_K = TypeVar("_K")
_V = TypeVar("_V")
NOW = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
TODAY = date(2026, 3, 2)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class CountingIds:
    """Makes identifiers that count up, so that a test can foretell them."""

    def __init__(self) -> None:
        self._count = 0

    def event_id(self) -> str:
        self._count += 1
        return f"00000000-0000-7000-8000-{self._count:012x}"

    def new_id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count:026d}"


def account(account_id: str = "alice", **changes: Any) -> AccountState:
    state = AccountState(
        account_id=AccountId(account_id),
        currency="EUR",
        kind=AccountKind.CUSTOMER,
        version=1,
        booked=0,
        held=0,
        open_holds=0,
        overdraft_limit=0,
        status=AccountStatus.OPEN,
        opened_on=TODAY,
    )
    return replace(state, **changes)


def states(*accounts: AccountState, **changes: Any) -> States:
    found = States(
        accounts={a.account_id: a for a in accounts},
        transfers=frozenset(),
        external_ids={},
        holds={},
        entries={},
        booking_date=TODAY,
        recorded_at=NOW,
    )
    return replace(found, **changes)


def open_account(account_id: str = "alice", **changes: Any) -> OpenAccount:
    command = OpenAccount(
        account_id=AccountId(account_id),
        currency="EUR",
        kind=AccountKind.CUSTOMER,
        overdraft_limit=None,
        external_id=None,
        metadata={},
    )
    return replace(command, **changes)


def transfer(
    source: str = "alice", destination: str = "bob", amount: int = 100, **changes: Any
) -> TransferFunds:
    command = TransferFunds(
        transfer_id=TransferId("trf_1"),
        source=AccountId(source),
        destination=AccountId(destination),
        amount=amount,
        currency="EUR",
        description=None,
        value_date=None,
        metadata={},
        expected_versions={},
    )
    return replace(command, **changes)


def attempt(command: Command, key: str = "key-1", **changes: Any) -> Attempt:
    value = Attempt(
        command=command,
        principal="tester",
        idempotency_key=key,
        request_hash=hashlib.sha256(repr(command).encode()).digest(),
        request_id="req_1",
        traceparent=TRACEPARENT,
        instance="/v1/test",
    )
    return replace(value, **changes)


def bookkeeper(**changes: Any) -> Bookkeeper:
    keeper = Bookkeeper(
        ids=CountingIds(),
        names=Names("chronos"),
        partitions=8,
        shards=2,
        zone=ZoneInfo("UTC"),
    )
    return replace(keeper, **changes)


def found(*heads: Head, **changes: Any) -> Found:
    value = Found(
        heads={h.state.account_id: h for h in heads},
        transfers=frozenset(),
        external_ids={},
        holds={},
        entries={},
        receipts={},
        busy_keys=frozenset(),
        now=NOW,
        positions=positions_from(1),
    )
    return replace(value, **changes)


def positions_from(first: int) -> Any:
    """Positions as the store draws them, more than any batch needs; a range costs nothing."""
    return range(first, first + 100_000)


@dataclass
class MemoryBank:
    """Books attempts on remembered states: the core and its book-keeping without a database."""

    keeper: Bookkeeper
    state: Found
    opened_at: dict[str, datetime] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> MemoryBank:
        return cls(keeper=bookkeeper(), state=found())

    def book(self, attempts: Sequence[AnyAttempt]) -> Booked:
        """Books attempts on everything that is remembered, whatever they need of it."""
        booked = self.keeper.book(attempts, self.state)
        self._remember(booked)
        return booked

    def commit(self, attempts: Sequence[AnyAttempt]) -> Booked:
        """Books attempts on what the store would find for them, and with as many positions.

        Their references are completed already: what was not looked up is not there.
        """
        booked = self.keeper.book(attempts, self.found_for(attempts))
        self._remember(booked)
        return booked

    def found_for(self, attempts: Sequence[AnyAttempt]) -> Found:
        """Gives what the store would find for these attempts, no more."""
        wanted = Asked.of([Prepared.of(one, needs_of) for one in attempts])
        known = self.state
        return replace(
            known,
            heads=_named(known.heads, wanted.accounts),
            transfers=known.transfers & {*wanted.transfers},
            external_ids=_named(known.external_ids, wanted.external_ids),
            holds=_named(known.holds, wanted.holds),
            entries=_named(known.entries, wanted.entries),
            receipts=_named(known.receipts, wanted.keys.values()),
            positions=known.positions[: wanted.positions],
        )

    async def refer(self, wanted: Wanted) -> Referred:
        """Looks up what is remembered, as the store's references do."""
        accounts = {head.state.account_id: head.state for head in self.state.heads.values()}
        currencies = {n: accounts[n].currency for n in wanted.accounts if n in accounts}
        positions: dict[str, AccountId] = {}
        for state in sorted(accounts.values(), key=self._open_and_old):
            if state.kind is AccountKind.POSITION:
                positions.setdefault(state.currency, state.account_id)
        return Referred(
            entries={
                name: tuple(posting.account_id for posting in entry.postings)
                for name, entry in self.state.entries.items()
                if name in wanted.entries
            },
            holds={
                name: hold.account_id
                for name, hold in self.state.holds.items()
                if name in wanted.holds
            },
            currencies=currencies,
            positions=_named(positions, {*currencies.values(), *wanted.currencies}),
        )

    def _open_and_old(self, state: AccountState) -> tuple[bool, datetime, str]:
        """Orders accounts as the store does: open ones first, of them the oldest."""
        name = state.account_id
        is_shut = state.status is not AccountStatus.OPEN
        return is_shut, self.opened_at.get(name, self.state.now), name

    def _remember(self, booked: Booked) -> None:
        self.opened_at.update((row.account_id, row.opened_at) for row in booked.account_rows)
        heads = dict(self.state.heads)
        opened = {row.account_id: row for row in booked.account_rows}
        for row in booked.event_rows:
            account_id = AccountId(row.account_id)
            before = heads.get(account_id)
            kind = (
                before.state.kind
                if before is not None
                else AccountKind(opened[row.account_id].kind)
            )
            state = AccountState(
                account_id=account_id,
                currency=row.currency,
                kind=kind,
                version=row.version,
                booked=row.booked_after,
                held=row.held_after,
                open_holds=row.open_holds_after,
                overdraft_limit=row.overdraft_limit_after,
                status=AccountStatus(row.status_after),
                opened_on=before.state.opened_on if before else row.value_date,
            )
            heads[account_id] = Head(state=state, hash=row.hash, recorded_at=row.recorded_at)
        # Those that an undone batch had drawn lie below its receipt's.
        used = [row.position for row in (*booked.event_rows, *booked.receipt_rows)]
        self.state = replace(
            self.state,
            heads=heads,
            holds=_holds_after(self.state.holds, booked),
            entries=_entries_after(self.state.entries, booked),
            transfers=self.state.transfers
            | {TransferId(r.transfer_id) for r in booked.event_rows if r.transfer_id},
            external_ids={
                **self.state.external_ids,
                **{
                    r.external_id: AccountId(r.account_id)
                    for r in booked.account_rows
                    if r.external_id
                },
            },
            receipts={
                **self.state.receipts,
                **{
                    (r.principal, r.idempotency_key): StoredReceipt(
                        request_hash=r.request_hash, status=r.status, body=r.body
                    )
                    for r in booked.receipt_rows
                },
            },
            now=self.state.now + timedelta(milliseconds=1),
            positions=positions_from(max(used, default=self.state.positions[0] - 1) + 1),
        )


def _named(known: Mapping[_K, _V], names: Iterable[Any]) -> dict[_K, _V]:
    return {name: known[name] for name in names if name in known}


def _holds_after(
    holds: Mapping[HoldId, HoldState], booked: Booked
) -> Mapping[HoldId, HoldState]:
    after = dict(holds)
    for row in booked.event_rows:
        event = decode_event(row.body).event
        if isinstance(event, HoldPlaced):
            after[event.hold_id] = HoldState(
                hold_id=event.hold_id,
                account_id=event.account_id,
                amount=event.hold_amount,
                expires_at=event.expires_at,
                status=HoldStatus.OPEN,
            )
        elif isinstance(event, HoldChanged):
            ended = HOLD_ENDS[type(event).__name__]
            after[event.hold_id] = replace(after[event.hold_id], status=ended)
    return after


def _entries_after(
    entries: Mapping[TransferId, JournalEntry], booked: Booked
) -> Mapping[TransferId, JournalEntry]:
    after = dict(entries)
    for row in booked.event_rows:
        event = decode_event(row.body).event
        if not isinstance(event, MoneyMoved):
            continue
        name = event.transfer_id
        before = after.get(name)
        posting = BookedPosting(event.account_id, event.amount, event.currency)
        after[name] = JournalEntry(
            transfer_id=name,
            postings=(*(before.postings if before else ()), posting),
            reverses=event.reverses_transfer_id,
            reversed_by=before.reversed_by if before else None,
        )
        reverses = event.reverses_transfer_id
        if reverses is not None and reverses in after:
            after[reverses] = replace(after[reverses], reversed_by=name)
    return after
