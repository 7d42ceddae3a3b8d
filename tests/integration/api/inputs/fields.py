"""Fields that do not fit their bounds, in every body that has such a field.

Which fields there are is asked of the shapes themselves: a field of a kind that this table does
not know fails its test, so none is added without its bad values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from chronos.api.table import COMMANDS
from tests.integration.api.inputs.row import SPECIMENS, TODAY, Row, Specimen, literal

KINDS = {
    "id": "id",
    "from": "id",
    "to": "id",
    "account": "id",
    "transfer_id": "id",
    "sell_position": "id",
    "buy_position": "id",
    "external_id": "external id",
    "description": "text",
    "metadata": "metadata",
    "value_date": "day",
    "opened_on": "day",
    "expires_at": "instant",
    "amount": "amount",
    "sell_amount": "amount",
    "buy_amount": "amount",
    "overdraft_limit": "limit",
    "currency": "currency",
    "sell_currency": "currency",
    "buy_currency": "currency",
    "expected_versions": "versions",
    "kind": "word",
    "scope": "word",
    "postings": "list",
    "commands": "list",
    "atomic": "flag",
}
"""The kind of each field, by its name."""

BAD: dict[str, tuple[tuple[int, str, Any], ...]] = {
    "id": tuple(
        (46, "id_invalid", text)
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
            7,
        )
    ),
    "external id": tuple(
        (46, "id_invalid", text) for text in ("", "x" * 129, "a\nb", "a\u202eb", 7)
    ),
    "text": tuple(
        (47, "description_invalid", text)
        for text in ("x" * 141, "a\nb", "a\u0007", "a\u202eb", 7)
    ),
    "metadata": tuple(
        (48, "metadata_invalid", value)
        for value in (
            {f"k{n}": "x" for n in range(17)},
            {"k" * 65: "x"},
            {"": "x"},
            {"k": {"deep": "x"}},
            {"k": "x" * 501},
            {"k": "a\u202eb"},
            {"k": None},
            [],
        )
    ),
    "day": tuple(
        (49, "date_invalid", day)
        for day in (
            "2024-02-30",
            "2023-02-29",
            f"{TODAY}T00:00:00",
            "10000-01-01",
            "0000-01-01",
            "20240101",
            20240101,
        )
    ),
    "instant": tuple(
        (49, "date_invalid", instant)
        for instant in (
            "2024-02-30T00:00:00Z",
            "2031-05-06",
            "2031-05-06T07:08:09",
            "9999-12-31T23:59:59-01:00",
            "0001-01-01T00:00:00+01:00",
            1_900_000_000,
        )
    ),
    "amount": (
        (32, "amount_invalid", "1000"),
        (32, "amount_invalid", 10.0),
        (32, "amount_invalid", True),
        (33, "amount_not_positive", 0),
        (34, "amount_not_positive", -1),
        (35, "amount_too_large", 2**53),
        (35, "amount_too_large", 2**63),
        (35, "amount_too_large", 10**30),
    ),
    "limit": (
        (32, "amount_invalid", "1000"),
        (32, "amount_invalid", 10.0),
        (32, "amount_invalid", True),
        (34, "amount_invalid", -1),
        (35, "amount_too_large", 2**53),
        (35, "amount_too_large", 10**30),
    ),
    "currency": tuple(
        (37, "currency_invalid", code)
        for code in ("eur", "EU", "EURO", "XXX", "XTS", "\u0415UR", "", 978)
    ),
    "versions": tuple(
        (43, "schema_violation", value)
        for value in ({"alice": "1"}, {"alice": 0}, {"alice": 2**53}, {"..": 1}, [], 7)
    ),
    "word": tuple((45, "schema_violation", value) for value in ("", "other", "ALL", 1, [])),
    "list": tuple((44, "schema_violation", value) for value in ([], {}, "x", 7)),
    "flag": tuple((45, "schema_violation", value) for value in ("true", 1, None)),
}


def rows() -> Iterator[Row]:
    for path, specimen in SPECIMENS.items():
        for name, is_required in fields_of(path):
            yield from _rows_of(specimen, name, is_required=is_required)
        for strange in ("colour", "status", "balance", "__proto__"):
            body = specimen.body(**{strange: "red"})
            yield _row(45, specimen, strange, "red", "schema_violation", body)
    for number, code, text in (
        (32, "amount_invalid", b"1e2"),
        (32, "amount_invalid", b"1.0"),
        (32, "amount_invalid", b"1e999999"),
        (33, "amount_not_positive", b"-0"),
        (35, "amount_too_large", b"1" + b"0" * 30),
    ):
        yield Row(
            number=number,
            name=f"amount {text}",
            body=literal(text),
            status=422,
            code=code,
            pointer="/amount",
        )
    for path in ("/v1/transfers", "/v1/entries", "/v1/holds"):
        body = SPECIMENS[path].body(expected_versions={"carol": 1})
        yield Row(
            number=43,
            name=f"a stranger's version, {path}",
            path=path,
            body=body,
            status=422,
            code="schema_violation",
            pointer="/expected_versions/carol",
        )
    yield from rows_of_postings()


def fields_of(path: str) -> Iterator[tuple[str, bool]]:
    """Gives the fields of a command's body, each with whether it must be there."""
    (route,) = (route for route in COMMANDS if route.path == path)
    assert route.body is not None
    for field in msgspec.structs.fields(route.body):
        yield field.encode_name, field.required


