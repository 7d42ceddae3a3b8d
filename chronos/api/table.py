"""The one table of routes: what each takes, whom it lets in, what it answers.

The router, the checks of the door and the OpenAPI document all read this table; what is not in
it does not exist.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from chronos.api import answers, health, refusals
from chronos.api.accounts import list_events, show_account
from chronos.api.answer import CSV, HTML, JSON
from chronos.api.balances import show_balance
from chronos.api.batches import run_batch
from chronos.api.commands import run_command
from chronos.api.currencies import list_currencies
from chronos.api.holds import show_hold
from chronos.api.query import (
    AFTER,
    AT,
    CURSOR,
    DRY_RUN,
    FORMAT,
    LIMIT,
    LINES,
    SINCE,
    UNTIL,
    VALUE_DATE,
    Parameter,
)
from chronos.api.routes import Handler, Route
from chronos.api.statement import show_statement
from chronos.api.transfers import show_transfer
from chronos.api.trial_balance import show_trial_balance
from chronos.auth.principals import Scope
from chronos.telemetry.metrics import CONTENT_TYPE as METRICS_TEXT
from chronos.wire.batch import BatchBody
from chronos.wire.bodies import (
    Body,
    EntriesBody,
    ExchangeBody,
    OpenAccountBody,
    ReverseBody,
    TransferBody,
)
from chronos.wire.hold_bodies import CaptureBody, HoldBody, VoidBody
from chronos.wire.verb_bodies import (
    CloseBody,
    FreezeBody,
    MetadataBody,
    OverdraftLimitBody,
    UnfreezeBody,
)

COMMAND_BODY_BYTES_MAX: Final = 64 * 1024
BULK_BODY_BYTES_MAX: Final = 2 * 1024 * 1024


def _command(
    path: str,
    summary: str,
    *,
    operation: str,
    body: type[Body],
    answer: type[msgspec.Struct],
    refusals: tuple[str, ...],
) -> Route:
    """Gives the route of a command that creates something."""
    return Route(
        method="POST",
        path=path,
        summary=summary,
        handler=run_command,
        operation=operation,
        answer=answer,
        status=201,
        scope=Scope.WRITE,
        needs_journal=True,
        body=body,
        body_bytes_max=COMMAND_BODY_BYTES_MAX,
        query=(DRY_RUN,),
        refusals=refusals,
    )


def _verb(
    path: str,
    summary: str,
    *,
    operation: str,
    body: type[Body],
    refusals: tuple[str, ...],
    is_body_optional: bool = True,
) -> Route:
    """Gives the route of a command on an account."""
    route = _command(
        f"/v1/accounts/{{id}}/{path}",
        summary,
        operation=operation,
        body=body,
        answer=answers.ChangedAccount,
        refusals=("account_not_found", "account_closed", "version_conflict", *refusals),
    )
    return replace(route, status=200, takes_if_match=True, body_optional=is_body_optional)


def _read(
    path: str,
    summary: str,
    *,
    handler: Handler,
    answer: type[msgspec.Struct],
    query: tuple[Parameter[object], ...] = (),
    refusals: tuple[str, ...] = (),
) -> Route:
    return Route(
        method="GET",
        path=path,
        summary=summary,
        handler=handler,
        answer=answer,
        scope=Scope.READ,
        needs_journal=True,
        query=query,
        refusals=refusals,
    )


def _open(
    path: str,
    summary: str,
    *,
    handler: Handler,
    answer: type[msgspec.Struct] | None,
    media_type: str = JSON,
) -> Route:
    return Route(
        method="GET",
        path=path,
        summary=summary,
        handler=handler,
        answer=answer,
        media_type=media_type,
    )


ADMIN_ROUTES: Final = (
    _open("/healthz", "Is the process alive?", handler=health.live, answer=answers.Health),
    _open("/readyz", "May it be sent work?", handler=health.ready, answer=answers.Health),
    _open(
        "/metrics",
        "Its metrics, as Prometheus text.",
        handler=health.expose_metrics,
        answer=None,
        media_type=METRICS_TEXT,
    ),
)

COMMANDS: Final = (
    _command(
        "/v1/accounts",
        "Open an account.",
        operation="open_account",
        body=OpenAccountBody,
        answer=answers.OpenedAccount,
        refusals=("account_exists", "external_id_exists", "date_invalid"),
    ),
    _command(
        "/v1/transfers",
        "Move money from one account to another.",
        operation="make_transfer",
        body=TransferBody,
        answer=answers.BookedTransfer,
        refusals=refusals.OF_ENTRIES,
    ),
    replace(
        _command(
            "/v1/entries",
            "Book postings that sum to zero.",
            operation="post_entries",
            body=EntriesBody,
            answer=answers.BookedEntry,
            refusals=(*refusals.OF_ENTRIES, "unbalanced", "too_many_postings"),
        ),
        body_bytes_max=BULK_BODY_BYTES_MAX,
    ),
    _command(
        "/v1/exchanges",
        "Sell one currency for another.",
        operation="exchange_funds",
        body=ExchangeBody,
        answer=answers.BookedEntry,
        refusals=(*refusals.OF_ENTRIES, "position_account_missing"),
    ),
    replace(
        _command(
            "/v1/transfers/{id}/reverse",
            "Book a transfer once more with its sides swapped.",
            operation="reverse_transfer",
            body=ReverseBody,
            answer=answers.BookedEntry,
            refusals=refusals.OF_REVERSALS,
        ),
        body_optional=True,
    ),
    _command(
        "/v1/holds",
        "Reserve an amount of an account.",
        operation="place_hold",
        body=HoldBody,
        answer=answers.PlacedHold,
        refusals=refusals.OF_HOLDS,
    ),
    replace(
        _command(
            "/v1/holds/{id}/capture",
            "Move up to the held amount; the rest is available again.",
            operation="capture_hold",
            body=CaptureBody,
            answer=answers.EndedHold,
            refusals=refusals.OF_CAPTURES,
        ),
        status=200,
    ),
    replace(
        _command(
            "/v1/holds/{id}/void",
            "End a hold; nothing moves.",
            operation="void_hold",
            body=VoidBody,
            answer=answers.EndedHold,
            refusals=("hold_not_found", "hold_not_open", "version_conflict"),
        ),
        status=200,
        body_optional=True,
    ),
    _verb(
        "freeze",
        "Forbid an account to pay, or also to be paid.",
        operation="freeze_account",
        body=FreezeBody,
        refusals=("account_frozen",),
    ),
    _verb(
        "unfreeze",
        "Let a frozen account pay and be paid again.",
        operation="unfreeze_account",
        body=UnfreezeBody,
        refusals=("account_not_frozen",),
    ),
    _verb(
        "close",
        "Close an empty account for good.",
        operation="close_account",
        body=CloseBody,
        refusals=("balance_not_zero", "holds_open"),
    ),
    _verb(
        "overdraft-limit",
        "Set how far below zero an account may go.",
        operation="set_overdraft_limit",
        body=OverdraftLimitBody,
        refusals=("insufficient_funds", "balance_limit"),
        is_body_optional=False,
    ),
    _verb(
        "metadata",
        "Replace the metadata of an account.",
        operation="annotate_account",
        body=MetadataBody,
        refusals=(),
        is_body_optional=False,
    ),
    replace(
        _command(
            "/v1/batches",
            "Execute many commands in one transaction.",
            operation="run_batch",
            body=BatchBody,
            answer=answers.ExecutedBatch,
            refusals=("batch_rejected", "batch_too_large"),
        ),
        handler=run_batch,
        status=200,
        body_bytes_max=BULK_BODY_BYTES_MAX,
    ),
)

ROUTES: Final = (
    *COMMANDS,
    _read(
        "/v1/accounts/{id}",
        "Read an account from the journal.",
        handler=show_account,
        answer=answers.Account,
        refusals=("account_not_found",),
    ),
    _read(
        "/v1/accounts/{id}/balance",
        "Read a balance from the journal: now, at a moment, or for a banking day.",
        handler=show_balance,
        answer=answers.Balance,
        query=(AT, VALUE_DATE),
        refusals=("account_not_found",),
    ),
    Route(
        method="GET",
        path="/v1/accounts/{id}/statement",
        summary="State what moved money on an account: whole, in a stream, or page by page.",
        handler=show_statement,
        answer=answers.Statement,
        scope=Scope.READ,
        needs_journal=True,
        query=(SINCE, UNTIL, FORMAT, LINES, CURSOR),
        refusals=("account_not_found", "invalid_cursor"),
        other_media_types=(CSV,),
    ),
    _read(
        "/v1/accounts/{id}/events",
        "List an account's events, oldest first.",
        handler=list_events,
        answer=answers.Events,
        query=(AFTER, LIMIT),
        refusals=("account_not_found",),
    ),
    _read(
        "/v1/transfers/{id}",
        "Read a transfer from the journal.",
        handler=show_transfer,
        answer=answers.BookedEntry,
        refusals=("transfer_not_found",),
    ),
    _read(
        "/v1/holds/{id}",
        "Read a hold from the journal.",
        handler=show_hold,
        answer=answers.Hold,
        refusals=("hold_not_found",),
    ),
    _read(
        "/v1/trial-balance",
        "Add up the books by currency and kind, at any moment.",
        handler=show_trial_balance,
        answer=answers.TrialBalance,
        query=(AT,),
    ),
    _read(
        "/v1/currencies",
        "List the currencies in use.",
        handler=list_currencies,
        answer=answers.Currencies,
    ),
    *ADMIN_ROUTES,
    _open(
        "/openapi.json", "This interface, described.", handler=health.show_openapi, answer=None
    ),
    _open(
        "/docs",
        "This interface, for people.",
        handler=health.show_docs,
        answer=None,
        media_type=HTML,
    ),
    _open(
        "/asyncapi.json", "The topics, described.", handler=health.show_asyncapi, answer=None
    ),
)
