"""The OpenAPI 3.1 document, made from the table of routes: it cannot disagree with it.

Source: OpenAPI Specification 3.1.0; its schemas are JSON Schema, draft 2020-12.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from chronos.api.answer import JSON
from chronos.api.docs.document import CODES
from chronos.api.query import Parameter
from chronos.api.routes import Route
from chronos.wire.meaning import KEY_LENGTH_MAX
from chronos.wire.problems import CONTENT_TYPE as PROBLEM_JSON
from chronos.wire.problems import PROBLEMS, InputError

_REF: Final = "#/components/schemas/{name}"
_ID_PARAMETER: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"},
}
_KEY_PARAMETER: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Names this attempt; the same for each retry. Needed unless dry_run.",
    "schema": {"type": "string", "pattern": f"^[!-~]{{1,{KEY_LENGTH_MAX}}}$"},
}
_IF_MATCH_PARAMETER: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The version that the account must have, as its ETag has it.",
    "schema": {"type": "string", "pattern": '^(\\*|"[1-9][0-9]{0,15}")$'},
}
_OF_EVERY_ROUTE: Final = ("bad_request", "header_too_large", "internal_error", "unavailable")
_OF_EVERY_KEY: Final = ("unauthenticated", "insufficient_scope", "not_acceptable")
_OF_EVERY_BODY: Final = (
    "malformed_json",
    "duplicate_json_key",
    "invalid_encoding",
    "too_deep",
    "idempotency_key_missing",
    "idempotency_key_invalid",
    "request_timeout",
    "body_too_large",
    "unsupported_media_type",
    "unsupported_content_encoding",
    "expectation_failed",
    "schema_violation",
    "invalid_characters",
    "currency_invalid",
    "id_invalid",
    "metadata_invalid",
    "idempotency_key_reused",
    "idempotency_in_progress",
)


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A problem (RFC 9457); `code` is stable for ever."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    retryable: bool
    errors: tuple[InputError, ...] = ()


def openapi_document(routes: Iterable[Route], *, version: str) -> bytes:
    """Writes the document.

    Args:
        routes: The table.
        version: Version of Chronos.
    """
    table = tuple(routes)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Chronos command endpoint",
            "version": version,
            "description": "An event-sourced ledger. Amounts are whole minor units.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": _paths(table),
        "components": {
            "schemas": _schemas(table),
            "securitySchemes": {
                "api_key": {"type": "http", "scheme": "bearer", "description": "An API key."}
            },
        },
    }
    return msgspec.json.encode(document)


def _paths(routes: tuple[Route, ...]) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route)
    return paths


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": _responses(route),
        # Source: OpenAPI 3.1.0, Security Requirement Object: the roles that are required.
        "security": [] if route.scope is None else [{"api_key": [route.scope.value]}],
    }
    if route.scope is not None:
        operation["description"] = f"Needs the scope {route.scope.value}."
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": {JSON: {"schema": _reference(route.body)}},
        }
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [_ID_PARAMETER] if "{id}" in route.path else []
    if route.body is not None:
        parameters.append(_KEY_PARAMETER)
    if route.takes_if_match:
        parameters.append(_IF_MATCH_PARAMETER)
    return parameters + [_query_parameter(parameter) for parameter in route.query]


def _query_parameter(parameter: Parameter[object]) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.text,
        "schema": parameter.schema(),
    }


def _responses(route: Route) -> dict[str, Any]:
    responses = {str(route.status): _success(route)}
    if route.status == 201:
        responses["200"] = _success(route) | {"description": "The outcome of a dry run."}
    codes: dict[int, list[str]] = defaultdict(list)
    for code in _codes(route):
        codes[_status(route, code)].append(code)
    for status in sorted(codes):
        responses[str(status)] = {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(sorted(codes[status]))}.",
            "content": {PROBLEM_JSON: {"schema": _reference(ProblemDocument)}},
            CODES: sorted(codes[status]),
        }
    return responses


def _codes(route: Route) -> set[str]:
    codes = {*_OF_EVERY_ROUTE, *route.refusals, "invalid_parameter"}
    if route.scope is not None:
        codes.update(_OF_EVERY_KEY)
    if route.body is not None:
        codes.update(_OF_EVERY_BODY)
    if "{id}" in route.path:
        codes.add("id_invalid")
    if route.takes_if_match:
        codes.update(("if_match_invalid", "version_conflict"))
    return codes


def _status(route: Route, code: str) -> int:
    if route.body is None and code in ("account_not_found", "id_invalid"):
        return int(HTTPStatus.NOT_FOUND)
    return PROBLEMS[code].status


def _success(route: Route) -> dict[str, Any]:
    schema: Mapping[str, Any] = {} if route.answer is None else _reference(route.answer)
    content: dict[str, Any] = {route.media_type: {"schema": schema}}
    for media_type in route.other_media_types:
        content[media_type] = {"schema": {"type": "string"}}
    return {"description": HTTPStatus(route.status).phrase, "content": content}


def _reference(shape: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=shape.__name__)}


def _schemas(routes: tuple[Route, ...]) -> dict[str, Any]:
    shapes: list[type[msgspec.Struct]] = [ProblemDocument]
    for route in routes:
        shapes.extend(shape for shape in (route.body, route.answer) if shape is not None)
    _, schemas = msgspec.json.schema_components(
        dict.fromkeys(shapes), ref_template=_REF.format(name="{name}")
    )
    _to_json_schema_patterns(schemas)
    return schemas


def _to_json_schema_patterns(node: Any) -> None:
    """Rewrites Python's end of text as that of ECMA 262, which JSON Schema uses."""
    if isinstance(node, dict):
        pattern = node.get("pattern")
        if isinstance(pattern, str):
            node["pattern"] = pattern.replace(r"\Z", "$")
        for member in node.values():
            _to_json_schema_patterns(member)
    elif isinstance(node, list):
        for member in node:
            _to_json_schema_patterns(member)
