"""Mistakes of the command endpoint: M1, M2, M9 to M12, M14."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

import chronos.api.balances as api_balances
from chronos.api.answers import Balance as Shown
from chronos.domain import entry
from chronos.domain.account import AccountState
from chronos.ledger import booking
from chronos.mirror.redis import RedisMirror
from chronos.settings import Settings
from chronos.store import pool
from chronos.store.event_store import EventStore
from chronos.store.found import Wanted, found_in
from chronos.store.identities import Identities
from chronos.wire.topics import Names, partition_of, shard_of
from tests.mutants.planting import Planting

MINOR_UNITS = 100


def m1_commit_without_the_disk(planting: Planting) -> None:
    """Commands commit with `synchronous_commit = off`."""

    def make(connect: Any) -> Any:
        async def forgetful(dsn: str, *, application_name: str, **options: Any) -> Any:
            if "-lane-" in application_name:
                chosen = {**(options.get("server_settings") or {}), "synchronous_commit": "off"}
                options["server_settings"] = chosen
            return await connect(dsn, application_name=application_name, **options)

        return forgetful

    planting.swap(pool, "connect", make)


def m2_outbox_in_a_second_transaction(planting: Planting) -> None:
    """The outbox rows of a command are written by a second transaction, after its own."""
    planting.swap(EventStore, "_transact", lambda old: _written_later(old, "outbox_rows"))


def m9_receipts_in_a_second_transaction(planting: Planting) -> None:
    """The receipts of commands are written by a second transaction, after their own."""
    planting.swap(EventStore, "_transact", lambda old: _written_later(old, "receipt_rows"))


def m10_funds_checked_before_the_lock(planting: Planting) -> None:
    """Whether an account can pay is told by what it was before it was locked."""
    before: dict[str, AccountState] = {}

    def make_transact(transact: Any) -> Any:
        async def with_a_look_before(self: EventStore, connection: Any, batch: Any) -> Any:
            identities = Identities(self._rules.zone)
            row = await self._read.fetchrow(*Wanted.of(batch).parameters(identities))
            heads = found_in(row, frozenset(), identities).heads
            before.update((name, head.state) for name, head in heads.items())
            return await transact(self, connection, batch)

        return with_a_look_before

    def make_can_pay(can_pay: Any) -> Any:
        def by_the_past(self: AccountState, amount: int) -> bool:
            past = before.get(self.account_id, self)
            # A decision that sees the account itself as it is now would find the truth.
            return bool(can_pay(past, amount))

        return by_the_past

    planting.swap(EventStore, "_transact", make_transact)
    planting.swap(AccountState, "can_pay", make_can_pay)


def m11_amounts_as_fractions(planting: Planting) -> None:
    """Balances are reckoned in fractions of major units and cut off to minor ones."""

    def in_fractions(booked: int, amount: int) -> int:
        return int((booked / MINOR_UNITS + amount / MINOR_UNITS) * MINOR_UNITS)

    def make_event(make: Any) -> Any:
        def with_fractions(
            of: Any, leg: Any, number: int, account: Any, value_date: Any
        ) -> Any:
            event = make(of, leg, number, account, value_date)
            booked = in_fractions(account.booked, leg.amount)
            off = booked - event.booked_after
            return dataclasses.replace(
                event, booked_after=booked, available_after=event.available_after + off
            )

        return with_fractions

    def make_evolve(evolve: Any) -> Any:
        def as_told(state: Any, event: Any) -> Any:
            after = evolve(state, event)
            told = getattr(event, "booked_after", after.booked)
            return dataclasses.replace(after, booked=told)

        return as_told

    planting.swap(entry, "_event", make_event)
    planting.swap(booking, "evolve", make_evolve)


def m12_partition_by_transfer(planting: Planting) -> None:
    """Records are put into the partition of their transfer, not of their account."""

    class Transfer(msgspec.Struct):
        transfer_id: str | None = None

    decode = msgspec.json.Decoder(Transfer).decode

    def make(publish: Any) -> Any:
        def by_transfer(
            self: Any, topic: str, account_id: str, position: int, headers: Any, value: bytes
        ) -> None:
            publish(self, topic, account_id, position, headers, value)
            rows = self.page.written.outbox
            named = (decode(value).transfer_id or account_id).encode()
            partition = partition_of(named, self.keeper.partitions)
            shard = shard_of(partition, self.keeper.shards)
            rows[-1] = rows[-1]._replace(partition=partition, shard=shard)

        return by_transfer

    planting.swap(booking._Booking, "_publish", make)


def m14_strong_reads_from_redis(planting: Planting) -> None:
    """The command endpoint answers reads of balances from Redis."""
    mirrors: list[RedisMirror] = []

    def make(now: Any) -> Any:
        async def cached(services: Any, account_id: str) -> Any:
            if not mirrors:
                settings = Settings.from_environment()
                mirrors.append(RedisMirror(settings.redis_url, Names(settings.namespace)))
            found = await mirrors[0].read(account_id)
            if found is None:
                return await now(services, account_id)
            return Shown(
                account=found.account_id,
                currency=found.currency,
                booked=found.booked,
                held=found.held,
                available=found.available,
                version=found.version,
                as_of=found.recorded_at,
            )

        return cached

    planting.swap(api_balances, "_now", make)


def _written_later(transact: Any, rows_name: str) -> Any:
    """Makes the transaction of a batch leave some of its rows to a second one."""

    async def in_two_steps(self: EventStore, connection: Any, batch: Any) -> Any:
        rules = self._rules
        kept: list[Any] = []

        def book_in_parts(attempts: Any, found: Any) -> Any:
            for part in rules.book_in_parts(attempts, found):
                kept.extend(getattr(part, rows_name))
                yield dataclasses.replace(part, **{rows_name: ()})

        self._rules = dataclasses.replace(rules, book_in_parts=book_in_parts)
        try:
            booked = await transact(self, connection, batch)
        finally:
            self._rules = rules
        if kept:
            which = await connection.fetchval("SELECT which FROM outbox_current")
            append = await self._append_to(connection, which)
            rows = {"outbox_rows": ((), (), kept, ()), "receipt_rows": ((), (), (), kept)}
            await append.fetchrow(*rows[rows_name])
        return dataclasses.replace(booked, **{rows_name: tuple(kept)})

    return in_two_steps
