"""The one table of the query side's routes: its views, their checks and its document."""

from __future__ import annotations

from typing import Final

from chronos.telemetry.metrics import CONTENT_TYPE as METRICS_TEXT
from web.routes import shapes
from web.routes.route import ViewRoute
from web.routes.taken import (
    ACCOUNT,
    CURRENCY_CODE,
    EVENT_TYPE,
    EXTERNAL_ID,
    KIND,
    LAST_EVENT_ID,
    METADATA,
    MIN_VERSION,
    NARROWING,
    PAGING,
    START,
    STATUS,
    TRANSFER_ID,
    WORDS,
)

EVENT_STREAM: Final = "text/event-stream"
_OF_LISTS: Final = ("invalid_cursor", "search_unavailable")

BALANCE: Final = ViewRoute(
    name="balance",
    operation="show_balance",
    path="/v1/accounts/{account_id}/balance",
    summary="Read a balance, fast.",
    shape=shapes.BalanceAnswer,
    takes=(MIN_VERSION,),
    codes=("account_not_found", "read_model_behind"),
)
HOLDS: Final = ViewRoute(
    name="holds",
    operation="list_holds",
    path="/v1/accounts/{account_id}/holds",
    summary="List the open holds of an account.",
    shape=shapes.HoldsAnswer,
    takes=(MIN_VERSION,),
    codes=("account_not_found", "read_model_behind"),
)
ENTRIES: Final = ViewRoute(
    name="entries",
    operation="list_entries",
    path="/v1/accounts/{account_id}/entries",
    summary="List the history of an account, newest first.",
    shape=shapes.EntriesAnswer,
    takes=(EVENT_TYPE, TRANSFER_ID, *NARROWING, *PAGING, MIN_VERSION),
    codes=("account_not_found", "read_model_behind", *_OF_LISTS),
)
ACCOUNTS: Final = ViewRoute(
    name="accounts",
    operation="list_accounts",
    path="/v1/accounts",
    summary="List accounts by id, or search for them.",
    shape=shapes.AccountsAnswer,
    takes=(KIND, STATUS, CURRENCY_CODE, EXTERNAL_ID, METADATA, WORDS, *PAGING),
    codes=_OF_LISTS,
)
TRANSFERS: Final = ViewRoute(
    name="transfers",
    operation="list_transfers",
    path="/v1/transfers",
    summary="List transfers, newest first, or search for them.",
    shape=shapes.TransfersAnswer,
    takes=(ACCOUNT, CURRENCY_CODE, *NARROWING, *PAGING),
    codes=_OF_LISTS,
)
STREAM: Final = ViewRoute(
    name="stream",
    operation="stream_events",
    path="/v1/stream",
    summary="Stream events as they come, as server-sent events.",
    media_type=EVENT_STREAM,
    takes=(ACCOUNT, START, LAST_EVENT_ID),
    takes_event_id=True,
    codes=("invalid_cursor", "not_acceptable"),
)
PIPELINE: Final = ViewRoute(
    name="pipeline",
    operation="show_pipeline",
    path="/v1/pipeline",
    summary="Tell where each stage of the pipeline stands.",
    shape=shapes.PipelineAnswer,
)
OPENAPI: Final = ViewRoute(
    name="openapi",
    operation="show_openapi",
    path="/openapi.json",
    summary="This interface, described.",
    is_open=True,
)
HEALTHZ: Final = ViewRoute(
    name="healthz",
    operation="live",
    path="/healthz",
    summary="Is the process alive?",
    shape=shapes.LiveAnswer,
    is_open=True,
    fails_in_shape=True,
)
READYZ: Final = ViewRoute(
    name="readyz",
    operation="ready",
    path="/readyz",
    summary="May it be sent work?",
    shape=shapes.ReadyAnswer,
    is_open=True,
    fails_in_shape=True,
)
METRICS: Final = ViewRoute(
    name="metrics",
    operation="expose_metrics",
    path="/metrics",
    summary="Its metrics, as Prometheus text.",
    media_type=METRICS_TEXT,
    is_open=True,
)

ROUTES: Final = (
    BALANCE,
    HOLDS,
    ENTRIES,
    ACCOUNTS,
    TRANSFERS,
    STREAM,
    PIPELINE,
    HEALTHZ,
    READYZ,
    METRICS,
    OPENAPI,
)
