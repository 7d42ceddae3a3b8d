"""What a batch of attempts must have locked and read, and the reading of it in one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self
from zoneinfo import ZoneInfo

from chronos.domain.account import AccountState, AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.commands import Command
from chronos.domain.ids import AccountId
from chronos.store.locks import blocking_locks, key_lock
from chronos.wire.booking import Attempt, Found, Head, KeyName, Needs, StoredReceipt

NeedsOf = Callable[[Command], Needs]
"""Tells what a command must have locked and read; the ledger's `needs_of`."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One attempt with what follows from it alone, worked out once."""

    attempt: Attempt
    needs: Needs
    blocking: frozenset[int]
    """Locks to wait for."""
    key: int
    """Lock of its idempotency key."""

    @classmethod
    def of(cls, attempt: Attempt, needs_of: NeedsOf) -> Self:
        """Works out what an attempt needs, and the numbers of its locks."""
        needs = needs_of(attempt.command)
        return cls(attempt, needs, blocking_locks(needs), key_lock(attempt.key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a batch locks and reads; the union of what its attempts need."""

    blocking: frozenset[int]
    keys: dict[int, KeyName]
    """The idempotency keys, by the number of their lock."""
    accounts: tuple[str, ...]
    transfers: tuple[str, ...]
    external_ids: tuple[str, ...]
    positions: int

    @classmethod
    def of(cls, batch: Sequence[Prepared]) -> Self:
        """Adds up the needs of the attempts, each name once."""
        needs = [prepared.needs for prepared in batch]
        return cls(
            blocking=frozenset().union(*(prepared.blocking for prepared in batch)),
            keys={prepared.key: prepared.attempt.key for prepared in batch},
            accounts=_once(n.accounts for n in needs),
            transfers=_once(n.transfers for n in needs),
            external_ids=_once(n.external_ids for n in needs),
            positions=sum(n.events_max for n in needs),
        )

    def parameters(self) -> tuple[Any, ...]:
        """Gives the parameters of `READ_FOUND`."""
        names = self.keys.values()
        return (
            self.positions,
            self.accounts,
            self.transfers,
            self.external_ids,
            [principal for principal, _ in names],
            [key for _, key in names],
        )


def found_in(row: Any, busy_keys: frozenset[KeyName], zone: ZoneInfo) -> Found:
    """Reads the one row of `READ_FOUND`."""
    return Found(
        heads={AccountId(head[0]): _head(head, zone) for head in row["heads"]},
        transfers=frozenset(row["transfers"]),
        external_ids=dict(row["external_ids"]),
        receipts={
            (principal, key): StoredReceipt(request_hash=digest, status=status, body=body)
            for principal, key, digest, status, body in row["receipts"]
        },
        busy_keys=busy_keys,
        now=row["now"],
        positions=tuple(row["positions"]),
    )


def account_state(columns: Sequence[Any], zone: ZoneInfo) -> AccountState:
    """Reads id, currency, kind, version, booked, held, limit, status and opened_at."""
    name, currency, kind, version, booked, held, limit, status, opened_at = columns
    return AccountState(
        account_id=AccountId(name),
        currency=currency,
        kind=AccountKind(kind),
        version=version,
        booked=booked,
        held=held,
        overdraft_limit=limit,
        status=AccountStatus(status),
        opened_on=opened_at.astimezone(zone).date(),
    )


def _head(columns: Sequence[Any], zone: ZoneInfo) -> Head:
    *account, digest, recorded_at = columns
    return Head(state=account_state(account, zone), hash=digest, recorded_at=recorded_at)


def _once(names: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for some in names for name in some))
