"""What the machine draws its commands from; a seat is a place in a list yet to be made."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st

GREATEST = 2**53 - 1
CURRENCIES = ("EUR", "JPY")

SEAT = st.integers(0, 11)
EDGES = [1, 9, 10, 11, 999, 1000, 1001, 10**9 - 1, 10**15 + 1, GREATEST - 1, GREATEST]
SHAPELESS = [-1, 0, GREATEST + 1, GREATEST + 2]
"""Amounts that no request may have."""


class Amount(NamedTuple):
    """A number, or one measured by an account."""

    exact: int
    measure: str | None = None
    """What the number is added to: what the payer has "available", or would have "without
    holds", the "room" of the payee below the greatest balance, the "debt" for a limit."""


_SMALL = st.builds(Amount, st.integers(1, 300), st.none())
_NEAR = st.sampled_from([0, 0, -1, 1])
AMOUNT = st.one_of(
    _SMALL,
    _SMALL,
    _SMALL,
    st.builds(Amount, st.sampled_from(EDGES), st.none()),
    st.builds(Amount, _NEAR, st.sampled_from(["available", "without holds"])),
    st.builds(Amount, _NEAR, st.just("room")),
)
LIMIT = st.one_of(st.none(), st.just(0), st.integers(1, 300), st.sampled_from(EDGES))
NEW_LIMIT = st.one_of(LIMIT, st.builds(Amount, _NEAR, st.sampled_from(["debt", "room"])))


def rarely(*values: object) -> st.SearchStrategy[Any]:
    """One of the values once in twelve times, else None."""
    return st.sampled_from([None] * 11 * len(values) + [*values])


class Manner(NamedTuple):
    """How a command is put: on which day, believing which versions, taking which id."""

    days: int | None
    belief: str | None
    taken_id: int | None
    description: str | None


PLAIN = Manner(None, None, None, None)
MANNER = st.builds(
    Manner,
    rarely(0, -1, -5, -3653, -3654, 366, 367),
    rarely("right", "stale"),
    rarely(0, 1),
    st.sampled_from([None, "rent", "loyer — août", "家賃"]),
)
EYE = st.sampled_from([None, None, "held", "frozen", "empty"])
"""What an account is chosen for, if there is one."""
POSTINGS = st.lists(st.tuples(SEAT, st.integers(-300, 300)), min_size=1, max_size=5)
PORTION = st.sampled_from(["all", "all", "part", "one", "exact", "beyond"])
METADATA = st.dictionaries(
    st.sampled_from(["tier", "region"]), st.text('aé€😀"\\', max_size=3), max_size=2
)
