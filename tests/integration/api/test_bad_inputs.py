"""Bad input against the real server and database: a clear problem, and no side effect."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.api.conftest import Bank
from tests.integration.api.wire import Answer, connect, exchange, new_key, read_answer

PLAIN: dict[str, Any] = {"from": "alice", "to": "bob", "amount": 1, "currency": "EUR"}
LIMIT = 64 * 1024
TODAY = datetime.now(UTC).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One bad request and its answer."""

    name: str
    status: int
    code: str
    path: str = "/v1/transfers"
    method: str = "POST"
    body: bytes | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    stored: bool = False
    published: bool = False
    """Whether the refusal concerns an account of the bank, and so goes to its topic."""
    """Whether the refusal is the core's, and kept under the key."""
    answer_headers: tuple[str, ...] = ()


def plain(**fields: Any) -> bytes:
    return json.dumps({**PLAIN, **fields}).encode()


def literal(amount: bytes) -> bytes:
    return plain(amount=777).replace(b"777", amount)


def rows_of_bodies() -> Iterator[Row]:
    malformed = {
        "empty": b"",
        "truncated": b'{"amount":',
        "trailing data": b"{}{}",
        "NaN": literal(b"NaN"),
        "Infinity": literal(b"Infinity"),
        "minus Infinity": literal(b"-Infinity"),
        "5,000 digits": literal(b"9" * 5000),
    }
    for name, body in malformed.items():
        yield Row(name=name, body=body, status=400, code="malformed_json")
    for body in (b"[]", b'"x"', b"null", b"1"):
        yield Row(name=f"top level {body}", body=body, status=422, code="schema_violation")
    duplicates = {
        "flat": b'{"amount":1,"amount":9}',
        "nested": b'{"metadata":{"a":"1","a":"2"}}',
        "escaped": b'{"amount":1,"am\\u006funt":9}',
    }
    for name, body in duplicates.items():
        yield Row(
            name=f"duplicate key, {name}", body=body, status=400, code="duplicate_json_key"
        )
    encodings = {
        "0xFF": b'{"description":"\xff"}',
        "overlong": b'{"description":"\xc0\x80"}',
        "UTF-16": plain().decode().encode("utf-16"),
        "UTF-32": plain().decode().encode("utf-32-le"),
        "byte order mark": b"\xef\xbb\xbf" + plain(),
        "lone surrogate": b'{"description":"\\ud800"}',
    }
    for name, body in encodings.items():
        yield Row(name=name, body=body, status=400, code="invalid_encoding")
    yield Row(name="NUL", body=plain(description="a\0b"), status=422, code="invalid_characters")
    for name, body in (("17 deep", b"[" * 17 + b"]" * 17), ("60,000 deep", b"[" * 60_000)):
        yield Row(name=name, body=body, status=400, code="too_deep")
    yield Row(
        name="one byte over the limit",
        body=plain() + b" " * (LIMIT + 1 - len(plain())),
        status=413,
        code="body_too_large",
    )


def rows_of_fields() -> Iterator[Row]:
    amounts = {
        "amount_invalid": (b'"1000"', b"10.0", b"1e2", b"true", b"null"),
        "amount_not_positive": (b"0", b"-0", b"-1"),
        "amount_too_large": (b"9007199254740992", b"9223372036854775808", b"1" + b"0" * 30),
    }
    for code, literals in amounts.items():
        for text in literals:
            yield Row(name=f"amount {text}", body=literal(text), status=422, code=code)
    wrong: dict[str, tuple[dict[str, Any], ...]] = {
        "currency_invalid": tuple(
            {"currency": c} for c in ("eur", "EU", "XXX", "XTS", "\u0415UR", None)
        ),
        "schema_violation": (
            {"colour": "red"},
            {"status": "booked"},
            {"balance": 1},
            {"__proto__": {}},
            {"expected_versions": {"carol": 1}},
            {"expected_versions": {"alice": "1"}},
        ),
        "id_invalid": tuple(
            {name: text}
            for name in ("id", "from", "to")
            for text in (
                "a" * 300,
                "'; drop table",
                "../x",
                "\U0001f600",
                "\u00e9",
                "e\u0301",
                "a\u200d",
                "a ",
                "",
            )
        ),
        "description_invalid": tuple(
            {"description": d} for d in ("x" * 141, "a\nb", "a\u0007", "a\u202eb")
        ),
        "metadata_invalid": (
            {"metadata": {f"k{n}": "x" for n in range(17)}},
            {"metadata": {"k" * 65: "x"}},
            {"metadata": {"k": {"deep": "x"}}},
            {"metadata": []},
        ),
        "date_invalid": tuple(
            {"value_date": d}
            for d in ("2024-02-30", "2023-02-29", f"{TODAY}T00:00:00", "10000-01-01", 20240101)
        ),
    }
    for code, cases in wrong.items():
        for fields in cases:
            name = f"{code}: {json.dumps(fields)[:40]}"
            yield Row(name=name, body=plain(**fields), status=422, code=code)


