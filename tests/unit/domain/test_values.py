"""Ids, currencies and decimals."""

import pytest

from chronos.domain.currency import EXPONENTS, format_amount, parse_amount
from chronos.domain.ids import is_valid_id


@pytest.mark.parametrize("text", ["a", "A1", "acc_01", "x.y:z-1", "0" * 64])
def test_plain_names_are_ids(text):
    assert is_valid_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "-a", "_a", ".a", "a b", "a\n", "0" * 65, "é", "a/b", "a'", "１", "a\u200d", "../x"],
)
def test_everything_else_is_not(text):
    assert not is_valid_id(text)


@pytest.mark.parametrize("code", ["XXX", "XTS", "XAU", "EU", "eur", "ЕUR", "DEM"])
def test_codes_out_of_use_are_not_currencies(code):
    assert code not in EXPONENTS


def test_minor_units_follow_the_currency():
    assert (EXPONENTS["EUR"], EXPONENTS["JPY"], EXPONENTS["KWD"]) == (2, 0, 3)


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [("125.00", "EUR", 12500), ("0.5", "EUR", 50), ("7", "JPY", 7), ("1.234", "KWD", 1234)],
)
def test_decimals_are_read_exactly(text, currency, amount):
    assert parse_amount(text, currency) == amount
    assert parse_amount(format_amount(amount, currency), currency) == amount


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("1.005", "EUR"),
        ("1.0", "JPY"),
        ("-1", "EUR"),
        ("1e3", "EUR"),
        ("١٢", "EUR"),
        ("1_0", "EUR"),
    ],
)
def test_what_is_no_plain_decimal_is_refused(text, currency):
    with pytest.raises(ValueError, match=text.replace(".", r"\.")):
        parse_amount(text, currency)


def test_debts_are_written_with_a_sign():
    assert format_amount(-5, "EUR") == "-0.05"
