"""The table of currencies, against what the standard says."""

import hashlib
import re

import pytest

from chronos.api import currencies
from chronos.domain.currency import EXPONENTS
from chronos.domain.iso4217 import CURRENCIES

NOT_MONEY = (
    "XXX XTS XAG XAU XPD XPT XBA XBB XBC XBD XAD XDR XSU XUA "
    "BOV CHE CHW CLF COU MXV USN UYI UYW"
)
REPLACED = (
    "ANG BGN BYR CUC DEM EEK FRF GHC HRK ITL LTL LVL MRO MZM ROL SLL STD TRL VEB VEF ZMK ZWL"
)
AS_PUBLISHED = "0f1ec7d499d95729627c43304aa64c2fd42a5745704a2193731b5180e7691e25"


def test_the_table_has_every_currency_in_use_once():
    rows = CURRENCIES.values()

    assert len(rows) == 155
    assert len({row.number for row in rows}) == 155
    assert list(CURRENCIES) == sorted(CURRENCIES)
    assert all(code == row.code for code, row in CURRENCIES.items())


def test_every_row_has_the_form_of_the_standard():
    for row in CURRENCIES.values():
        assert re.fullmatch(r"[A-Z]{3}", row.code), row
        assert re.fullmatch(r"[0-9]{3}", row.number), row
        assert row.exponent in (0, 2, 3), row
        assert row.name == " ".join(row.name.split()), row
        assert row.name[0].isupper(), row
        assert all(mark.isalpha() or mark in " '" for mark in row.name), row


def test_no_row_has_changed_since_it_was_compared_with_the_published_list():
    rows = "".join(f"{row.code}{row.number}{row.exponent}" for row in CURRENCIES.values())

    assert hashlib.sha256(rows.encode()).hexdigest() == AS_PUBLISHED


@pytest.mark.parametrize(
    ("code", "number", "exponent", "name"),
    [
        ("EUR", "978", 2, "Euro"),
        ("USD", "840", 2, "US Dollar"),
        ("GBP", "826", 2, "Pound Sterling"),
        ("CHF", "756", 2, "Swiss Franc"),
        ("JPY", "392", 0, "Yen"),
        ("KRW", "410", 0, "Won"),
        ("CLP", "152", 0, "Chilean Peso"),
        ("ISK", "352", 0, "Iceland Krona"),
        ("UGX", "800", 0, "Uganda Shilling"),
        ("XOF", "952", 0, "CFA Franc BCEAO"),
        ("XAF", "950", 0, "CFA Franc BEAC"),
        ("BHD", "048", 3, "Bahraini Dinar"),
        ("KWD", "414", 3, "Kuwaiti Dinar"),
        ("TND", "788", 3, "Tunisian Dinar"),
        ("MGA", "969", 2, "Malagasy Ariary"),
        ("MRU", "929", 2, "Ouguiya"),
        ("XCG", "532", 2, "Caribbean Guilder"),
        ("ZWG", "924", 2, "Zimbabwe Gold"),
    ],
)
def test_well_known_rows_are_right(code, number, exponent, name):
    row = CURRENCIES[code]

    assert (row.number, row.exponent, row.name) == (number, exponent, name)


@pytest.mark.parametrize(
    ("code", "number"),
    [("ALL", "008"), ("DZD", "012"), ("ARS", "032"), ("AUD", "036"), ("BDT", "050")],
)
def test_a_number_keeps_the_zeros_in_front(code, number):
    assert CURRENCIES[code].number == number


def test_the_currencies_without_and_with_three_digits_are_these():
    def with_exponent(exponent):
        return [row.code for row in CURRENCIES.values() if row.exponent == exponent]

    assert " ".join(with_exponent(0)) == (
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
    )
    assert " ".join(with_exponent(3)) == "BHD IQD JOD KWD LYD OMR TND"


@pytest.mark.parametrize("code", NOT_MONEY.split())
def test_a_code_that_is_no_money_in_use_is_refused(code):
    assert code not in CURRENCIES
    assert code not in EXPONENTS


@pytest.mark.parametrize("code", REPLACED.split())
def test_a_currency_that_was_replaced_is_refused(code):
    assert code not in CURRENCIES


def test_nobody_can_change_the_table():
    with pytest.raises(TypeError):
        CURRENCIES["XTS"] = CURRENCIES["EUR"]
    with pytest.raises(TypeError):
        EXPONENTS["EUR"] = 3
    with pytest.raises(AttributeError):
        CURRENCIES["EUR"].exponent = 3


async def test_the_route_tells_all_of_it():
    answer = await currencies.list_currencies(None, None)

    assert answer.status == 200
    assert b'{"code":"ALL","number":"008","exponent":2,"name":"Lek"}' in answer.body
    assert answer.body.count(b'"code"') == len(CURRENCIES)
