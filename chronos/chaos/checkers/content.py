"""What a command must have led to, and what events it did lead to, in comparable words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chronos.chaos.checkers.told import request_of, subject_of
from chronos.chaos.history import Kind, Operation
from chronos.chaos.readers.facts import Event, Journal
from chronos.chaos.readers.fold import note_of


@dataclass(frozen=True, slots=True)
class Placed:
    """What a hold was when it was placed."""

    account_id: str
    amount: int
    currency: str


class Contents:
    """Compares commands with their events; knows the holds and transfers they refer to."""

    def __init__(self, journal: Journal):
        self._holds: dict[str, Placed] = {}
        self._postings: dict[str, list[Event]] = {}
        for events in journal.accounts.values():
            for event in events:
                if event.type == "HoldPlaced":
                    self._holds[event.hold_id] = Placed(
                        event.account_id, event.hold_amount, event.currency
                    )
                elif event.amount:
                    self._postings.setdefault(event.transfer_id, []).append(event)

    def unlike(self, operation: Operation, events: Sequence[Event]) -> str:
        """Says how events are not what a command asked for; empty when they are."""
        wanted = self._wanted(operation)
        found = sorted(map(said, events))
        if isinstance(wanted, str):
            return wanted
        if sorted(wanted) == found:
            return ""
        return f"asked for [{'; '.join(sorted(wanted))}], led to [{'; '.join(found)}]"

    def _wanted(self, operation: Operation) -> list[str] | str:
        """Gives what the events must say, or why nothing could be granted."""
        asked = request_of(operation)
        match operation.kind:
            case Kind.OPEN:
                kind = asked.get("kind") or "customer"
                limit = asked.get("overdraft_limit")
                if limit is None and kind == "customer":
                    limit = 0
                return [_opened(asked["id"], kind, asked["currency"], limit)]
            case Kind.TRANSFER:
                return _moved(
                    asked, asked["from"], asked["to"], asked["amount"], asked["currency"]
                )
            case Kind.HOLD:
                placed = Placed(asked["account"], asked["amount"], asked["currency"])
                return [_hold("HoldPlaced", placed, asked["id"])]
            case _:
                return self._wanted_of(operation, asked)

    def _wanted_of(self, operation: Operation, asked: dict[str, Any]) -> list[str] | str:
        """Gives the same of what is about something that is there."""
        match operation.kind:
            case Kind.CAPTURE | Kind.VOID:
                return self._ended(operation, asked)
            case Kind.REVERSAL:
                return self._reversed(operation, asked)
            case _:
                return f"a {operation.kind} leads to no event"

    def _ended(self, operation: Operation, asked: dict[str, Any]) -> list[str] | str:
        hold_id = subject_of(operation)
        hold = self._holds.get(hold_id)
        if hold is None:
            return f"ended hold {hold_id}, which was never placed"
        if operation.kind is Kind.VOID:
            return [_hold("HoldVoided", hold, hold_id)]
        amount = asked.get("amount") or hold.amount
        transfer_id, to = asked["transfer_id"], asked["to"]
        captured = f"{_hold('HoldCaptured', hold, hold_id)} {amount} to {to} by {transfer_id}"
        movement = {**asked, "id": transfer_id}
        return [captured, *_moved(movement, hold.account_id, to, amount, hold.currency)]

    def _reversed(self, operation: Operation, asked: dict[str, Any]) -> list[str] | str:
        reversed_id = subject_of(operation)
        postings = self._postings.get(reversed_id)
        if not postings:
            return f"reversed transfer {reversed_id}, which is not there"
        note = _note(asked)
        return [
            _posting(one.account_id, -one.amount, one.currency, asked["transfer_id"])
            + f" reverses {reversed_id}{note}"
            for one in postings
        ]


def said(event: Event) -> str:
    """Writes what an event says, as `Contents` writes what it must say."""
    if event.amount:
        of = f" reverses {event.reverses}" if event.reverses else ""
        note = f" with {event.note}" if event.note else ""
        line = _posting(event.account_id, event.amount, event.currency, event.transfer_id)
        return line + of + note
    if event.hold_id:
        hold = Placed(event.account_id, event.hold_amount, event.currency)
        line = _hold(event.type, hold, event.hold_id)
        if event.type != "HoldCaptured":
            return line
        return f"{line} {event.captured_amount} to {event.destination} by {event.transfer_id}"
    if event.type == "AccountOpened":
        return _opened(event.account_id, event.kind, event.currency, event.overdraft_limit)
    return f"{event.type} on {event.account_id}"


def _moved(
    asked: dict[str, Any], source: str, destination: str, amount: int, currency: str
) -> list[str]:
    return [
        _posting(account, signed, currency, asked["id"]) + _note(asked)
        for account, signed in ((source, -amount), (destination, amount))
    ]


def _note(asked: dict[str, Any]) -> str:
    note = note_of(asked.get("description"), asked.get("metadata"), asked.get("external_id"))
    return f" with {note}" if note else ""


def _posting(account: str, amount: int, currency: str, transfer_id: str) -> str:
    return f"{amount:+} {currency} on {account} in {transfer_id}"


def _hold(kind: str, hold: Placed, hold_id: str) -> str:
    return f"{kind} {hold_id} of {hold.amount} {hold.currency} on {hold.account_id}"


def _opened(account: str, kind: str, currency: str, limit: int | None) -> str:
    return f"opened {account}, {kind}, in {currency}, limit {limit}"
