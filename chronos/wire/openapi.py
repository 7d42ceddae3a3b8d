"""OpenAPI documents, made from the operations of a server: what both sides of HTTP share.

Each side keeps one table of what it serves, and gives it here as `Operation`s; so its document
says what its router and its checks do. Every refusal names the codes that it may carry.

Source: OpenAPI Specification 3.1.0; its schemas are JSON Schema, draft 2020-12.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import msgspec

from chronos.wire.problems import CONTENT_TYPE as PROBLEM_JSON
from chronos.wire.problems import TYPE_PREFIX, InputError

JSON: Final = "application/json"
CODES: Final = "x-problem-codes"
SCHEMAS: Final = "#/components/schemas/"
ID_PATTERN: Final = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"

Document = dict[str, Any]
Code = tuple[int, str]
"""A refusal: its HTTP status and its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """One good answer of an operation."""

    shape: type[msgspec.Struct] | None
    """None when it is not our JSON."""
    description: str
    media_types: tuple[str, ...] = (JSON,)
    """The first has the shape, all others are text."""
    headers: tuple[str, ...] = ()
    """Names in `HEADERS` of those that it always has."""
    optional_headers: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    """Operations that go on from here, and where in the answer their id is (JSON pointer)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    name: str
    summary: str
    description: str = ""
    scope: str | None = None
    """What the key must allow; None: nobody is asked for one."""
    parameters: tuple[Document, ...] = ()
    body: type[msgspec.Struct] | None = None
    is_body_required: bool = True
    successes: Mapping[int, Success]
    refusals: frozenset[Code] = frozenset()
    stored: frozenset[int] = frozenset()
    """Statuses of refusals that are kept under the request's key and given again."""


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
    """Whether the same request may be sent again."""
    errors: tuple[InputError, ...] | msgspec.UnsetType = msgspec.UNSET
    """What is wrong with the input, where there is more to say."""
    index: int | msgspec.UnsetType = msgspec.UNSET
    """Of an atomic batch: the place of the command that was refused."""
    refusal: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """Of an atomic batch: the problem of that command."""
    version: int | msgspec.UnsetType = msgspec.UNSET
    """Of a read model that is behind: the version that it shows."""


HEADERS: Final[Mapping[str, Document]] = {
    "X-Request-Id": {
        "description": "Names this request in the log; new for every request.",
        "schema": {"type": "string", "pattern": "^req_[0-9a-hjkmnp-tv-z]{26}$"},
    },
    "Location": {
        "description": "Where what was made can be read.",
        "schema": {"type": "string", "pattern": "^/v1/(accounts|transfers|holds)/[^/]+$"},
    },
    "ETag": {
        "description": "The account's version, as If-Match takes it.",
        "schema": {"type": "string", "pattern": '^"[1-9][0-9]*"$'},
    },
    "Idempotent-Replayed": {
        "description": "There when this is the stored answer to an earlier request.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {
        "description": "After how many seconds to send the same request again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "Which credential is needed.",
        "schema": {"type": "string", "pattern": "^Bearer"},
    },
}
_ALWAYS: Final = ("X-Request-Id",)
_OF_STATUS: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    503: ("Retry-After",),
}
"""What a refusal of a status always has."""
_CODE_HEADERS: Final = {"idempotency_in_progress": "Retry-After"}
"""What a refusal has for one of its codes."""


def parameter(
    name: str, place: str, schema: Document, *, text: str, required: bool = False
) -> Document:
    """Describes one parameter.

    Args:
        name: Its name.
        place: `path`, `query` or `header`.
        schema: Its value.
        text: What it means.
        required: Whether it may be left out.
    """
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": text,
        "schema": schema,
    }


def id_parameter(name: str, text: str) -> Document:
    """Describes an id in a path."""
    schema = {"type": "string", "pattern": ID_PATTERN}
    return parameter(name, "path", schema, text=text, required=True)