def rows_of_the_core() -> Iterator[Row]:
    far = str(TODAY + timedelta(days=400))
    cases: tuple[tuple[str, int, dict[str, Any]], ...] = (
        ("balance_limit", 409, {"from": "bank", "to": "brim"}),
        ("balance_limit", 409, {"from": "vast", "to": "bob"}),
        ("currency_mismatch", 422, {"currency": "JPY"}),
        ("currency_mismatch", 422, {"to": "yen"}),
        ("same_account", 422, {"to": "alice"}),
        ("account_not_found", 422, {"to": "nobody"}),
        ("account_not_found", 422, {"from": "Alice"}),
        ("insufficient_funds", 409, {"amount": 1001}),
        ("version_conflict", 412, {"expected_versions": {"alice": 1}}),
        ("date_invalid", 422, {"value_date": far}),
        ("date_invalid", 422, {"value_date": "1999-12-31"}),
    )
    for code, status, fields in cases:
        name = f"core: {code} {json.dumps(fields)}"
        yield Row(
            name=name,
            body=plain(**fields),
            status=status,
            code=code,
            stored=True,
            published=fields.get("from") not in ("nobody", "Alice"),
        )
    openings: tuple[tuple[str, dict[str, Any]], ...] = (
        ("account_exists", {"id": "alice", "currency": "EUR"}),
        ("external_id_exists", {"id": "alias", "currency": "EUR", "external_id": "crm-alice"}),
    )
    for code, fields in openings:
        yield Row(
            name=f"core: {code}",
            path="/v1/accounts",
            body=json.dumps(fields).encode(),
            status=409,
            code=code,
            stored=True,
            published=code == "account_exists",
        )


def rows_of_headers() -> Iterator[Row]:
    for media_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin1",
        None,
    ):
        yield Row(
            name=f"content type {media_type}",
            body=plain(),
            headers={"Content-Type": media_type},
            status=415,
            code="unsupported_media_type",
        )
    bomb = gzip.compress(b" " * 10_000_000)
    for name, body in (("gzip", gzip.compress(plain())), ("gzip bomb", bomb)):
        yield Row(
            name=name,
            body=body,
            headers={"Content-Encoding": "gzip"},
            status=415,
            code="unsupported_content_encoding",
        )
    yield Row(
        name="accept text/csv",
        body=plain(),
        headers={"Accept": "text/csv"},
        status=406,
        code="not_acceptable",
    )
    yield Row(
        name="expectation",
        body=plain(),
        headers={"Expect": "the-spanish-inquisition"},
        status=417,
        code="expectation_failed",
    )
    yield Row(
        name="key missing",
        body=plain(),
        headers={"Idempotency-Key": None},
        status=400,
        code="idempotency_key_missing",
    )
    for key in ("", "x" * 256, "a b", "\u00e9", "a\tb"):
        yield Row(
            name=f"key {key[:8]!r}",
            body=plain(),
            headers={"Idempotency-Key": key},
            status=400,
            code="idempotency_key_invalid",
        )
    for credential in (None, "", "Basic YTpi", "Bearer", "Bearer x", "Bearer chk_a_b"):
        yield Row(
            name=f"credential {credential}",
            body=plain(),
            headers={"Authorization": credential},
            status=401,
            code="unauthenticated",
            answer_headers=("www-authenticate",),
        )
    yield Row(
        name="9 KiB header",
        body=plain(),
        headers={"X-Large": "x" * 9000},
        status=431,
        code="header_too_large",
    )
    yield Row(
        name="200 headers",
        body=plain(),
        headers={f"X-Header-{n}": "x" for n in range(200)},
        status=431,
        code="header_too_large",
    )


