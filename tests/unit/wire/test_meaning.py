"""A retry has the hash of its first attempt, also one that a later release compares."""

from datetime import date

import pytest

from chronos.wire.bodies import TransferBody
from chronos.wire.meaning import is_usable_key, meaning_hash

REQUEST = {
    "method": "POST",
    "route": "/v1/accounts/{id}/x",
    "params": {"id": "alice"},
    "if_match": '"3"',
    "body": TransferBody(
        source="alice",
        destination="bob",
        amount=100,
        currency="EUR",
        value_date=date(2026, 3, 2),
        metadata={"b": "2", "a": "é"},
    ),
}


def test_the_hash_stays_what_stored_receipts_were_written_with():
    assert meaning_hash(**REQUEST).hex() == (
        "c182f5602e3f044741d18842b4d2c83b7fd9f1c528e09c99daca2fb1c6ee18f8"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"route": "/v1/accounts/{id}/y"},
        {"params": {"id": "bob"}},
        {"params": {}},
        {"if_match": ""},
        {"body": None},
    ],
)
def test_any_other_meaning_has_another_hash(change):
    assert meaning_hash(**{**REQUEST, **change}) != meaning_hash(**REQUEST)


@pytest.mark.parametrize("text", ["k", "!", "~" * 255, "chk-1/2:3"])
def test_visible_ascii_names_an_attempt(text):
    assert is_usable_key(text)


@pytest.mark.parametrize("text", ["", " ", "a b", "a\n", "\x7f", "é", "k" * 256])
def test_anything_else_does_not(text):
    assert not is_usable_key(text)