def document_of(
    operations: Sequence[Operation], *, title: str, text: str, version: str
) -> Document:
    """Makes the document.

    Args:
        operations: All that the server does.
        title: Its name.
        text: What it is, in a sentence or two.
        version: Version of Chronos.
    """
    paths: dict[str, Document] = defaultdict(dict)
    for operation in operations:
        paths[operation.path][operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": text,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {
                "api_key": {"type": "http", "scheme": "bearer", "description": "An API key."}
            },
        },
    }


def _described(operation: Operation) -> Document:
    described: Document = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": list(operation.parameters),
        "responses": {**_successes(operation), **_problems(operation)},
        # Source: OpenAPI 3.1.0, Security Requirement Object: the roles that are required.
        "security": [] if operation.scope is None else [{"api_key": [operation.scope]}],
    }
    if operation.description:
        described["description"] = operation.description
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.is_body_required,
            "content": {JSON: {"schema": _reference(operation.body)}},
        }
    return described


def _successes(operation: Operation) -> Document:
    return {str(status): _success(one) for status, one in operation.successes.items()}


def _success(success: Success) -> Document:
    first, *others = success.media_types
    shape = success.shape
    content: Document = {first: {"schema": {} if shape is None else _reference(shape)}}
    content.update({media_type: {"schema": {"type": "string"}} for media_type in others})
    described: Document = {
        "description": success.description,
        "headers": _headers((*_ALWAYS, *success.headers), success.optional_headers),
        "content": content,
    }
    if success.links:
        described["links"] = {
            name: {"operationId": name, "parameters": {"id": f"$response.body#{place}"}}
            for name, place in success.links.items()
        }
    return described


def _problems(operation: Operation) -> Document:
    codes: dict[int, list[str]] = defaultdict(list)
    for status, code in sorted(operation.refusals):
        codes[status].append(code)
    return {
        str(status): _problem(status, of_status, is_stored=status in operation.stored)
        for status, of_status in codes.items()
    }


def _problem(status: int, codes: list[str], *, is_stored: bool) -> Document:
    needed = (*_ALWAYS, *_OF_STATUS.get(status, ()))
    optional = [header for code, header in _CODE_HEADERS.items() if code in codes]
    if is_stored:
        optional.append("Idempotent-Replayed")
    members = {
        "type": {"enum": [TYPE_PREFIX + code for code in codes]},
        "status": {"const": status},
        "code": {"enum": codes},
    }
    schema = {**_reference(ProblemDocument), "properties": members}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}.",
        "headers": _headers(needed, optional),
        "content": {PROBLEM_JSON: {"schema": schema}},
        CODES: codes,
    }


def _headers(needed: Iterable[str], optional: Iterable[str]) -> Document:
    return {name: {**HEADERS[name], "required": True} for name in needed} | {
        name: {**HEADERS[name], "required": False} for name in optional
    }


def _reference(shape: type[msgspec.Struct]) -> Document:
    return {"$ref": SCHEMAS + shape.__name__}


def _schemas(operations: Iterable[Operation]) -> Document:
    shapes: list[type[msgspec.Struct]] = [ProblemDocument]
    for operation in operations:
        answered = [success.shape for success in operation.successes.values()]
        shapes += [shape for shape in (operation.body, *answered) if shape is not None]
    _, schemas = msgspec.json.schema_components(
        dict.fromkeys(shapes), ref_template=SCHEMAS + "{name}"
    )
    _end_patterns(schemas)
    return schemas


def _end_patterns(node: Any) -> None:
    """Rewrites Python's end of text as that of ECMA 262, which JSON Schema uses."""
    if isinstance(node, dict):
        pattern = node.get("pattern")
        if isinstance(pattern, str):
            node["pattern"] = pattern.replace(r"\Z", "$")
        for member in node.values():
            _end_patterns(member)
    elif isinstance(node, list):
        for member in node:
            _end_patterns(member)