def _rows_of(specimen: Specimen, name: str, *, is_required: bool) -> Iterator[Row]:
    for number, code, value in BAD[KINDS[name]]:
        yield _row(number, specimen, name, value, code, specimen.body(**{name: value}))
    if is_required:
        without = {key: value for key, value in specimen.fields.items() if key != name}
        body = json.dumps(without).encode()
        yield _row(45, specimen, name, "(missing)", "schema_violation", body)
        if name != "overdraft_limit":  # whose null is the default of the account's kind
            code = "schema_violation" if name in ("postings", "commands") else _code_of(name)
            body = specimen.body(**{name: None})
            yield _row(32, specimen, name, None, code, body)


def _code_of(name: str) -> str:
    return BAD[KINDS[name]][0][1]


def _row(
    number: int, specimen: Specimen, field: str, value: Any, code: str, body: bytes
) -> Row:
    return Row(
        number=number,
        name=f"{specimen.name} {field} {json.dumps(value)[:32]}",
        path=specimen.path,
        body=body,
        status=422,
        code=code,
        pointer=f"/{field}",
    )


def rows_of_postings() -> Iterator[Row]:
    """Postings that are none, each named in the answer by its place."""
    good = {"account": "alice", "amount": -1}
    pair = [good, {"account": "bob", "amount": 1}]
    bad: tuple[tuple[int, str, str, Any], ...] = (
        (32, "amount_invalid", "/postings/1/amount", {"account": "bob", "amount": "1"}),
        (32, "amount_invalid", "/postings/1/amount", {"account": "bob", "amount": 1.0}),
        (32, "amount_invalid", "/postings/1/amount", {"account": "bob", "amount": None}),
        (33, "amount_invalid", "/postings/1/amount", {"account": "bob", "amount": 0}),
        (35, "amount_too_large", "/postings/1/amount", {"account": "bob", "amount": 2**53}),
        (35, "amount_too_large", "/postings/1/amount", {"account": "bob", "amount": -(2**53)}),
        (46, "id_invalid", "/postings/1/account", {"account": "../x", "amount": 1}),
        (44, "schema_violation", "/postings/1/amount", {"account": "bob"}),
        (44, "schema_violation", "/postings/1/account", {"amount": 1}),
        (45, "schema_violation", "/postings/1/side", {**pair[1], "side": "credit"}),
        (44, "schema_violation", "/postings/1", "bob"),
        (44, "schema_violation", "/postings/1", None),
    )
    for number, code, pointer, posting in bad:
        yield _row_of_postings(number, code, pointer, [good, posting])
    yield _row_of_postings(44, "schema_violation", "/postings", [good])
    many = [{"account": f"a{number}", "amount": 1} for number in range(101)]
    yield _row_of_postings(44, "too_many_postings", "/postings", many)


def _row_of_postings(number: int, code: str, pointer: str, postings: list[Any]) -> Row:
    return Row(
        number=number,
        name=f"{code} {json.dumps(postings[-1])} of {len(postings)}",
        path="/v1/entries",
        body=SPECIMENS["/v1/entries"].body(postings=postings),
        status=422,
        code=code,
        pointer=pointer,
    )
