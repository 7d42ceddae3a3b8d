"""What every reader of the journal checks, event by event, and a read model that breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chronos.audit.proof import JournalProof
from chronos.domain.account import AccountState
from chronos.domain.evolve import evolve
from chronos.wire.balance import Balance, decode_balance, encode_balance, fold
from chronos.wire.booking import EventRow
from chronos.wire.codec import decode_event, encode_event, event_hash
from chronos.wire.moments import parse_instant
from chronos.wire.topics import partition_of

PARTITIONS = 3


@dataclass
class Witness:
    """Folds the journal in every way that there is; all of them have to agree."""

    states: dict[str, AccountState] = field(default_factory=dict)
    balances: dict[str, Balance] = field(default_factory=dict)
    hashes: dict[str, bytes] = field(default_factory=dict)
    proofs: dict[str, JournalProof] = field(default_factory=dict)

    def see(self, row: EventRow) -> None:
        name = row.account_id
        recorded = decode_event(row.body)
        assert encode_event(recorded) == row.body
        assert event_hash(self.hashes.get(name), row.body) == row.hash
        self.hashes[name] = row.hash
        self.states[name] = evolve(self.states.get(name), recorded.event)
        self.balances[name] = fold(self.balances.get(name), recorded, row.body, row.hash)
        assert row.open_holds_after == len(self.balances[name].holds)
        proof = self.proofs.setdefault(name, JournalProof())
        assert list(proof.take(row)) == []

    def table(self) -> dict[str, bytes]:
        """What a read model that took everything has to hold."""
        return {name: encode_balance(balance) for name, balance in self.balances.items()}

    def open_holds(self, name: str) -> dict[str, tuple[int, datetime | None]]:
        """The open holds of an account, by id: amount and expiry."""
        return {
            hold.id: (
                hold.amount,
                hold.expires_at and parse_instant(hold.expires_at, rounds_up=False),
            )
            for hold in self.balances[name].holds
        }

    def agrees(self, name: str) -> bool:
        state, balance = self.states[name], self.balances[name]
        return (
            (state.version, state.booked, state.held, state.open_holds, state.available)
            == (
                balance.version,
                balance.booked,
                balance.held,
                len(balance.holds),
                balance.available,
            )
            and state.held == sum(hold.amount for hold in balance.holds)
            and state.status.label == balance.status
        )


@dataclass
class Projector:
    """A read model that takes records partition by partition, and may fall and get up."""

    records: list[list[EventRow]] = field(
        default_factory=lambda: [[] for _ in range(PARTITIONS)]
    )
    offsets: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    table: dict[str, bytes] = field(default_factory=dict)
    saved: tuple[list[int], dict[str, bytes]] = field(
        default_factory=lambda: ([0] * PARTITIONS, {})
    )

    def publish(self, rows: Sequence[EventRow]) -> None:
        for row in rows:
            self.records[partition_of(row.account_id.encode(), PARTITIONS)].append(row)

    def deliver(self, partition: int, count: int) -> None:
        """Takes the next records of a partition."""
        offset = self.offsets[partition]
        for row in self.records[partition][offset : offset + count]:
            self.apply(row)
            self.offsets[partition] += 1

    def deliver_all(self) -> None:
        for partition, records in enumerate(self.records):
            self.deliver(partition, len(records))

    def save(self) -> None:
        """Makes a copy of the table, as its changelog is one, with the offsets of that time."""
        self.saved = ([*self.offsets], dict(self.table))

    def crash(self, *, keeps_table: bool) -> None:
        """Loses what was acknowledged since the copy was made, and the table of that time too.

        A table that is kept has seen already what comes again.
        """
        offsets, table = self.saved
        self.offsets = [*offsets]
        if not keeps_table:
            self.table = dict(table)

    def rebuild(self) -> None:
        """Begins with nothing, and reads every partition from its first record."""
        self.offsets, self.table = [0] * PARTITIONS, {}
        self.deliver_all()

    def taken(self, partition: int) -> Sequence[EventRow]:
        """The records that were taken from a partition, oldest first."""
        return self.records[partition][: self.offsets[partition]]

    def apply(self, row: EventRow) -> None:
        stored = self.table.get(row.account_id)
        before = None if stored is None else decode_balance(stored)
        if before is not None and row.version <= before.version:
            return
        after = fold(before, decode_event(row.body), row.body, row.hash)
        self.table[row.account_id] = encode_balance(after)