def rows_of_addresses() -> Iterator[Row]:
    for path in (
        "/v1/unknown",
        "/v1/accounts/../admin",
        "/v1/accounts/%2e%2e/admin",
        "//v1/transfers",
        "/v1//transfers",
        "/v1/transfers/",
    ):
        yield Row(name=f"path {path}", method="GET", path=path, status=404, code="not_found")
    for path in ("/v1/accounts/..", "/v1/accounts/%2e%2e", "/v1/transfers/a%20b"):
        yield Row(name=f"id {path}", method="GET", path=path, status=404, code="id_invalid")
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        yield Row(
            name=f"method {method}",
            method=method,
            status=405,
            code="method_not_allowed",
            answer_headers=("allow",),
        )
    for path, code in (
        ("/v1/accounts/nobody", "account_not_found"),
        ("/v1/accounts/nobody/balance", "account_not_found"),
        ("/v1/accounts/nobody/events", "account_not_found"),
        ("/v1/transfers/nothing", "transfer_not_found"),
    ):
        yield Row(name=f"absent {path}", method="GET", path=path, status=404, code=code)
    for query in (
        "limit=0",
        "limit=-1",
        "limit=201",
        "limit=abc",
        "limit=1e3",
        "limit=1&limit=1",
    ):
        yield Row(
            name=f"query {query}",
            method="GET",
            path=f"/v1/accounts/alice/events?{query}",
            status=400,
            code="invalid_parameter",
        )
    yield Row(
        name="query dry_run=maybe",
        path="/v1/transfers?dry_run=maybe",
        body=plain(),
        status=400,
        code="invalid_parameter",
    )


ROWS = [
    *rows_of_bodies(),
    *rows_of_fields(),
    *rows_of_the_core(),
    *rows_of_headers(),
    *rows_of_addresses(),
]


