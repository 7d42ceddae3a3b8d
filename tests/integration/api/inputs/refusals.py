"""Requests that are well-formed, and that the core refuses: stored under their key for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from tests.integration.api.inputs.row import SPECIMENS, TODAY, Row

FAR = str(TODAY + timedelta(days=400))
LONG_AGO = "1999-12-31"
YESTERDAY = str(TODAY - timedelta(days=1))
Case = tuple[int, str, int, dict[str, Any]]

OF_TRANSFERS: tuple[Case, ...] = (
    (36, "balance_limit", 409, {"from": "bank", "to": "brim"}),
    (36, "balance_limit", 409, {"from": "vast", "to": "bob"}),
    (38, "currency_mismatch", 422, {"currency": "JPY"}),
    (38, "currency_mismatch", 422, {"to": "yen"}),
    (39, "same_account", 422, {"to": "alice"}),
    (40, "account_not_found", 422, {"to": "nobody"}),
    (40, "account_not_found", 422, {"from": "Alice"}),
    (41, "account_closed", 409, {"to": "gone"}),
    (41, "account_closed", 409, {"from": "gone"}),
    (41, "account_frozen", 409, {"from": "ice"}),
    (41, "account_frozen", 409, {"to": "ice"}),
    (41, "account_frozen", 409, {"from": "thrift"}),
    (42, "insufficient_funds", 409, {"amount": 100_001}),
    (42, "insufficient_funds", 409, {"from": "empty"}),
    (42, "insufficient_funds", 409, {"from": "reserved", "amount": 41}),
    (43, "version_conflict", 412, {"expected_versions": {"alice": 1}}),
    (49, "date_invalid", 422, {"value_date": FAR}),
    (49, "date_invalid", 422, {"value_date": LONG_AGO}),
    (49, "date_invalid", 422, {"value_date": YESTERDAY}),
    (51, "transfer_exists", 409, {"id": "t-plain"}),
)


def _pair(first: str, second: str, amount: int = 1) -> dict[str, Any]:
    return {
        "postings": [
            {"account": first, "amount": -amount},
            {"account": second, "amount": amount},
        ]
    }


OF_ENTRIES: tuple[Case, ...] = (
    (
        44,
        "unbalanced",
        422,
        {"postings": [{"account": "alice", "amount": -1}, {"account": "bob", "amount": 2}]},
    ),
    (44, "same_account", 422, _pair("alice", "alice")),
    (38, "currency_mismatch", 422, _pair("alice", "yen")),
    (40, "account_not_found", 422, _pair("alice", "nobody")),
    (40, "account_not_found", 422, _pair("nobody", "alice")),
    (41, "account_closed", 409, _pair("alice", "gone")),
    (41, "account_frozen", 409, _pair("thrift", "bob")),
    (42, "insufficient_funds", 409, _pair("reserved", "bob", 41)),
    (36, "balance_limit", 409, _pair("bank", "brim")),
    (43, "version_conflict", 412, {"expected_versions": {"bob": 999}}),
    (49, "date_invalid", 422, {"value_date": YESTERDAY}),
    (51, "transfer_exists", 409, {"id": "t-plain"}),
)
OF_EXCHANGES: tuple[Case, ...] = (
    (38, "currency_mismatch", 422, {"to": "bob"}),
    (38, "currency_mismatch", 422, {"sell_currency": "USD"}),
    (38, "currency_mismatch", 422, {"buy_currency": "USD"}),
    (39, "same_account", 422, {"to": "alice"}),
    (40, "account_not_found", 422, {"from": "nobody"}),
    (40, "account_not_found", 422, {"to": "nobody"}),
    (40, "position_account_missing", 409, {}),
    (40, "position_account_missing", 409, {"sell_position": "bank"}),
    (40, "position_account_missing", 409, {"sell_position": "pos-jpy"}),
)
OF_HOLDS: tuple[Case, ...] = (
    (36, "balance_limit", 409, {"account": "vast"}),
    (38, "currency_mismatch", 422, {"currency": "JPY"}),
    (40, "account_not_found", 422, {"account": "nobody"}),
    (41, "account_closed", 409, {"account": "gone"}),
    (41, "account_frozen", 409, {"account": "ice"}),
    (41, "account_frozen", 409, {"account": "thrift"}),
    (42, "insufficient_funds", 409, {"account": "empty"}),
    (42, "insufficient_funds", 409, {"account": "reserved", "amount": 41}),
    (43, "version_conflict", 412, {"expected_versions": {"alice": 999}}),
    (49, "date_invalid", 422, {"expires_at": f"{YESTERDAY}T00:00:00Z"}),
    (50, "hold_exists", 409, {"id": "h-open"}),
    (50, "hold_exists", 409, {"id": "h-captured"}),
)
OF_CAPTURES: tuple[Case, ...] = (
    (50, "capture_exceeds_hold", 409, {"amount": 61}),
    (39, "same_account", 422, {"to": "reserved"}),
    (38, "currency_mismatch", 422, {"to": "yen"}),
    (40, "account_not_found", 422, {"to": "nobody"}),
    (41, "account_closed", 409, {"to": "gone"}),
    (41, "account_frozen", 409, {"to": "ice"}),
    (36, "balance_limit", 409, {"to": "brim"}),
    (43, "version_conflict", 412, {"expected_versions": {"reserved": 1}}),
    (43, "version_conflict", 412, {"expected_versions": {"carol": 1}}),
    (49, "date_invalid", 422, {"value_date": YESTERDAY}),
    (51, "transfer_exists", 409, {"transfer_id": "t-plain"}),
)
OF_OPENINGS: tuple[Case, ...] = (
    (52, "account_exists", 409, {"id": "alice"}),
    (52, "account_exists", 409, {"id": "gone"}),
    (52, "external_id_exists", 409, {"id": "alias", "external_id": "crm-alice"}),
    (49, "date_invalid", 422, {"opened_on": FAR}),
    (49, "date_invalid", 422, {"opened_on": LONG_AGO}),
)
ABOUT: tuple[tuple[int, str, int, str], ...] = (
    (50, "hold_not_open", 409, "/v1/holds/h-captured/capture"),
    (50, "hold_not_open", 409, "/v1/holds/h-expired/capture"),
    (50, "hold_not_open", 409, "/v1/holds/h-voided/capture"),
    (50, "hold_not_open", 409, "/v1/holds/h-captured/void"),
    (50, "hold_not_open", 409, "/v1/holds/h-voided/void"),
    (51, "already_reversed", 409, "/v1/transfers/t-reversed/reverse"),
    (51, "not_reversible", 409, "/v1/transfers/t-reversal/reverse"),
    (53, "balance_not_zero", 409, "/v1/accounts/alice/close"),
    (53, "holds_open", 409, "/v1/accounts/reserved/close"),
    (41, "account_closed", 409, "/v1/accounts/gone/close"),
    (41, "account_closed", 409, "/v1/accounts/gone/freeze"),
    (41, "account_closed", 409, "/v1/accounts/gone/unfreeze"),
    (41, "account_closed", 409, "/v1/accounts/gone/metadata"),
    (41, "account_closed", 409, "/v1/accounts/gone/overdraft-limit"),
    (41, "account_frozen", 409, "/v1/accounts/ice/freeze"),
    (41, "account_not_frozen", 409, "/v1/accounts/alice/unfreeze"),
)
"""What the address names, and what it is refused for."""
NOWHERE: tuple[tuple[str, str], ...] = (
    ("/v1/accounts/{id}/freeze", "account_not_found"),
    ("/v1/accounts/{id}/unfreeze", "account_not_found"),
    ("/v1/accounts/{id}/close", "account_not_found"),
    ("/v1/accounts/{id}/metadata", "account_not_found"),
    ("/v1/accounts/{id}/overdraft-limit", "account_not_found"),
    ("/v1/holds/{id}/capture", "hold_not_found"),
    ("/v1/holds/{id}/void", "hold_not_found"),
    ("/v1/transfers/{id}/reverse", "transfer_not_found"),
)
UNKNOWN_FIRST = ("nobody", "Alice")


def rows() -> Iterator[Row]:
    for path, cases in (
        ("/v1/transfers", OF_TRANSFERS),
        ("/v1/entries", OF_ENTRIES),
        ("/v1/exchanges", OF_EXCHANGES),
        ("/v1/holds", OF_HOLDS),
        ("/v1/holds/{id}/capture", OF_CAPTURES),
        ("/v1/accounts", OF_OPENINGS),
    ):
        for case in cases:
            yield _row(path, case)
    yield from rows_about_the_address()


def _row(path: str, case: Case) -> Row:
    number, code, status, fields = case
    specimen = SPECIMENS[path]
    return Row(
        number=number,
        name=f"{specimen.name}: {code} {json.dumps(fields)}",
        path=specimen.path,
        body=specimen.body(**fields),
        status=status,
        code=code,
        stored=True,
        published=_is_published(path, fields),
    )


def _is_published(path: str, fields: dict[str, Any]) -> bool:
    """A refusal is published under the command's first account, when the bank has that."""
    if path == "/v1/accounts":
        return fields.get("id") in ("alice", "gone")
    postings = fields.get("postings")
    first = postings[0]["account"] if postings else fields.get("from", fields.get("account"))
    return first not in UNKNOWN_FIRST


def rows_about_the_address() -> Iterator[Row]:
    bodies = {path.rpartition("/")[2]: one.body() for path, one in SPECIMENS.items()}
    for number, code, status, path in ABOUT:
        yield Row(
            number=number,
            name=f"{code} at {path}",
            path=path,
            body=bodies[path.rpartition("/")[2]],
            status=status,
            code=code,
            stored=True,
            published=True,
        )
    for pattern, code in NOWHERE:
        path = pattern.replace("{id}", "nothing")
        yield Row(
            number=51 if code == "transfer_not_found" else 40,
            name=f"{code} at {path}",
            path=path,
            body=bodies[path.rpartition("/")[2]],
            status=404,
            code=code,
            stored=True,
        )
    for verb in ("freeze", "unfreeze", "close", "metadata", "overdraft-limit"):
        yield Row(
            number=43,
            name=f"If-Match of another version at {verb}",
            path=f"/v1/accounts/alice/{verb}",
            headers={"If-Match": '"999"'},
            body=bodies[verb],
            status=412,
            code="version_conflict",
            stored=True,
            published=True,
        )
