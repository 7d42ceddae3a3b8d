"""The one table of routes: what each takes, whom it lets in, what it answers.

The router, the checks of the door and the OpenAPI document all read this table; what is not in
it does not exist.
"""

from __future__ import annotations

from typing import Final

import msgspec

from chronos.api import answers, health
from chronos.api.accounts import list_events, open_account, show_account, show_balance
from chronos.api.answer import JSON
from chronos.api.currencies import list_currencies
from chronos.api.query import AFTER, DRY_RUN, LIMIT, Parameter
from chronos.api.routes import Handler, Route
from chronos.api.transfers import make_transfer, show_transfer
from chronos.api.trial_balance import show_trial_balance
from chronos.auth.principals import Scope
from chronos.telemetry.metrics import CONTENT_TYPE as METRICS_TEXT
from chronos.wire.bodies import Body, OpenAccountBody, TransferBody

COMMAND_BODY_BYTES_MAX: Final = 64 * 1024

_REFUSALS_OF_OPENING: Final = ("account_exists", "external_id_exists")
_REFUSALS_OF_TRANSFER: Final = (
    "insufficient_funds",
    "account_frozen",
    "account_closed",
    "balance_limit",
    "transfer_exists",
    "version_conflict",
    "account_not_found",
    "currency_mismatch",
    "same_account",
    "date_invalid",
)


def _command(
    path: str,
    summary: str,
    *,
    handler: Handler,
    body: type[Body],
    answer: type[msgspec.Struct],
    refusals: tuple[str, ...],
) -> Route:
    return Route(
        method="POST",
        path=path,
        summary=summary,
        handler=handler,
        answer=answer,
        status=201,
        scope=Scope.WRITE,
        needs_journal=True,
        body=body,
        body_bytes_max=COMMAND_BODY_BYTES_MAX,
        query=(DRY_RUN,),
        refusals=refusals,
    )


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

ROUTES: Final = (
    _command(
        "/v1/accounts",
        "Open an account.",
        handler=open_account,
        body=OpenAccountBody,
        answer=answers.OpenedAccount,
        refusals=_REFUSALS_OF_OPENING,
    ),
    _command(
        "/v1/transfers",
        "Move money from one account to another.",
        handler=make_transfer,
        body=TransferBody,
        answer=answers.BookedTransfer,
        refusals=_REFUSALS_OF_TRANSFER,
    ),
    _read(
        "/v1/accounts/{id}",
        "Read an account from the journal.",
        handler=show_account,
        answer=answers.Account,
        refusals=("account_not_found",),
    ),
    _read(
        "/v1/accounts/{id}/balance",
        "Read a balance from the journal.",
        handler=show_balance,
        answer=answers.Balance,
        refusals=("account_not_found",),
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
        "/v1/trial-balance",
        "Add up the books by currency and kind.",
        handler=show_trial_balance,
        answer=answers.TrialBalance,
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
)
