"""A cursor opens only for the list and the filters that it was given out for."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronos.wire.cursors import Cursors, InvalidCursor

CURSORS = Cursors(b"secret", list_name="entries")
FILTERS = {"account": "alice", "types": ""}


@given(
    after=st.one_of(st.integers(-(2**53), 2**53), st.text(max_size=64)),
    filters=st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=4),
)
def test_what_is_sealed_opens_to_the_same_place(after: int | str, filters: dict[str, str]):
    assert CURSORS.open(CURSORS.seal(after, filters), filters) == after


@given(st.binary(max_size=60))
def test_no_other_bytes_open(raw: bytes):
    cursor = base64.urlsafe_b64encode(raw).decode().rstrip("=")

    with pytest.raises(InvalidCursor):
        CURSORS.open(cursor, FILTERS)


@given(st.text(max_size=600))
def test_no_other_text_opens(text: str):
    with pytest.raises(InvalidCursor):
        CURSORS.open(text, FILTERS)


def test_every_flipped_character_is_noticed():
    cursor = CURSORS.seal(7, FILTERS)

    for place, character in enumerate(cursor):
        other = "A" if character != "A" else "Q"
        with pytest.raises(InvalidCursor):
            CURSORS.open(cursor[:place] + other + cursor[place + 1 :], FILTERS)


@pytest.mark.parametrize(
    "filters",
    [{}, {"account": "bob", "types": ""}, {"account": "alice"}, {**FILTERS, "more": ""}],
)
def test_other_filters_do_not_open_it(filters: dict[str, str]):
    with pytest.raises(InvalidCursor):
        CURSORS.open(CURSORS.seal(7, FILTERS), filters)


def test_another_list_or_another_secret_does_not_open_it():
    cursor = CURSORS.seal(7, FILTERS)

    for other in (
        Cursors(b"secret", list_name="accounts"),
        Cursors(b"other", list_name="entries"),
    ):
        with pytest.raises(InvalidCursor):
            other.open(cursor, FILTERS)


def test_a_cursor_outlives_the_process_that_made_it():
    cursor = CURSORS.seal("acc_1", FILTERS)

    assert Cursors(b"secret", list_name="entries").open(cursor, FILTERS) == "acc_1"
