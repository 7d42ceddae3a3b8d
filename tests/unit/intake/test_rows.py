"""From what a row says to its command, or to a sentence about why there is none."""

from typing import Any

import msgspec
import pytest

from chronos.intake.files import Said, Unreadable
from chronos.intake.naming import ALIKE_ROWS_MAX, Naming, UnusableFile
from chronos.intake.rows import Nothing, Reading, Row


def read(value: dict[str, Any], reading: Reading | None = None) -> Row | Nothing | Unreadable:
    reading = reading or Reading(naming=Naming())
    return reading.row(Said(line=3, value=value))


def item(value: dict[str, Any]) -> dict[str, Any]:
    row = read(value)
    assert isinstance(row, Row), row
    return msgspec.to_builtins(row.command)


ACCOUNT = {"type": "account", "id": "alice", "currency": "EUR"}
BALANCE = {"type": "balance", "account": "alice", "amount": "12.5", "currency": "EUR"}
TRANSFER = {"type": "transfer", "from": "alice", "to": "bob", "amount": 5, "currency": "EUR"}
ENTRY = {
    "type": "entry",
    "currency": "EUR",
    "postings": [{"account": "alice", "amount": "-0.05"}, {"account": "bob", "amount": 5}],
}


def test_an_account_says_its_limit_as_a_decimal_or_in_minor_units():
    asked = {**ACCOUNT, "kind": "settlement", "opened_on": "2026-01-31", "metadata": {"k": "v"}}

    assert item(asked | {"overdraft_limit": "5"}) == item(asked | {"overdraft_limit": 500})
    assert item(asked) == {
        "type": "open_account",
        "id": "alice",
        "currency": "EUR",
        "kind": "settlement",
        "opened_on": "2026-01-31",
        "metadata": {"k": "v"},
    }


def test_an_opening_balance_is_a_transfer_and_a_debit_goes_the_other_way():
    credit, debit = item(BALANCE), item(BALANCE | {"amount": -700, "description": "loan"})

    assert (credit["from"], credit["to"], credit["amount"]) == ("opening.EUR", "alice", 1250)
    assert (debit["from"], debit["to"], debit["amount"]) == ("alice", "opening.EUR", 700)
    assert (credit["description"], debit["description"]) == ("Opening balance", "loan")


def test_an_opening_balance_of_zero_asks_for_nothing():
    assert read(BALANCE | {"amount": "0.00"}) == Nothing(line=3)


def test_entries_have_their_amounts_in_minor_units():
    assert [one["amount"] for one in item(ENTRY)["postings"]] == [-5, 5]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"type": "loan"}, "schema_violation"),
        ({"type": ["account"]}, "schema_violation"),
        ({}, "schema_violation"),
        ({"type": "account", "currency": "EUR"}, "id_invalid"),
        (ACCOUNT | {"id": "-x"}, "id_invalid"),
        (ACCOUNT | {"currency": "eur"}, "currency_invalid"),
        (ACCOUNT | {"currency": "XXX"}, "currency_invalid"),
        (ACCOUNT | {"kind": "wallet"}, "schema_violation"),
        (ACCOUNT | {"opened_on": "31.01.2026"}, "date_invalid"),
        (ACCOUNT | {"colour": "red"}, "schema_violation"),
        (ACCOUNT | {"overdraft_limit": "-1"}, "amount_invalid"),
        (ACCOUNT | {"key": "two words"}, "idempotency_key_invalid"),
        (ACCOUNT | {"idempotency_key": "k"}, "schema_violation"),
        (ACCOUNT | {"external_id": "caf\udce9"}, "invalid_encoding"),
        (ACCOUNT | {"external_id": "a\x00"}, "invalid_characters"),
        (BALANCE | {"amount": "1.234"}, "amount_invalid"),
        (BALANCE | {"amount": "1,000.00"}, "amount_invalid"),
        (BALANCE | {"amount": "12,5"}, "amount_invalid"),
        (BALANCE | {"amount": "+-5"}, "amount_invalid"),
        (BALANCE | {"amount": "-+5"}, "amount_invalid"),
        (BALANCE | {"amount": True}, "amount_invalid"),
        (BALANCE | {"amount": False}, "amount_invalid"),
        (BALANCE | {"amount": None}, "amount_invalid"),
        (BALANCE | {"from": "bob"}, "schema_violation"),
        ({k: v for k, v in BALANCE.items() if k != "account"}, "id_invalid"),
        ({k: v for k, v in BALANCE.items() if k != "amount"}, "schema_violation"),
        (TRANSFER | {"amount": 0}, "amount_not_positive"),
        (TRANSFER | {"amount": "-1"}, "amount_not_positive"),
        (TRANSFER | {"amount": "99999999999999"}, "amount_too_large"),
        (TRANSFER | {"value_date": "2026-02-30"}, "date_invalid"),
        (TRANSFER | {"metadata": {"k": 1}}, "metadata_invalid"),
        (ENTRY | {"postings": [{"account": "alice", "amount": 1}]}, "schema_violation"),
        (ENTRY | {"postings": "all"}, "schema_violation"),
        (ENTRY | {"postings": [1, 2]}, "schema_violation"),
    ],
)
def test_a_row_that_fits_no_shape_has_a_code_and_a_sentence(value, code):
    row = read(value)

    assert isinstance(row, Unreadable), row
    assert (row.code, row.line) == (code, 3)
    assert "." in row.detail


def test_a_sentence_names_the_field():
    row = read(TRANSFER | {"to": ""})

    assert isinstance(row, Unreadable)
    assert row.detail.startswith("to: ")


def names(*rows: dict[str, Any], source: str = "") -> list[tuple[str, str]]:
    reading = Reading(naming=Naming(source))
    made = [read(row, reading) for row in rows]
    return [(row.key, row.command.id) for row in made if isinstance(row, Row)]


def test_the_same_rows_have_the_same_names_in_every_run():
    rows = (ACCOUNT, BALANCE, TRANSFER, TRANSFER, ENTRY)

    assert names(*rows) == names(*rows)
    assert len(set(names(*rows))) == len(rows)


def test_rows_that_say_the_same_in_another_form_are_the_same():
    again = {**dict(reversed(BALANCE.items())), "amount": 1250}

    assert names(BALANCE) == names(again)


def test_rows_of_another_source_are_others():
    assert not set(names(TRANSFER, source="a")) & set(names(TRANSFER, source="b"))


def test_a_row_with_an_id_is_one_however_often_it_stands():
    first, second = names(TRANSFER | {"id": "t1"}, TRANSFER | {"id": "t1"})

    assert first == second
    assert first[1] == "t1"


def test_a_row_with_a_key_is_known_by_it_alone():
    first, other = names(TRANSFER | {"key": "k"}, TRANSFER | {"key": "k", "amount": 6})

    assert first == other
    assert first[0] == "k"


def test_too_many_rows_without_a_name_are_not_kept_in_memory(monkeypatch):
    monkeypatch.setattr("chronos.intake.naming.ALIKE_ROWS_MAX", 3)
    assert ALIKE_ROWS_MAX == 1_000_000

    with pytest.raises(UnusableFile, match="give them keys"):
        names(*({**TRANSFER, "amount": amount} for amount in range(1, 5)))