def check_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["type"] == f"urn:chronos:problem:{code}"
    assert answer.json["status"] == status
    assert answer.json["title"]
    assert answer.json["detail"]
    assert answer.json["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_bad_request_gets_its_problem_and_changes_nothing(bank: Bank, row: Row) -> None:
    events, outbox, receipts, accounts = bank.counts()
    headers = dict(row.headers)
    if row.method == "POST":
        headers.setdefault("Idempotency-Key", new_key())

    answer = bank.door.ask(row.method, row.path, headers=headers, body=row.body)

    check_problem(answer, row.status, row.code)
    for name in row.answer_headers:
        assert answer.headers[name]
    grown = (events, outbox + row.published, receipts + row.stored, accounts)
    assert bank.counts() == grown


@pytest.mark.parametrize(
    ("name", "head", "code", "status"),
    [
        (
            "content length and transfer encoding",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "bad_request",
            400,
        ),
        (
            "two content lengths",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "bad_request",
            400,
        ),
        ("a broken chunk", "Transfer-Encoding: chunked\r\n", "bad_request", 400),
    ],
)
def test_a_body_whose_length_is_in_doubt_is_refused_and_the_connection_closed(
    bank: Bank, name: str, head: str, code: str, status: int
) -> None:
    start = bank.door.head("POST", "/v1/transfers", headers={"Idempotency-Key": new_key()})
    start = start.removesuffix(b"\r\n") + b"Content-Type: application/json\r\n"

    with connect(bank.api.port) as connection:
        connection.sendall(start + head.encode() + b"\r\nzz\r\nhello\r\n")
        answer = read_answer(connection)
        rest = connection.recv(1)

    check_problem(answer, status, code)
    assert rest == b"", name


def test_a_chunked_body_over_the_limit_is_refused(bank: Bank) -> None:
    start = bank.door.head(
        "POST",
        "/v1/transfers",
        headers={
            "Idempotency-Key": new_key(),
            "Content-Type": "application/json",
            "Transfer-Encoding": "chunked",
        },
    )
    chunk = b"%x\r\n%b\r\n" % (LIMIT + 1, b" " * (LIMIT + 1))

    check_problem(exchange(bank.api.port, start + chunk), 413, "body_too_large")


def test_a_body_that_stalls_is_given_up_in_bounded_time(bank: Bank) -> None:
    start = bank.door.head(
        "POST", "/v1/transfers", headers={"Idempotency-Key": new_key()}, body=plain()
    )

    check_problem(exchange(bank.api.port, start + plain()[:-1]), 408, "request_timeout")


def test_bytes_that_are_not_http_get_a_problem(bank: Bank) -> None:
    check_problem(exchange(bank.api.port, b"\x16\x03\x01 hello\r\n\r\n"), 400, "bad_request")


def test_two_keys_in_one_request_are_refused(bank: Bank) -> None:
    head = bank.door.head(
        "POST", "/v1/transfers", headers={"Idempotency-Key": "a"}, body=plain()
    )
    twice = head.replace(b"Idempotency-Key: a\r\n", b"Idempotency-Key: a\r\n" * 2)

    check_problem(exchange(bank.api.port, twice + plain()), 400, "idempotency_key_invalid")


def test_two_credentials_in_one_request_are_refused(bank: Bank) -> None:
    line = f"Authorization: Bearer {bank.door.api_key}\r\n".encode()
    head = bank.door.head("GET", "/v1/accounts/alice").replace(line, line * 2)

    check_problem(exchange(bank.api.port, head), 401, "unauthenticated")


def test_a_revoked_key_opens_nothing(bank: Bank) -> None:
    check_problem(bank.revoked.get("/v1/accounts/alice"), 401, "unauthenticated")


def test_a_reader_may_not_write(bank: Bank) -> None:
    before = bank.counts()

    check_problem(bank.reader.transfer("alice", "bob", 1), 403, "insufficient_scope")
    assert bank.counts() == before
    assert bank.reader.get("/v1/accounts/alice").status == 200


def test_the_earlier_check_of_two_faults_is_told(bank: Bank) -> None:
    door = bank.door
    unknown = {"Authorization": None, "Content-Type": "text/plain", "Idempotency-Key": None}

    assert door.ask("PUT", "/v1/none", body=b"{", headers=unknown).status == 404
    large = b" " * (LIMIT + 1)
    assert door.ask("POST", "/v1/transfers", body=large, headers=unknown).status == 413
    assert door.ask("POST", "/v1/transfers", body=b"{", headers=unknown).status == 401
    del unknown["Authorization"]
    assert door.ask("POST", "/v1/transfers", body=b"{", headers=unknown).status == 415
    del unknown["Content-Type"]
    answer = door.ask("POST", "/v1/transfers", body=b"{", headers=unknown)
    assert answer.json["code"] == "idempotency_key_missing"
    assert bank.reader.post("/v1/transfers", b"{").status == 400
    assert bank.reader.post("/v1/transfers", b"{}").status == 422


def test_markup_in_a_description_is_stored_as_text(bank: Bank) -> None:
    made = bank.door.post("/v1/transfers", {**PLAIN, "description": "<script>x</script>"})

    assert made.status == 201
    stored = bank.door.get(made.headers["location"])
    assert stored.json["description"] == "<script>x</script>"


def test_ids_that_differ_in_case_are_two_accounts(bank: Bank) -> None:
    assert bank.door.open_account("Twin").status == 201
    assert bank.door.open_account("twin").status == 201
