"""A small run of the real core with its history, for checkers: good until a test spoils it."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import uuid
from typing import Any

import msgspec

from chronos.chaos.history import Attempt, Kind, Operation, Outcome
from chronos.chaos.readers.facts import (
    Copies,
    Copy,
    Entries,
    Event,
    Journal,
    Receipt,
    Record,
    Topic,
    Unsent,
)
from chronos.chaos.readers.fold import Folder
from chronos.wire.bodies import OpenAccountBody, ReverseBody, TransferBody
from chronos.wire.headers import decode_headers
from chronos.wire.hold_bodies import CaptureBody, HoldBody, VoidBody
from chronos.wire.terms import Asked
from tests import builders

PARTITIONS = 4
TOPIC = "chronos.events.v1"
MS = 1_000_000
PATHS = {
    Kind.OPEN: "/v1/accounts",
    Kind.TRANSFER: "/v1/transfers",
    Kind.HOLD: "/v1/holds",
    Kind.CAPTURE: "/v1/holds/{}/capture",
    Kind.VOID: "/v1/holds/{}/void",
    Kind.REVERSAL: "/v1/transfers/{}/reverse",
}
BODIES: dict[Kind, Any] = {
    Kind.OPEN: OpenAccountBody,
    Kind.TRANSFER: TransferBody,
    Kind.HOLD: HoldBody,
    Kind.CAPTURE: CaptureBody,
    Kind.VOID: VoidBody,
    Kind.REVERSAL: ReverseBody,
}


class Town:
    """Sends one command after the other, ten milliseconds each, and keeps what was told."""

    def __init__(self) -> None:
        self.bank = builders.MemoryBank.empty()
        self.bank.keeper = builders.bookkeeper(partitions=PARTITIONS)
        self.history: list[Operation] = []
        self.now_ns = 1_000 * MS
        self.rows: list[Any] = []
        self.outbox: list[Any] = []
        self.accounts: dict[str, str] = {}
        self._keys = itertools.count(1)

    def send(
        self, kind: Kind, body: dict[str, Any], subject: str = "", process: int = 1
    ) -> Operation:
        """Sends a command; granted or refused, as the core says."""
        key = body.get("id") or body.get("transfer_id") or f"key-{next(self._keys)}"
        text = json.dumps(body)
        operation = self.operation(
            kind, "POST", PATHS[kind].format(subject), key=key, body=text, process=process
        )
        operation.attempts.append(self.ask(operation, subject))
        return operation

    def ask(self, operation: Operation, subject: str = "") -> Attempt:
        """Sends an operation as it is, once more perhaps."""
        kind = operation.kind
        if kind is Kind.RETRY:
            kind = next(k for k, path in PATHS.items() if fits(path, operation.path))
        shape = msgspec.json.decode(operation.body, type=BODIES[kind])
        command = shape.command(Asked(fresh_id=str, subject=subject))
        attempt = builders.attempt(command, operation.key, also=self.also(kind, subject))
        booked = self.bank.book([attempt])
        self.rows += booked.event_rows
        self.outbox += booked.outbox_rows
        self.accounts |= {row.account_id: row.currency for row in booked.account_rows}
        (receipt,) = booked.receipts
        begin, end = self.tick()
        return Attempt(
            invoked_ns=begin,
            completed_ns=end,
            outcome=Outcome.OK if receipt.status < 400 else Outcome.FAIL,
            status=receipt.status,
            reply=receipt.body.decode(),
            location=receipt.location or "",
            replayed=receipt.replayed,
        )

    def also(self, kind: Kind, subject: str) -> tuple[Any, ...]:
        if kind is Kind.REVERSAL and subject in self.bank.state.entries:
            return tuple(p.account_id for p in self.bank.state.entries[subject].postings)
        if kind in (Kind.CAPTURE, Kind.VOID) and subject in self.bank.state.holds:
            return (self.bank.state.holds[subject].account_id,)
        return ()

    def retry(self, operation: Operation) -> Operation:
        """Sends a finished operation again under its key."""
        again = self.operation(
            Kind.RETRY, "POST", operation.path, key=operation.key, body=operation.body
        )
        again.attempts.append(self.ask(again))
        return again

    def read(self, account: str, **shown: int) -> Operation:
        """Reads a balance on the write side."""
        path = f"/v1/accounts/{account}/balance"
        reply = {**self.balance(account), "source": "journal", **shown}
        return self.told(Kind.READ, path, reply)

    def projected(
        self, account: str, min_version: int = 0, process: int = 1, **shown: Any
    ) -> Operation:
        """Reads a balance on the query side."""
        path = f"/v1/accounts/{account}/balance?min_version={min_version}"
        reply = {**self.balance(account), "source": "table", **shown}
        return self.told(Kind.PROJECTED, path, reply, process=process)

    def events(self, account: str, after: int = 0, until: int | None = None) -> Operation:
        """Reads events on the write side, to their end or until a version."""
        path = f"/v1/accounts/{account}/events?after={after}&limit=30"
        rows = [row for row in self.rows if row.account_id == account and row.version > after]
        shown = [row for row in rows if until is None or row.version <= until]
        data = [{**json.loads(row.body), "hash": row.hash.hex()} for row in shown]
        page = {"next": None, "has_more": len(shown) < len(rows)}
        return self.told(Kind.READ, path, {"data": data, "page": page})

    def snapshot(self, **shown: list[int]) -> Operation:
        """Reads all heads."""
        heads = {
            name: [head.state.version, head.state.booked, head.state.held]
            for name, head in self.bank.state.heads.items()
        }
        return self.told(Kind.SNAPSHOT, "heads", {"position": 1, "accounts": heads | shown})

    def told(self, kind: Kind, path: str, reply: dict[str, Any], process: int = 1) -> Operation:
        operation = self.operation(kind, "GET", path, process=process)
        begin, end = self.tick()
        operation.attempts.append(
            Attempt(
                invoked_ns=begin,
                completed_ns=end,
                outcome=Outcome.OK,
                status=200,
                reply=json.dumps(reply),
            )
        )
        return operation

    def balance(self, account: str) -> dict[str, Any]:
        state = self.bank.state.heads[account].state
        return {
            "account": account,
            "version": state.version,
            "booked": state.booked,
            "held": state.held,
            "available": state.available,
        }

    def operation(
        self,
        kind: Kind,
        method: str,
        path: str,
        *,
        key: str = "",
        body: str = "",
        process: int = 1,
    ) -> Operation:
        operation = Operation(
            number=len(self.history) + 1,
            process=process,
            kind=kind,
            key=key,
            method=method,
            path=path,
            body=body,
        )
        self.history.append(operation)
        return operation

    def tick(self) -> tuple[int, int]:
        begin = self.now_ns
        self.now_ns += 10 * MS
        return begin, begin + 5 * MS

    def journal(self) -> Journal:
        """Gives what a reader of PostgreSQL would give."""
        journal = Journal(opened=dict(self.accounts))
        folder = Folder(journal)
        for row in sorted(self.rows, key=lambda row: (row.account_id, row.version)):
            folder.take({**row._asdict(), "event_id": uuid.UUID(row.event_id)})
        for key, receipt in self.bank.state.receipts.items():
            digest = hashlib.sha256(receipt.body).digest()
            journal.receipts[key] = Receipt(receipt.status, 1, digest)
        for row in self.outbox:
            digest = hashlib.sha256(row.value).digest()
            key = row.key.decode()
            journal.outbox.append(Unsent(row.topic, row.position, row.partition, key, digest))
        return journal

    def topic(self) -> Topic:
        """Gives what a reader of Kafka would give."""
        offsets = [itertools.count() for _ in range(PARTITIONS)]
        records = []
        for row in self.outbox:
            if row.topic != TOPIC:
                continue
            named = dict(decode_headers(row.headers))
            records.append(
                Record(
                    partition=row.partition,
                    offset=next(offsets[row.partition]),
                    key=row.key.decode(),
                    event_id=uuid.UUID(named["ce_id"].decode()).bytes,
                    version=int(named["ce_version"]),
                    hash=bytes.fromhex(named["ce_hash"].decode()),
                    digest=hashlib.sha256(row.value).digest(),
                )
            )
        records.sort(key=lambda record: (record.partition, record.offset))
        return Topic(partitions=PARTITIONS, records=records)

    def copies(self, name: str = "Redis") -> Copies:
        """Gives what a reader of a read model would give."""
        accounts = {
            account: Copy(
                amounts=events[-1].amounts,
                hash=events[-1].hash,
                event_id=events[-1].event_id,
            )
            for account, events in self.journal().accounts.items()
        }
        return Copies(name=name, accounts=accounts)

    def entries(self) -> Entries:
        """Gives what a reader of the history index would give."""
        ids = frozenset(uuid.UUID(row.event_id).bytes for row in self.rows)
        return Entries(counted=len(ids), event_ids=ids)


def small_town() -> Town:
    """Three accounts, money, a captured and a voided hold, a reversal, reads, a refusal."""
    town = Town()
    town.send(Kind.OPEN, {"id": "bank", "currency": "EUR", "kind": "settlement"})
    town.send(Kind.OPEN, {"id": "alice", "currency": "EUR"})
    town.send(Kind.OPEN, {"id": "bob", "currency": "EUR", "overdraft_limit": 10})
    pay(town, "t1", "bank", "alice", 50)
    town.snapshot()
    pay(town, "t2", "alice", "bob", 5)
    town.read("alice")
    hold = {"account": "alice", "currency": "EUR"}
    town.send(Kind.HOLD, {"id": "h1", "amount": 4, **hold})
    town.send(Kind.HOLD, {"id": "h2", "amount": 2, **hold})
    town.send(Kind.CAPTURE, {"to": "bob", "amount": 3, "transfer_id": "t3"}, subject="h1")
    town.send(Kind.VOID, {}, subject="h2")
    town.send(Kind.REVERSAL, {"transfer_id": "t4"}, subject="t2")
    town.projected("alice", min_version=3)
    town.events("alice", after=2)
    town.retry(named(town, "t1"))
    pay(town, "t5", "alice", "bob", 1000)
    town.snapshot()
    return town


def pay(town: Town, key: str, source: str, to: str, amount: int, **more: Any) -> Operation:
    """Sends a transfer in EUR."""
    body = {"id": key, "from": source, "to": to, "amount": amount, "currency": "EUR"}
    return town.send(Kind.TRANSFER, body | more)


def named(town: Town, key: str) -> Operation:
    """Finds an operation by its key."""
    return next(one for one in town.history if one.key == key)


def of_kind(town: Town, kind: Kind, number: int = 0) -> Operation:
    """Finds an operation by its kind."""
    return [one for one in town.history if one.kind is kind][number]


def fits(pattern: str, path: str) -> bool:
    """Tells whether a path is one of a pattern with an id in it."""
    parts, wanted = path.split("/"), pattern.split("/")
    pairs = zip(parts, wanted, strict=False)
    return len(parts) == len(wanted) and all(w in ("{}", p) for p, w in pairs)


def answer_with(operation: Operation, **changes: Any) -> None:
    """Changes the last answer of an operation."""
    operation.attempts[-1] = dataclasses.replace(operation.attempts[-1], **changes)


def reply_with(operation: Operation, **changes: Any) -> None:
    """Changes members of the last reply of an operation."""
    reply = json.loads(operation.attempts[-1].reply)
    answer_with(operation, reply=json.dumps(reply | changes))


def unknown(operation: Operation) -> None:
    """Makes it an operation of which nobody knows what became of it."""
    answer_with(
        operation, outcome=Outcome.INFO, status=0, reply="", location="", code="timeout"
    )


def change(journal: Journal, account: str, version: int, **changes: Any) -> None:
    """Changes one event of a journal."""
    events = journal.accounts[account]
    events[version - 1] = msgspec.structs.replace(events[version - 1], **changes)


def without(journal: Journal, key: str) -> Journal:
    """Drops what a key led to; whatever came after keeps its version."""
    for account, events in journal.accounts.items():
        journal.accounts[account] = [event for event in events if event.key != key]
    return journal


def event_of(journal: Journal, key: str) -> Event:
    """Finds the first event of a key."""
    return next(e for events in journal.accounts.values() for e in events if e.key == key)


def row(event: Any, **changes: Any) -> dict[str, Any]:
    """Gives a row of the events table as the reader gets it."""
    return {**event._asdict(), "event_id": uuid.UUID(event.event_id), **changes}
