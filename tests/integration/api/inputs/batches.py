"""Batches that are too large or unreadable, each error named by its place, or refused whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.integration.api.inputs.row import Row

TRANSFER: dict[str, Any] = {
    "type": "transfer",
    "from": "alice",
    "to": "bob",
    "amount": 1,
    "currency": "EUR",
}
ITEMS: tuple[dict[str, Any], ...] = (
    {"type": "open_account", "currency": "EUR"},
    TRANSFER,
    {
        "type": "entries",
        "currency": "EUR",
        "postings": [{"account": "alice", "amount": -1}, {"account": "bob", "amount": 1}],
    },
    {
        "type": "exchange",
        "from": "alice",
        "to": "yen",
        "sell_amount": 1,
        "buy_amount": 160,
    },
    {"type": "reverse", "id": "t-plain"},
    {"type": "hold", "account": "alice", "amount": 1, "currency": "EUR"},
    {"type": "capture", "id": "h-open", "to": "bob"},
    {"type": "void", "id": "h-open"},
    {"type": "freeze", "id": "alice"},
    {"type": "unfreeze", "id": "ice"},
    {"type": "close", "id": "empty"},
    {"type": "set_overdraft_limit", "id": "alice", "overdraft_limit": 5},
    {"type": "annotate", "id": "alice", "metadata": {}},
)
"""A good item of every type; the test of the table asks for all of them."""


def rows() -> Iterator[Row]:
    yield from rows_of_lists()
    for item in ITEMS:
        yield _row({**item, "colour": "red"}, "schema_violation", "/colour")
        yield _row({**item, "idempotency_key": "a b"}, "schema_violation", "/idempotency_key")
        for name in item:
            if name != "type":
                without = {key: value for key, value in item.items() if key != name}
                yield _row(without, "schema_violation", f"/{name}")
    for code, pointer, fields in (
        ("amount_invalid", "/amount", {"amount": "1"}),
        ("amount_not_positive", "/amount", {"amount": 0}),
        ("amount_too_large", "/amount", {"amount": 2**53}),
        ("currency_invalid", "/currency", {"currency": "XXX"}),
        ("id_invalid", "/to", {"to": "../x"}),
        ("date_invalid", "/value_date", {"value_date": "2024-02-30"}),
        ("metadata_invalid", "/metadata", {"metadata": {"k": 1}}),
        ("description_invalid", "/description", {"description": "a\nb"}),
        ("schema_violation", "/expected_versions/carol", {"expected_versions": {"carol": 1}}),
        ("schema_violation", "/expected_version", {"expected_version": 1}),
    ):
        yield _row({**TRANSFER, **fields}, code, pointer)
    yield from rows_of_refusals()


def rows_of_lists() -> Iterator[Row]:
    for name, commands, code, pointer in (
        ("1,001 items", [TRANSFER] * 1001, "batch_too_large", "/commands"),
        ("no item", [], "schema_violation", "/commands"),
        ("an item that is text", [TRANSFER, "x"], "schema_violation", "/commands/1"),
        ("an item that is null", [TRANSFER, None], "schema_violation", "/commands/1"),
        ("an item without a type", [{"from": "alice"}], "schema_violation", "/commands/0"),
        ("an item of no type", [{"type": "steal"}], "schema_violation", "/commands/0"),
        ("an item of a typed list", [{"type": ["hold"]}], "schema_violation", "/commands/0"),
        ("a batch in a batch", [{"type": "batch"}], "schema_violation", "/commands/0"),
    ):
        yield Row(
            number=56,
            name=name,
            path="/v1/batches",
            body=json.dumps({"commands": commands}).encode(),
            status=422,
            code=code,
            pointer=pointer,
        )


def rows_of_refusals() -> Iterator[Row]:
    """Atomic batches of which one item is refused, so all of them."""
    good = {"type": "open_account", "id": "never", "currency": "EUR"}
    cases: tuple[tuple[str, str, dict[str, Any], bool], ...] = (
        ("insufficient_funds", "alice", {**TRANSFER, "amount": 10**9}, True),
        ("account_not_found", "nobody", {**TRANSFER, "from": "nobody"}, False),
        ("hold_not_open", "h-voided", {"type": "void", "id": "h-voided"}, True),
        ("transfer_not_found", "t-none", {"type": "reverse", "id": "t-none"}, False),
        ("account_exists", "alice", {"type": "open_account", **_ALICE}, True),
    )
    for code, about, item, published in cases:
        yield Row(
            number=56,
            name=f"an atomic batch with {code} of {about}",
            path="/v1/batches",
            body=json.dumps({"atomic": True, "commands": [good, item, good]}).encode(),
            status=409,
            code="batch_rejected",
            pointer="/commands/1",
            inner_code=code,
            stored=True,
            published=published,
        )


_ALICE = {"id": "alice", "currency": "EUR"}


def _row(item: dict[str, Any], code: str, pointer: str) -> Row:
    """A batch whose second item is spoilt; the first is good, and is not executed."""
    return Row(
        number=56,
        name=f"{code} at {pointer} of {json.dumps(item)[:60]}",
        path="/v1/batches",
        body=json.dumps({"commands": [TRANSFER, item]}).encode(),
        status=422,
        code="schema_violation",
        pointer=f"/commands/1{pointer}",
        inner_code=code,
    )
