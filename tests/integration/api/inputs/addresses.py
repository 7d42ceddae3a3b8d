"""Addresses and methods that are not there, ids that cannot be, pages that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

from tests.integration.api.inputs.row import SPECIMENS, TRANSFER, Row, for_every_command

UNKNOWN = (
    "/v1/unknown",
    "/v1/accounts/../admin",
    "/v1/accounts/%2e%2e/admin",
    "//v1/transfers",
    "/v1//transfers",
    "/v1/transfers/",
    "/v1/holds/h-open/capture/again",
)
IMPOSSIBLE_IDS = (
    "..",
    "%2e%2e",
    "a%20b",
    "a" * 65,
    "a%00",
    "%ff",
    "%F0%9F%92%B8",
    "e%CC%81",
    "a%E2%80%8D",
    "'%3B%20drop%20table",
    "%2E%2E%2Fx",
)
QUERIES = (
    "/v1/accounts/alice/balance?at=yesterday",
    "/v1/accounts/alice/balance?at=2026-03-02",
    "/v1/accounts/alice/balance?at=2026-03-02T12:00:00",
    "/v1/accounts/alice/balance?at=2026-03-02T12:00:00Z&value_date=2026-03-02",
    "/v1/accounts/alice/balance?value_date=2024-02-30",
    "/v1/accounts/alice/balance?value_date=10000-01-01",
    "/v1/accounts/alice/balance?min_version=1",
    "/v1/accounts/alice/statement?from=2026-02-30",
    "/v1/accounts/alice/statement?to=now",
    "/v1/accounts/alice/statement?from=2026-03-02&to=2026-03-01",
    "/v1/accounts/alice/statement?format=xml",
    "/v1/accounts/alice/statement?format=csv&limit=10",
    "/v1/accounts/alice/statement?limit=0",
    "/v1/accounts/alice/statement?limit=1001",
    "/v1/accounts/alice/statement?limit=1e3",
    "/v1/accounts/alice/statement?limit=1&limit=1",
    "/v1/accounts/alice/statement?limit=1&cursor=",
    "/v1/trial-balance?at=2026-03-02T25:00:00Z",
    "/v1/trial-balance?currency=EUR",
    "/v1/currencies?limit=1",
)
CURSORS = ("AAAA", "a" * 512, "%7B%22after%22%3A1%7D", "1")
READS = (
    "/v1/accounts/{id}",
    "/v1/accounts/{id}/balance",
    "/v1/accounts/{id}/events",
    "/v1/accounts/{id}/statement",
    "/v1/transfers/{id}",
    "/v1/holds/{id}",
)
ABSENT = (
    ("/v1/accounts/nobody", "account_not_found"),
    ("/v1/accounts/nobody/balance", "account_not_found"),
    ("/v1/accounts/nobody/events", "account_not_found"),
    ("/v1/accounts/nobody/statement", "account_not_found"),
    ("/v1/transfers/nothing", "transfer_not_found"),
    ("/v1/holds/nothing", "hold_not_found"),
)
LIMITS = (
    "limit=0",
    "limit=-1",
    "limit=201",
    "limit=abc",
    "limit=1e3",
    "limit=1&limit=1",
    "limit=",
    "limit=%D9%A1",
    "limit=+1",
    "after=-1",
    "after=9007199254740992",
    "page=2",
    "limit",
    "=1",
    "limit=%ff",
)


def rows() -> Iterator[Row]:
    for path in UNKNOWN:
        yield Row(
            number=20,
            name=f"path {path}",
            method="GET",
            path=path,
            status=404,
            code="not_found",
        )
    yield from rows_of_methods()
    yield from rows_of_ids()
    for path, code in ABSENT:
        yield Row(
            number=40, name=f"absent {path}", method="GET", path=path, status=404, code=code
        )
    for query in LIMITS:
        yield Row(
            number=54,
            name=f"query {query}",
            method="GET",
            path=f"/v1/accounts/alice/events?{query}",
            status=400,
            code="invalid_parameter",
        )
    for path in QUERIES:
        yield Row(
            number=54,
            name=f"query {path}",
            method="GET",
            path=path,
            status=400,
            code="invalid_parameter",
        )
    for cursor in CURSORS:
        yield Row(
            number=54,
            name=f"cursor {cursor[:16]}",
            method="GET",
            path=f"/v1/accounts/alice/statement?limit=1&cursor={cursor}",
            status=400,
            code="invalid_cursor",
        )
    for query in ("dry_run=maybe", "dry_run=1", "dry_run=true&dry_run=true", "dry=true"):
        yield Row(
            number=54,
            name=f"query {query}",
            path=f"/v1/transfers?{query}",
            body=TRANSFER.body(),
            status=400,
            code="invalid_parameter",
        )


def rows_of_methods() -> Iterator[Row]:
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        yield Row(
            number=19,
            name=f"method {method}",
            method=method,
            status=405,
            code="method_not_allowed",
            answer_headers=("allow",),
        )
    yield from for_every_command(
        19,
        "method PUT",
        405,
        "method_not_allowed",
        method="PUT",
        answer_headers=("allow",),
    )


def rows_of_ids() -> Iterator[Row]:
    for written in IMPOSSIBLE_IDS:
        for path in READS:
            yield Row(
                number=46,
                name=f"GET {path} of {written[:20]}",
                method="GET",
                path=path.replace("{id}", written),
                status=404,
                code="id_invalid",
            )
    for path, specimen in SPECIMENS.items():
        if "{id}" in path:
            yield Row(
                number=46,
                name=f"{path} of ..",
                path=path.replace("{id}", ".."),
                body=specimen.body(),
                status=404,
                code="id_invalid",
            )
