"""Runs the examples of the state machine through HTTP, on a running API and its database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from chronos.domain import commands as c
from chronos.wire.booking import EventRow
from tests.integration.api import wire
from tests.integration.api.running import Inspector
from tests.property.driver import Answer, Request, Single
from tests.property.model import Moment

COLUMNS = ", ".join(
    "event_id::text" if name == "event_id" else name for name in EventRow._fields
)
NEW_ROWS = f"SELECT {COLUMNS} FROM events WHERE position > $1 ORDER BY position"
NEWEST = "SELECT coalesce(max(position), 0) FROM events"
KEEPERS = "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal"
TABLES = "accounts, events, receipts, outbox_0, outbox_1, outbox_2"


@dataclass(frozen=True)
class Call:
    """A command as HTTP has it."""

    path: str
    body: dict[str, Any]
    type: str
    """What an item of a batch is called."""
    subject: str | None = None
    """The id in the path."""
    version: int | None = None
    """For `If-Match`."""


@dataclass
class HttpDriver:
    """Sends requests one after the other, and reads the journal as the database's owner."""

    door: wire.Door
    inspector: Inspector
    zone: ZoneInfo
    has_own_clock: bool = False
    has_shapes: bool = True
    minute: timedelta = timedelta(days=1)
    """Nothing expires while an example runs."""
    position: int = field(init=False)

    def __post_init__(self) -> None:
        self.position = self.inspector.fetch(NEWEST)[0][0]

    def own(self, name: str) -> str:
        return name

    def moment(self) -> Moment:
        now = datetime.now(UTC)
        return Moment(now, now.astimezone(self.zone).date())

    def send(self, requests: Sequence[Request]) -> Sequence[Answer]:
        return [self._post(request) for request in requests]

    def preview(self, request: Request) -> Answer:
        return self._post(request, query="?dry_run=true")

    def new_rows(self) -> Sequence[EventRow]:
        rows = [EventRow(*row) for row in self.inspector.fetch(NEW_ROWS, self.position)]
        self.position = rows[-1].position if rows else self.position
        return rows

    def move_clock(self, by: timedelta) -> None:
        raise NotImplementedError(f"nobody moves PostgreSQL's clock by {by}")

    def close(self) -> None:
        pass

    def get(self, path: str) -> dict[str, Any]:
        answer = self.door.get(path)
        assert answer.status == 200
        return answer.json

    def _post(self, request: Request, query: str = "") -> Answer:
        headers = {}
        if isinstance(request, Single):
            call = call_of(request.command)
            path, body = call.path, call.body
            if call.version is not None:
                headers["If_Match"] = f'"{call.version}"'
        else:
            path = "/v1/batches"
            items = [_item(item.key, call_of(item.command)) for item in request.items]
            body = {"commands": items, "atomic": request.is_atomic}
        answer = self.door.post(path + query, body, key=request.key, **headers)
        return Answer(
            answer.status,
            answer.json,
            answer.headers.get("location"),
            "idempotent-replayed" in answer.headers,
        )


def empty(inspector: Inspector) -> None:
    """Makes the bank as it was before its first account; its guards stand aside for that."""
    guards = inspector.fetch(KEEPERS)
    off = ";".join(f"ALTER TABLE {table} DISABLE TRIGGER {name}" for table, name in guards)
    on = ";".join(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for table, name in guards)
    inspector.execute(f"BEGIN; {off}; TRUNCATE {TABLES}; {on}; COMMIT")


def call_of(command: c.Command) -> Call:
    """Says a command in HTTP; what is not said is left out, but for a limit that is none."""
    match command:
        case c.OpenAccount():
            call = _open(command)
        case c.TransferFunds() | c.PostEntries() | c.ExchangeFunds() | c.ReverseTransfer():
            call = _entry(command)
        case c.PlaceHold() | c.CaptureHold() | c.VoidHold():
            call = _hold(command)
        case c.ExpireHold():
            raise ValueError("no client expires a hold")
        case _:
            call = _verb(command)
    body = {
        name: value
        for name, value in call.body.items()
        if value is not None or (name == "overdraft_limit" and call.subject is not None)
    }
    return Call(call.path, body, call.type, call.subject, call.version)


