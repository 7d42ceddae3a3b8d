"""Bodies that are not readable as JSON, or not as an object, or too large."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from tests.integration.api.inputs.row import (
    BULK_LIMIT,
    COMMAND_LIMIT,
    SPECIMENS,
    TRANSFER,
    Row,
    for_every_command,
    literal,
    plain,
)

MALFORMED = (
    (1, "empty", b""),
    (2, "truncated", b'{"amount":'),
    (3, "trailing data", b"{}{}"),
    (6, "NaN", literal(b"NaN")),
    (6, "Infinity", literal(b"Infinity")),
    (6, "minus Infinity", literal(b"-Infinity")),
    (12, "5,000 digits", literal(b"9" * 5000)),
)
DUPLICATES = (
    ("flat", b'{"amount":1,"amount":9}'),
    ("nested", b'{"metadata":{"a":"1","a":"2"}}'),
    ("escaped", b'{"amount":1,"am\\u006funt":9}'),
)
ENCODINGS = (
    (7, "0xFF", b'{"description":"\xff"}'),
    (7, "overlong", b'{"description":"\xc0\x80"}'),
    (8, "UTF-16", plain().decode().encode("utf-16")),
    (8, "UTF-32", plain().decode().encode("utf-32-le")),
    (8, "byte order mark", b"\xef\xbb\xbf" + plain()),
    (9, "lone surrogate", b'{"description":"\\ud800"}'),
    (9, "lone surrogate in a key", b'{"\\udfff":1}'),
)
BULK = ("/v1/entries", "/v1/batches")


def rows() -> Iterator[Row]:
    for number, name, body in MALFORMED:
        yield Row(number=number, name=name, body=body, status=400, code="malformed_json")
    for body in (b"[]", b'"x"', b"null", b"1"):
        yield Row(number=4, name=f"{body}", body=body, status=422, code="schema_violation")
    for name, body in DUPLICATES:
        yield Row(number=5, name=name, body=body, status=400, code="duplicate_json_key")
    for number, name, body in ENCODINGS:
        yield Row(number=number, name=name, body=body, status=400, code="invalid_encoding")
    yield Row(
        number=10,
        name="NUL",
        body=plain(description="a\0b"),
        status=422,
        code="invalid_characters",
    )
    for name, body in (("17 deep", b"[" * 17 + b"]" * 17), ("60,000 deep", b"[" * 60_000)):
        yield Row(number=11, name=name, body=body, status=400, code="too_deep")
    yield Row(
        number=11,
        name="1,000,000 deep in a batch",
        path="/v1/batches",
        body=b'{"commands":' + b"[" * 1_000_000,
        status=400,
        code="too_deep",
    )
    yield from rows_of_every_command()
    yield from rows_of_compression()


def rows_of_every_command() -> Iterator[Row]:
    yield from for_every_command(2, "truncated", 400, "malformed_json", body=b'{"a":')
    yield from for_every_command(4, "a list", 422, "schema_violation", body=b"[]")
    yield from for_every_command(5, "twice", 400, "duplicate_json_key", body=b'{"a":1,"a":2}')
    yield from for_every_command(7, "0xFF", 400, "invalid_encoding", body=b'{"a":"\xff"}')
    yield from for_every_command(10, "NUL", 422, "invalid_characters", body=b'{"a":"\\u0000"}')
    for path, specimen in SPECIMENS.items():
        limit = BULK_LIMIT if path in BULK else COMMAND_LIMIT
        body = specimen.body()
        yield Row(
            number=13,
            name=f"a byte too many, {specimen.name}",
            path=specimen.path,
            body=body + b" " * (limit + 1 - len(body)),
            status=413,
            code="body_too_large",
        )


def rows_of_compression() -> Iterator[Row]:
    bomb = gzip.compress(b" " * 10_000_000)
    for name, body in (("gzip", gzip.compress(TRANSFER.body())), ("gzip bomb", bomb)):
        yield Row(
            number=17,
            name=name,
            body=body,
            headers={"Content-Encoding": "gzip"},
            status=415,
            code="unsupported_content_encoding",
        )
