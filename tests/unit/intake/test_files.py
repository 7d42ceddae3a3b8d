"""Rows of files: what is doubtful is said, never guessed, and does not end the file."""

import io

import pytest

from chronos.intake.files import (
    LINE_BYTES_MAX,
    Said,
    Unreadable,
    UnusableFile,
    read_csv,
    read_json_lines,
)


def csv_rows(text: str | bytes, default_type: str | None = None):
    raw = text if isinstance(text, bytes) else text.encode()
    return list(read_csv(io.BytesIO(raw), default_type))


def values(rows) -> list[dict]:
    assert all(isinstance(row, Said) for row in rows), rows
    return [row.value for row in rows]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_a_table_is_read_whatever_its_marks(mark, end, begin):
    lines = [
        mark.join(("type", "account", "amount", "currency", "metadata.city")),
        mark.join(("balance", "alice", "12.50", "EUR", '"Bern"')),
        mark.join(("balance", "bob", "", "EUR", "")),
    ]

    rows = csv_rows(begin + end.join(lines) + end)

    assert values(rows) == [
        {
            "type": "balance",
            "account": "alice",
            "amount": "12.50",
            "currency": "EUR",
            "metadata": {"city": "Bern"},
        },
        {"type": "balance", "account": "bob", "currency": "EUR"},
    ]
    assert [row.line for row in rows] == [2, 3]


def test_a_cell_may_hold_marks_quotes_and_line_ends_and_lines_are_still_counted():
    text = 'type,id,description\ntransfer,a,"one, ""two""\nthree"\n\ntransfer,b,x\n'

    rows = csv_rows(text)

    assert values(rows)[0]["description"] == 'one, "two"\nthree'
    assert [row.line for row in rows] == [2, 5]


def test_minor_units_have_columns_of_their_own():
    rows = csv_rows("type,amount_minor,overdraft_limit_minor\nbalance,-1250,0\n")

    assert values(rows) == [{"type": "balance", "amount": -1250, "overdraft_limit": 0}]


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ("1.5,", "no whole number of minor units"),
        ("1,1", "twice, as a decimal and in minor units"),
        ("99999999999999999999,", "no whole number"),
        ("x", "has 2 cells"),
        ("1,2,3", "has 4 cells"),
    ],
)
def test_a_row_that_cannot_be_understood_is_said_and_the_next_is_read(cells, says):
    rows = csv_rows(f"type,amount_minor,amount\nbalance,{cells}\nbalance,7,\n")

    assert isinstance(rows[0], Unreadable)
    assert says in rows[0].detail
    assert rows[0].line == 2
    assert values(rows[1:]) == [{"type": "balance", "amount": 7}]


def test_a_quote_that_never_ends_is_one_row_that_cannot_be_read():
    rows = csv_rows('type,id\ntransfer,"a\n')

    assert [type(row) for row in rows] == [Unreadable]


def test_bytes_that_are_no_utf_8_stay_in_their_row():
    rows = csv_rows(b"type,id\ntransfer,caf\xe9\ntransfer,ok\n")

    assert rows[0].value["id"] == "caf\udce9"
    assert rows[1].value["id"] == "ok"


def test_the_postings_of_an_entry_are_rows_one_after_another():
    text = (
        "type,id,account,amount,currency,description\n"
        "entry,e1,alice,-5,EUR,dinner\n"
        "entry,e1,bob,3,,\n"
        "entry,e1,carol,2,EUR,dinner\n"
        "entry,e2,alice,-1,EUR,\n"
        "transfer,t1,,1,EUR,\n"
        "entry,e2,bob,1,EUR,\n"
    )

    rows = csv_rows(text)

    assert values(rows)[0] == {
        "type": "entry",
        "id": "e1",
        "currency": "EUR",
        "description": "dinner",
        "postings": [
            {"account": "alice", "amount": "-5"},
            {"account": "bob", "amount": "3"},
            {"account": "carol", "amount": "2"},
        ],
    }
    assert [len(row.value.get("postings", ())) for row in rows] == [3, 1, 0, 1]
    assert [row.line for row in rows] == [2, 5, 6, 7]


def test_postings_that_disagree_about_their_entry_are_not_joined_by_guess():
    text = "type,id,account,amount,currency\nentry,e1,a,-5,EUR\nentry,e1,b,5,USD\n"

    (row,) = csv_rows(text)

    assert isinstance(row, Unreadable)
    assert "disagree about currency" in row.detail


def test_a_posting_without_the_name_of_its_entry_is_said():
    (row,) = csv_rows("type,account,amount\nentry,a,-5\n")

    assert row.code == "id_invalid"


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("", "the column `type`"),
        ("type,colour", "unknown columns: 'colour'"),
        ("type,id,id", "id more than once"),
        ("type,id;amount", "one mark between them"),
        ("id,amount", "the column `type`"),
        ("Type,id", "unknown columns"),
    ],
)
def test_a_table_whose_columns_are_not_known_is_not_read_at_all(header, says):
    with pytest.raises(UnusableFile, match=says):
        csv_rows(header + "\n1,2\n")


def test_a_table_without_types_is_told_its_type():
    assert values(csv_rows("id,currency\nalice,EUR\n", "account")) == [
        {"type": "account", "id": "alice", "currency": "EUR"}
    ]
    with pytest.raises(UnusableFile):
        csv_rows("type,id\naccount,alice\n", "account")


def test_a_table_with_a_line_without_end_is_not_read_on():
    with pytest.raises(UnusableFile, match="a line of more than"):
        csv_rows(b"type,id\ntransfer," + b"x" * LINE_BYTES_MAX)


def test_json_lines_are_read_and_empty_ones_passed_over():
    text = b'\xef\xbb\xbf{"type":"account","id":"a"}\n\n  \n{"type":"account","id":"b"}'

    rows = list(read_json_lines(io.BytesIO(text)))

    assert [row.value["id"] for row in rows] == ["a", "b"]
    assert [row.line for row in rows] == [1, 4]


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b'{"amount": 12.5}',
        b'{"amount": 1e3}',
        b'{"amount": NaN}',
        b'{"id": "a", "id": "b"}',
        b'["a"]',
        b'{"id": "\xff"}',
        b"[" * 100_000,
        b"1" * 5000,
        b'{"x":"' + b"y" * LINE_BYTES_MAX + b'"}',
    ],
)
def test_a_line_that_is_no_clear_object_is_said_and_the_next_is_read(line):
    rows = list(read_json_lines(io.BytesIO(line + b'\n{"type":"account"}\n')))

    assert [type(row) for row in rows] == [Unreadable, Said]
    assert [row.line for row in rows] == [1, 2]
