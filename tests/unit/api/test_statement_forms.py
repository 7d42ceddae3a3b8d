"""A statement says the same in both forms, and neither can be turned against its reader."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronos.api.answers import Statement
from chronos.api.statement_forms import CSV_COLUMNS, CsvForm, JsonForm
from chronos.store.moments import Mark, Period
from tests.builders import NOW, transfer
from tests.unit.api.statements import stored_lines

UTC_ZONE = ZoneInfo("UTC")
PERIOD = Period(
    account_id="bob",
    currency="EUR",
    since=NOW,
    until=NOW,
    is_final=True,
    opening=Mark(1, 0),
    closing=Mark(3, 117),
)
LINES = stored_lines(
    transfer("bank", "bob", 123, transfer_id="t1", description='He said "hi",\nand left'),
    transfer("bob", "bank", 6, transfer_id="t2", metadata={"k": "v"}),
)


def whole(form, *parts) -> bytes:
    return form.head() + b"".join(form.lines(part) for part in parts) + form.tail()


def table(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


@pytest.mark.parametrize(
    "parts", [(LINES,), (LINES[:1], LINES[1:]), ((), LINES, ()), (LINES[:1], (), LINES[1:])]
)
def test_the_json_is_one_document_whatever_its_parts(parts):
    statement = msgspec.json.decode(whole(JsonForm(PERIOD, UTC_ZONE), *parts), type=Statement)

    assert [line.amount for line in statement.lines] == [123, -6]
    assert [line.type for line in statement.lines] == ["MoneyDeposited", "MoneyWithdrawn"]
    assert [line.counterparty for line in statement.lines] == ["bank", "bank"]
    assert statement.lines[1].metadata == {"k": "v"}
    assert (statement.opening_balance, statement.closing_balance) == (0, 117)


def test_the_json_of_an_empty_account_is_a_document_too():
    document = json.loads(whole(JsonForm(PERIOD, UTC_ZONE)))

    assert document["lines"] == []
    assert "page" not in document
    assert (document["from"], document["to"]) == ("2026-03-02T12:00:00.123456Z",) * 2


def test_the_table_begins_and_ends_with_a_balance_and_has_a_row_a_line():
    rows = table(whole(CsvForm(PERIOD, UTC_ZONE), LINES))

    assert [row["type"] for row in rows] == [
        "OpeningBalance",
        "MoneyDeposited",
        "MoneyWithdrawn",
        "ClosingBalance",
    ]
    assert [row["amount"] for row in rows] == ["", "1.23", "-0.06", ""]
    assert [row["amount_minor"] for row in rows] == ["", "123", "-6", ""]
    assert [row["booked_after"] for row in rows] == ["0.00", "1.23", "1.17", "1.17"]
    assert [row["booked_after_minor"] for row in rows] == ["0", "123", "117", "117"]
    assert {row["currency"] for row in rows} == {"EUR"}
    assert rows[1]["description"] == 'He said "hi",\nand left'
    assert all(len(row) == len(CSV_COLUMNS) and None not in row.values() for row in rows)


def test_the_table_is_written_as_rfc_4180_says():
    text = whole(CsvForm(PERIOD, UTC_ZONE), LINES[1:])

    assert text.endswith(b"\r\n")
    assert text.count(b"\r\n") == text.count(b"\n") == 4


@pytest.mark.parametrize(
    ("currency", "amounts"), [("JPY", ["123", "-6"]), ("KWD", ["0.123", "-0.006"])]
)
def test_a_decimal_has_the_digits_of_its_currency(currency, amounts):
    rows = table(whole(CsvForm(replace(PERIOD, currency=currency), UTC_ZONE), LINES))

    assert [row["amount"] for row in rows[1:3]] == amounts


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "  =", "\uff1d"])
def test_a_text_that_a_spreadsheet_would_run_is_made_harmless(begins):
    text = f'{begins}HYPERLINK("http://evil","click")'
    (line,) = stored_lines(transfer("bank", "bob", 1, description=text, external_id=text))

    (_, row, _) = table(whole(CsvForm(PERIOD, UTC_ZONE), [line]))

    assert row["description"] == row["external_id"] == "'" + text
    document = json.loads(whole(JsonForm(PERIOD, UTC_ZONE), [line]))
    assert document["lines"][0]["description"] == text


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40))
def test_any_description_is_read_back_from_both_forms(text):
    (line,) = stored_lines(transfer("bank", "bob", 1, description=text))

    (_, row, _) = table(whole(CsvForm(PERIOD, UTC_ZONE), [line]))
    document = json.loads(whole(JsonForm(PERIOD, UTC_ZONE), [line]))

    assert row["description"].removeprefix("'") == text.removeprefix("'")
    assert row["description"] in (text, "'" + text)
    assert document["lines"][0]["description"] == text


def test_the_booking_day_is_that_of_the_bank_s_zone():
    zone = ZoneInfo("Pacific/Kiritimati")  # 14 hours ahead

    (_, row, *_) = table(whole(CsvForm(PERIOD, zone), LINES))
    document = json.loads(whole(JsonForm(PERIOD, zone), LINES))

    assert row["booking_date"] == document["lines"][0]["booking_date"] == "2026-03-03"
    assert document["time_zone"] == "Pacific/Kiritimati"
