"""What the examples are run on: the core with its book-keeping in memory, or a real bank."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from typing import Any, Protocol, TypeVar

from chronos.domain.commands import Command
from chronos.ledger.resolve import resolved
from chronos.wire.booking import AnyAttempt, EventRow
from chronos.wire.receipt import Receipt
from tests import builders
from tests.builders import MemoryBank, bookkeeper
from tests.commands import batch
from tests.property.model import Moment

REFUSED = 400
_T = TypeVar("_T")


@dataclass(frozen=True)
class Single:
    """One command under its key."""

    key: str
    command: Command


@dataclass(frozen=True)
class Item:
    """One command of a batch, under a key of its own or none."""

    key: str | None
    command: Command


@dataclass(frozen=True)
class Several:
    """A batch."""

    key: str
    items: tuple[Item, ...]
    is_atomic: bool


Request = Single | Several


@dataclass(frozen=True)
class Answer:
    """What a sender gets."""

    status: int
    document: dict[str, Any]
    location: str | None
    replayed: bool

    @property
    def code(self) -> str | None:
        return self.document["code"] if self.status >= REFUSED else None


class Driver(Protocol):
    """Where the machine sends its requests."""

    has_own_clock: bool
    """Whether the machine may move the bank's clock, and so let holds expire."""
    has_shapes: bool
    """Whether requests are checked for their shape."""
    minute: timedelta
    """The unit in which holds expire."""

    def own(self, name: str) -> str:
        """Makes a name that no other example has."""
        ...

    def moment(self) -> Moment:
        """When the next command will be decided, as exactly as the driver can know it."""
        ...

    def send(self, requests: Sequence[Request]) -> Sequence[Answer]:
        """Sends requests in their order, in one transaction if the driver can see to that."""
        ...

    def preview(self, request: Request) -> Answer: ...

    def new_rows(self) -> Sequence[EventRow]:
        """The events since the last call, each account's in order."""
        ...

    def move_clock(self, by: timedelta) -> None: ...

    def close(self) -> None: ...


def _bank() -> MemoryBank:
    """Decides a batch command by command, as one that comes in parts is decided."""
    bank = MemoryBank.empty()
    bank.keeper = bookkeeper(part_events=1)
    return bank


@dataclass
class MemoryDriver:
    """The core, its book-keeping and the completion of references, without a server."""

    bank: MemoryBank = field(default_factory=_bank)
    has_own_clock: bool = True
    has_shapes: bool = False
    minute: timedelta = timedelta(minutes=1)
    rows: list[EventRow] = field(default_factory=list)
    positions: dict[bytes, int] = field(default_factory=dict)

    def own(self, name: str) -> str:
        return name

    def moment(self) -> Moment:
        now = self.bank.state.now
        return Moment(now, now.astimezone(UTC).date())

    def send(self, requests: Sequence[Request]) -> Sequence[Answer]:
        booked = self.bank.commit([self._complete(request) for request in requests])
        self.rows += booked.event_rows
        events = [row.value for row in booked.outbox_rows if row.topic.endswith(".events.v1")]
        assert events == [row.body for row in booked.event_rows]
        for row in booked.outbox_rows:  # events and refusals of an account, in one order
            assert row.position > self.positions.get(row.key, 0)
            self.positions[row.key] = row.position
        return [_answer(receipt) for receipt in booked.receipts]

    def preview(self, request: Request) -> Answer:
        attempt = self._complete(request)
        found = self.bank.found_for((attempt,))
        fresh = replace(found, receipts={}, positions=(0,) * len(found.positions))
        booked = self.bank.keeper.book((attempt,), fresh)
        return _answer(booked.receipts[0])

    def new_rows(self) -> Sequence[EventRow]:
        rows, self.rows = self.rows, []
        return rows

    def move_clock(self, by: timedelta) -> None:
        self.bank.state = replace(self.bank.state, now=self.bank.state.now + by)

    def close(self) -> None:
        pass

    def _complete(self, request: Request) -> AnyAttempt:
        return at_once(resolved(_attempt(request), self.bank))


def _attempt(request: Request) -> AnyAttempt:
    if isinstance(request, Single):
        return builders.attempt(request.command, request.key)
    items = (
        builders.attempt(
            item.command,
            item.key or f"{request.key} {n}",
            has_own_key=item.key is not None,
            request_hash=hashlib.sha256(repr(item).encode()).digest(),
        )
        for n, item in enumerate(request.items)
    )
    return batch(*items, key=request.key, is_atomic=request.is_atomic)


def at_once(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def _answer(receipt: Receipt) -> Answer:
    return Answer(receipt.status, json.loads(receipt.body), receipt.location, receipt.replayed)
