"""The OpenAPI document of the query side, made from its table of routes, and its view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from chronos.auth.principals import Scope
from chronos.wire.openapi import (
    Code,
    Document,
    Operation,
    Success,
    document_of,
    id_parameter,
    parameter,
)
from chronos.wire.problems import PROBLEMS
from web.respond import JsonAnswer, Respond, json_answer
from web.routes.route import Taken, ViewRoute
from web.routes.table import OPENAPI

_ACCOUNT: Final = "account_id"
_EVENT_ID: Final = parameter(
    "Last-Event-ID",
    "header",
    {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
    text="The id of the last event that was seen; a browser sends it by itself.",
)
_OF_EVERY_ROUTE: Final = ("bad_request", "header_too_large")
_OF_EVERY_KEY: Final = (
    "unauthenticated",
    "insufficient_scope",
    "invalid_parameter",
    "internal_error",
    "unavailable",
)
_IN_PATH: Final = ("account_not_found", "id_invalid")
"""Codes that speak of the address here, and are 404."""


class Described:
    """Answers with the document.

    Args:
        routes: The table.
        version: Version of Chronos.
    """

    def __init__(self, routes: Iterable[ViewRoute], *, version: str):
        self._document = query_document(routes, version=version)

    def add_to(self, respond: Respond) -> None:
        """Puts the view on its path."""
        respond.add_view(OPENAPI, self.answer)

    async def answer(self, _request: web.Request) -> JsonAnswer:
        """Answers with the bytes, made once."""
        return json_answer(self._document)


def query_document(routes: Iterable[ViewRoute], *, version: str) -> bytes:
    """Writes the document.

    Args:
        routes: The table.
        version: Version of Chronos.
    """
    document = document_of(
        [_operation(route) for route in routes],
        title="Chronos query side",
        text="Read models that follow the ledger; each answer tells how far. Amounts are whole "
        "minor units.",
        version=version,
    )
    return msgspec.json.encode(document)


def _operation(route: ViewRoute) -> Operation:
    return Operation(
        method="GET",
        path=route.path,
        name=route.operation,
        summary=route.summary,
        description="" if route.is_open else f"Needs the scope {Scope.READ.value}.",
        scope=None if route.is_open else Scope.READ.value,
        parameters=tuple(_parameters(route)),
        successes=dict(_successes(route)),
        refusals=frozenset(_refusals(route)),
    )


def _parameters(route: ViewRoute) -> Iterator[Document]:
    if f"{{{_ACCOUNT}}}" in route.path:
        yield {**id_parameter(_ACCOUNT, "The account."), "example": "alice"}
    if route.takes_event_id:
        yield _EVENT_ID
    for taken in route.takes:
        yield _query_parameter(taken)


def _query_parameter(taken: Taken) -> Document:
    described = parameter(taken.name, "query", taken.schema, text=taken.text)
    if taken.is_group:
        described |= {"style": "deepObject", "explode": True}
    if taken.is_listed:
        described |= {"style": "form", "explode": False}
    return described


def _successes(route: ViewRoute) -> Iterator[tuple[int, Success]]:
    for status in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE):
        if status == HTTPStatus.OK or route.fails_in_shape:
            yield (
                status,
                Success(
                    shape=route.shape,
                    description=status.phrase,
                    media_types=(route.media_type,),
                ),
            )


def _refusals(route: ViewRoute) -> Iterator[Code]:
    codes = {*_OF_EVERY_ROUTE, *route.codes}
    if not route.is_open:
        codes.update(_OF_EVERY_KEY)
    if f"{{{_ACCOUNT}}}" in route.path:
        codes.update(("id_invalid", "not_found"))
    for code in codes:
        yield (HTTPStatus.NOT_FOUND if code in _IN_PATH else PROBLEMS[code].status), code