def _item(key: str | None, call: Call) -> dict[str, Any]:
    named = {"id": call.subject, "expected_version": call.version, "idempotency_key": key}
    said = {name: value for name, value in named.items() if value is not None}
    return {"type": call.type, **call.body, **said}


def _open(command: c.OpenAccount) -> Call:
    body = {
        "id": command.account_id,
        "currency": command.currency,
        "kind": command.kind.value,
        "overdraft_limit": command.overdraft_limit,
        "external_id": command.external_id,
        "metadata": dict(command.metadata),
        "opened_on": _day(command.opened_on),
    }
    return Call("/v1/accounts", body, "open_account")


def _entry(command: c.EntryCommand) -> Call:
    more = _more(command)
    match command:
        case c.TransferFunds():
            body = {
                "id": command.transfer_id,
                "from": command.source,
                "to": command.destination,
                "amount": command.amount,
                "currency": command.currency,
                "external_id": command.external_id,
            }
            return Call("/v1/transfers", body | more, "transfer")
        case c.PostEntries():
            body = {
                "id": command.transfer_id,
                "postings": [
                    {"account": p.account_id, "amount": p.amount} for p in command.postings
                ],
                "currency": command.currency,
            }
            return Call("/v1/entries", body | more, "entries")
        case c.ExchangeFunds():
            body = {
                "id": command.transfer_id,
                "from": command.source,
                "to": command.destination,
                "sell_amount": command.sell_amount,
                "buy_amount": command.buy_amount,
                "sell_currency": command.sell_currency,
                "buy_currency": command.buy_currency,
            }
            return Call("/v1/exchanges", body | more, "exchange")
        case c.ReverseTransfer():
            path = f"/v1/transfers/{command.reverses}/reverse"
            body = {"transfer_id": command.transfer_id}
            return Call(path, body | more, "reverse", command.reverses)


def _hold(command: c.PlaceHold | c.CaptureHold | c.VoidHold) -> Call:
    match command:
        case c.PlaceHold():
            expires_at = command.expires_at
            body = {
                "id": command.hold_id,
                "account": command.account_id,
                "amount": command.amount,
                "currency": command.currency,
                "expires_at": None if expires_at is None else expires_at.isoformat(),
                "description": command.description,
                "expected_versions": dict(command.expected_versions) or None,
            }
            return Call("/v1/holds", body, "hold")
        case c.CaptureHold():
            path = f"/v1/holds/{command.hold_id}/capture"
            body = {
                "to": command.destination,
                "amount": command.amount,
                "transfer_id": command.transfer_id,
                "external_id": command.external_id,
            }
            return Call(path, body | _more(command), "capture", command.hold_id)
        case c.VoidHold():
            path = f"/v1/holds/{command.hold_id}/void"
            body = {
                "description": command.description,
                "expected_versions": dict(command.expected_versions) or None,
            }
            return Call(path, body, "void", command.hold_id)


def _verb(command: c.AccountVerb) -> Call:
    said: Mapping[str, Any]
    match command:
        case c.SetOverdraftLimit():
            name, kind = "overdraft-limit", "set_overdraft_limit"
            said = {"overdraft_limit": command.overdraft_limit}
        case c.FreezeAccount():
            name, kind, said = "freeze", "freeze", {"scope": command.scope.value}
        case c.UnfreezeAccount():
            name, kind, said = "unfreeze", "unfreeze", {}
        case c.CloseAccount():
            name, kind, said = "close", "close", {}
        case c.AnnotateAccount():
            name, kind, said = "metadata", "annotate", {"metadata": dict(command.metadata)}
    path = f"/v1/accounts/{command.account_id}/{name}"
    body = {**said, "description": command.description}
    return Call(path, body, kind, command.account_id, command.expected_version)


def _more(command: c.EntryCommand | c.CaptureHold) -> dict[str, Any]:
    return {
        "description": command.description,
        "value_date": _day(command.value_date),
        "metadata": dict(command.metadata) or None,
        "expected_versions": dict(command.expected_versions) or None,
    }


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
