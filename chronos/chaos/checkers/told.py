"""What requests asked and answers told: the bytes of a history as facts.

Read with shapes of the checkers' own. An answer that cannot be read is a violation of whoever
needed it, so every function here raises for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from chronos.chaos.history import Attempt, Kind, Operation, Outcome
from chronos.chaos.readers.facts import Amounts, Event, Journal

WRITES: Final = frozenset(
    {Kind.OPEN, Kind.TRANSFER, Kind.HOLD, Kind.CAPTURE, Kind.VOID, Kind.REVERSAL}
)
"""Kinds that change something when they are granted; a RETRY never does."""


class Receipt(msgspec.Struct):
    """What every granted command answers."""

    id: str
    position: int
    accounts: dict[str, Amounts]


class Snapshot(msgspec.Struct):
    """The heads of all accounts: version, booked, held."""

    accounts: dict[str, tuple[int, int, int]]


class Balance(msgspec.Struct):
    """A balance of either side."""

    account: str
    version: int
    booked: int
    held: int
    available: int
    source: str = ""

    @property
    def amounts(self) -> Amounts:
        """Gives the amounts alone."""
        return Amounts(self.version, self.booked, self.held, self.available)


class ListedEvent(msgspec.Struct):
    """One event of a page."""

    account_id: str
    version: int
    event_id: str
    hash: str
    booked_after: int
    held_after: int


class _Page(msgspec.Struct):
    has_more: bool


class _Events(msgspec.Struct):
    data: list[ListedEvent]
    page: _Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A page of an account's events."""

    account_id: str
    after: int
    events: Sequence[ListedEvent]
    has_more: bool

    @property
    def version(self) -> int:
        """Tells the newest version that it shows; `after` for an empty page."""
        return self.events[-1].version if self.events else self.after


_receipt = msgspec.json.Decoder(Receipt).decode
_snapshot = msgspec.json.Decoder(Snapshot).decode
_balance = msgspec.json.Decoder(Balance).decode
_events = msgspec.json.Decoder(_Events).decode
_request = msgspec.json.Decoder(dict[str, Any]).decode


def answered(
    operations: Iterable[Operation], *kinds: Kind
) -> Iterator[tuple[Operation, Attempt]]:
    """Yields the granted operations of some kinds, each with the answer that settled it."""
    for operation in operations:
        if operation.kind in kinds:
            known = operation.answered
            if known is not None and known.outcome is Outcome.OK:
                yield operation, known


def receipt_of(attempt: Attempt) -> Receipt:
    """Reads the answer to a granted command.

    Raises:
        msgspec.MsgspecError: It is none.
    """
    return _receipt(attempt.reply)


def snapshot_of(attempt: Attempt) -> Snapshot:
    """Reads a snapshot.

    Raises:
        msgspec.MsgspecError: It is none.
    """
    return _snapshot(attempt.reply)


def balance_of(attempt: Attempt) -> Balance:
    """Reads a balance.

    Raises:
        msgspec.MsgspecError: It is none.
    """
    return _balance(attempt.reply)


def read_of(operation: Operation, attempt: Attempt) -> Balance | Listed:
    """Reads the answer of a READ: a balance, or a page of events.

    Raises:
        msgspec.MsgspecError: It is neither.
    """
    path = urlsplit(operation.path)
    if not path.path.endswith("/events"):
        return balance_of(attempt)
    found = _events(attempt.reply)
    after = parse_qs(path.query).get("after", ["0"])[0]
    return Listed(
        account_id=path.path.split("/")[3],
        after=int(after),
        events=found.data,
        has_more=found.page.has_more,
    )


def min_version_of(operation: Operation) -> int:
    """Tells the `min_version` that a projected read asked for; 0 for none."""
    return int(parse_qs(urlsplit(operation.path).query).get("min_version", ["0"])[0])


def request_of(operation: Operation) -> dict[str, Any]:
    """Reads the body of a request; an empty one is an empty object.

    Raises:
        msgspec.MsgspecError: It is no object.
    """
    return _request(operation.body) if operation.body else {}


def subject_of(operation: Operation) -> str:
    """Gives the id in the path of a command about something that is there."""
    return urlsplit(operation.path).path.split("/")[3]


def name_of(operation: Operation) -> str:
    """Names an operation for a violation."""
    key = f", key {operation.key}" if operation.key else ""
    return f"{operation.kind} {operation.number} of client {operation.process}{key}"


def shown(amounts: Amounts) -> str:
    """Writes amounts for a violation."""
    return (
        f"version {amounts.version}: booked {amounts.booked}, held {amounts.held}, "
        f"available {amounts.available}"
    )


def unlike(journal: Journal, account_id: str, told: Amounts) -> str:
    """Says how amounts differ from the journal's fold at their version; empty for equal."""
    event = journal.at(account_id, told.version)
    if event is None:
        return f"{account_id} is told at version {told.version}, which the journal has not"
    if event.amounts != told:
        return f"{account_id} is told at {shown(told)}; the journal has {shown(event.amounts)}"
    return ""


def by_key(journal: Journal) -> dict[str, list[Event]]:
    """Groups the events by the idempotency key that led to them, in the order of positions."""
    groups: dict[str, list[Event]] = {}
    for events in journal.accounts.values():
        for event in events:
            groups.setdefault(event.key, []).append(event)
    for group in groups.values():
        group.sort(key=lambda event: event.position)
    return groups
