"""The OpenAPI document of this server, made from its table of routes.

So the two cannot disagree. What the answers lead to, and the headers that come with them, go
with their shapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from chronos.api import answers
from chronos.api.docs.samples import Samples
from chronos.api.query import Parameter
from chronos.api.routes import Route
from chronos.wire.meaning import KEY_LENGTH_MAX
from chronos.wire.openapi import (
    JSON,
    Code,
    Document,
    Operation,
    Success,
    document_of,
    id_parameter,
    parameter,
)
from chronos.wire.problems import PROBLEMS

_KEY_PARAMETER: Final = parameter(
    "Idempotency-Key",
    "header",
    {"type": "string", "pattern": f"^[!-~]{{1,{KEY_LENGTH_MAX}}}$"},
    text="Names this attempt; the same for each retry of it. A dry run does not look at it, "
    "and may leave it out.",
    required=True,
)
_IF_MATCH_PARAMETER: Final = parameter(
    "If-Match",
    "header",
    {"type": "string", "pattern": '^(\\*|"[1-9][0-9]{0,15}")$'},
    text="The version that the account must have, as its ETag has it.",
)
_OF_EVERY_ROUTE: Final = ("bad_request", "header_too_large", "internal_error", "unavailable")
_OF_EVERY_KEY: Final = ("unauthenticated", "insufficient_scope")
_OF_EVERY_BODY: Final = (
    "malformed_json",
    "duplicate_json_key",
    "invalid_encoding",
    "too_deep",
    "idempotency_key_missing",
    "idempotency_key_invalid",
    "if_match_invalid",
    "body_too_large",
    "unsupported_media_type",
    "unsupported_content_encoding",
    "expectation_failed",
    "schema_violation",
    "invalid_characters",
    "idempotency_key_reused",
    "idempotency_in_progress",
)
_OF_FIELDS: Final = (
    ("currency", ("currency_invalid",)),
    ("amount", ("amount_invalid", "amount_not_positive", "amount_too_large")),
    ("overdraft_limit", ("amount_invalid", "amount_too_large")),
    ("postings", ("amount_invalid", "amount_too_large", "id_invalid")),
    ("id", ("id_invalid",)),
    ("from", ("id_invalid",)),
    ("to", ("id_invalid",)),
    ("account", ("id_invalid",)),
    ("transfer_id", ("id_invalid",)),
    ("description", ("description_invalid",)),
    ("metadata", ("metadata_invalid",)),
    ("date", ("date_invalid",)),
    ("expires_at", ("date_invalid",)),
    ("opened_on", ("date_invalid",)),
)
"""What a field may be refused for, by the end of its name."""
_ACCOUNT: Final = "/v1/accounts/{id}"
_TRANSFER: Final = "/v1/transfers/{id}"
_HOLD: Final = "/v1/holds/{id}"
_LEADS_TO: Final[Mapping[type[msgspec.Struct] | None, Mapping[str, str]]] = {
    answers.OpenedAccount: {_ACCOUNT: "/id"},
    answers.ChangedAccount: {_ACCOUNT: "/id"},
    answers.BookedTransfer: {_TRANSFER: "/id"},
    answers.BookedEntry: {_TRANSFER: "/id"},
    answers.PlacedHold: {_HOLD: "/id"},
    answers.EndedHold: {_HOLD: "/id", _TRANSFER: "/transfer_id"},
}
"""Addresses that go on from an answer, and where in it their id is."""
_TAGGED: Final = (answers.Account, answers.Balance)
"""Answers whose ETag is the account's version."""
_STORED: Final = frozenset({404, 409, 412, 422})


def openapi_document(routes: Iterable[Route], *, version: str) -> bytes:
    """Writes the document.

    Args:
        routes: The table.
        version: Version of Chronos.
    """
    table = tuple(routes)
    document = document_of(
        [_operation(route, table) for route in table],
        title="Chronos command endpoint",
        text="An event-sourced ledger. Amounts are whole minor units.",
        version=version,
    )
    samples = Samples(document["components"]["schemas"])
    for path, methods in document["paths"].items():
        for operation in methods.values():
            _show_examples(operation, samples, path)
    return msgspec.json.encode(document)


def _operation(route: Route, table: Sequence[Route]) -> Operation:
    return Operation(
        method=route.method,
        path=route.path,
        name=route.name,
        summary=route.summary,
        description="" if route.scope is None else f"Needs the scope {route.scope.value}.",
        scope=None if route.scope is None else route.scope.value,
        parameters=tuple(_parameters(route)),
        body=route.body,
        is_body_required=not route.body_optional,
        successes=dict(_successes(route, _links(route, table))),
        refusals=frozenset(_refusals(route)),
        stored=_STORED if route.body is not None else frozenset(),
    )


def _parameters(route: Route) -> Iterator[Document]:
    if "{id}" in route.path:
        yield id_parameter("id", "Names what the address is about.")
    if route.body is not None:
        yield _KEY_PARAMETER
    if route.takes_if_match:
        yield _IF_MATCH_PARAMETER
    for one in route.query:
        yield _query_parameter(one)


def _query_parameter(one: Parameter[object]) -> Document:
    return parameter(one.name, "query", one.schema(), text=one.text)


def _links(route: Route, table: Iterable[Route]) -> dict[str, str]:
    return {
        other.name: place
        for address, place in _LEADS_TO.get(route.answer, {}).items()
        for other in table
        if other.path.startswith(address)
    }


def _successes(route: Route, links: dict[str, str]) -> Iterator[tuple[int, Success]]:
    creates = route.status == HTTPStatus.CREATED
    replays = () if route.body is None else ("Idempotent-Replayed",)
    yield (
        route.status,
        Success(
            shape=route.answer,
            description=HTTPStatus(route.status).phrase,
            media_types=(route.media_type, *route.other_media_types),
            headers=("Location",) if creates else ("ETag",) if route.answer in _TAGGED else (),
            optional_headers=replays,
            links=links,
        ),
    )
    if creates:
        preview = Success(shape=route.answer, description="The outcome of a dry run.")
        yield HTTPStatus.OK, preview


def _refusals(route: Route) -> Iterator[Code]:
    for code in _codes(route):
        is_of_path = code == "account_not_found" and route.path.startswith(_ACCOUNT)
        yield (HTTPStatus.NOT_FOUND if is_of_path else PROBLEMS[code].status), code
    if "{id}" in route.path:
        yield HTTPStatus.NOT_FOUND, "id_invalid"
        yield HTTPStatus.NOT_FOUND, "not_found"


def _codes(route: Route) -> set[str]:
    codes = {*_OF_EVERY_ROUTE, *route.refusals, "invalid_parameter", "request_timeout"}
    if route.answer is not None:
        codes.add("not_acceptable")
    if route.scope is not None:
        codes.update(_OF_EVERY_KEY)
    if route.body is not None:
        codes.update(_OF_EVERY_BODY)
        for field in msgspec.structs.fields(route.body):
            codes.update(_codes_of_field(field.encode_name))
    return codes


def _codes_of_field(name: str) -> Iterator[str]:
    for ending, codes in _OF_FIELDS:
        if name.endswith(ending):
            yield from codes


def _show_examples(operation: dict[str, Any], samples: Samples, path: str) -> None:
    """Adds an example to a body and to an id in a path, the ones that the page shows."""
    for one in operation["parameters"]:
        if one["in"] == "path":
            one["example"] = samples.member(one["name"], one["schema"], of=path)
    if "requestBody" in operation:
        media = operation["requestBody"]["content"][JSON]
        media["example"] = samples.body(media["schema"])
