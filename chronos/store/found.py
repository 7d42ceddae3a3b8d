"""What a batch of attempts must have locked and read, and the reading of it in one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, Self
from zoneinfo import ZoneInfo

from chronos.domain.account import AccountState, AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.commands import Command
from chronos.domain.events import HoldPlaced
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.domain.states import BookedPosting, HoldState, JournalEntry
from chronos.errors import InvariantBroken
from chronos.store.identities import Identities, Identity
from chronos.store.locks import blocking_locks, key_lock
from chronos.wire.booking import (
    AnyAttempt,
    Attempt,
    Found,
    Head,
    KeyName,
    Needs,
    StoredReceipt,
)
from chronos.wire.bounds import BYTES_MAX, EVENTS_MAX, LOCKS_MAX
from chronos.wire.codec import decode_event
from chronos.wire.documents import HOLD_ENDS

# By the number: a call of the enumeration costs ten times as much, twice a transfer.
_STATUSES = {int(status): status for status in AccountStatus}

NeedsOf = Callable[[Command], Needs]
"""Tells what a command must have locked and read; the ledger's `needs_of`."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One attempt, or batch of attempts, with what follows from it alone, worked out once."""

    attempt: AnyAttempt
    needs: tuple[Needs, ...]
    """One for each command, with the accounts that were looked up for it."""
    blocking: frozenset[int]
    """Locks to wait for."""
    keys: Mapping[int, KeyName]
    """Its idempotency keys, by the number of their lock."""

    @classmethod
    def of(cls, attempt: AnyAttempt, needs_of: NeedsOf) -> Self:
        """Works out what an attempt needs, and the numbers of its locks."""
        if isinstance(attempt, Attempt):
            needs = needs_of(attempt.command).with_accounts(attempt.also)
            return cls(
                attempt, (needs,), blocking_locks(needs), {key_lock(attempt.key): attempt.key}
            )
        every = tuple(needs_of(item.command).with_accounts(item.also) for item in attempt.items)
        named = [attempt.key, *(item.key for item in attempt.items if item.has_own_key)]
        return cls(
            attempt,
            every,
            frozenset().union(*(blocking_locks(needs) for needs in every)),
            {key_lock(key): key for key in named},
        )

    @property
    def locks(self) -> int:
        """How many locks it takes."""
        return len(self.blocking) + len(self.keys)

    @property
    def event_bytes(self) -> int:
        """Bytes of its events at most, about."""
        return sum(needs.events_max * needs.event_bytes for needs in self.needs)

    @property
    def is_too_large(self) -> bool:
        """Tells whether no transaction could hold it."""
        return (
            self.positions > EVENTS_MAX
            or self.locks > LOCKS_MAX
            or self.event_bytes > BYTES_MAX
        )

    @property
    def commands(self) -> int:
        """How many commands it holds."""
        return len(self.needs)

    @property
    def positions(self) -> int:
        """How many positions it uses at most: its events, or a refusal for each command."""
        own = 0 if isinstance(self.attempt, Attempt) else 1
        return own + sum(needs.events_max for needs in self.needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a batch locks and reads; the union of what its attempts need."""

    blocking: frozenset[int]
    keys: dict[int, KeyName]
    """The idempotency keys, by the number of their lock."""
    accounts: tuple[str, ...]
    transfers: tuple[str, ...]
    external_ids: tuple[str, ...]
    holds: tuple[str, ...]
    entries: tuple[str, ...]
    positions: int

    @classmethod
    def of(cls, batch: Sequence[Prepared]) -> Self:
        """Adds up the needs of the attempts, each name once."""
        needs = [one for prepared in batch for one in prepared.needs]
        keys: dict[int, KeyName] = {}
        for prepared in batch:
            keys.update(prepared.keys)
        return cls(
            blocking=frozenset().union(*(prepared.blocking for prepared in batch)),
            keys=keys,
            accounts=_once(n.accounts for n in needs),
            transfers=_once(n.transfers for n in needs),
            external_ids=_once(n.external_ids for n in needs),
            holds=_once(n.holds for n in needs),
            entries=_once(n.entries for n in needs),
            positions=sum(prepared.positions for prepared in batch),
        )

    def parameters(self, identities: Identities) -> tuple[Any, ...]:
        """Gives the parameters of `READ_FOUND`; its row is read with the same identities."""
        names = self.keys.values()
        return (
            self.positions,
            self.accounts,
            self.transfers,
            self.external_ids,
            [principal for principal, _ in names],
            [key for _, key in names],
            self.holds,
            self.entries,
            identities.unmet(self.accounts),
        )


def found_in(row: Any, busy_keys: frozenset[KeyName], identities: Identities) -> Found:
    """Reads the one row of `READ_FOUND`, and who the accounts are that were not met before."""
    identities.meet(row["identities"])
    return Found(
        heads={AccountId(head[0]): _head(head, identities[head[0]]) for head in row["heads"]},
        transfers=frozenset(row["transfers"]),
        external_ids=dict(row["external_ids"]),
        receipts={
            (principal, key): StoredReceipt(request_hash=digest, status=status, body=body)
            for principal, key, digest, status, body in row["receipts"]
        },
        holds=dict(_hold(body, ended) for body, ended in row["holds"]),
        entries=_entries(row["entries"]),
        busy_keys=busy_keys,
        now=row["now"],
        positions=tuple(row["positions"]),
    )


def account_state(columns: Sequence[Any], zone: ZoneInfo) -> AccountState:
    """Reads the columns of an account's head, from its id to `open_holds_after`."""
    (
        name,
        currency,
        kind,
        version,
        booked,
        held,
        limit,
        status,
        opened_at,
        opened_on,
        holds,
    ) = columns
    return AccountState(
        account_id=AccountId(name),
        currency=currency,
        kind=AccountKind(kind),
        version=version,
        booked=booked,
        held=held,
        open_holds=holds,
        overdraft_limit=limit,
        status=AccountStatus(status),
        opened_on=opened_on or opened_at.astimezone(zone).date(),
    )


def _head(columns: Sequence[Any], identity: Identity) -> Head:
    name, version, booked, held, limit, status, holds, digest, recorded_at = columns
    currency, kind, opened_on = identity
    state = AccountState(
        account_id=AccountId(name),
        currency=currency,
        kind=kind,
        version=version,
        booked=booked,
        held=held,
        open_holds=holds,
        overdraft_limit=limit,
        status=_STATUSES[status],
        opened_on=opened_on,
    )
    return Head(state=state, hash=digest, recorded_at=recorded_at)


def _hold(body: bytes, ended: str | None) -> tuple[HoldId, HoldState]:
    event = decode_event(body).event
    if not isinstance(event, HoldPlaced):
        raise InvariantBroken("the row of a placed hold has the body of another event")
    hold = HoldState.placed_by(event)
    if ended is not None:
        hold = replace(hold, status=HOLD_ENDS[ended])
    return hold.hold_id, hold


def _entries(rows: Iterable[Sequence[Any]]) -> dict[TransferId, JournalEntry]:
    entries: dict[TransferId, JournalEntry] = {}
    for transfer_id, postings in groupby(rows, key=itemgetter(0)):
        lines = list(postings)
        entries[TransferId(transfer_id)] = JournalEntry(
            transfer_id=TransferId(transfer_id),
            postings=tuple(
                BookedPosting(AccountId(account_id), amount, currency)
                for _, account_id, amount, currency, _, _ in lines
            ),
            reverses=lines[0][4],
            reversed_by=lines[0][5],
        )
    return entries


def _once(names: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for some in names for name in some))
