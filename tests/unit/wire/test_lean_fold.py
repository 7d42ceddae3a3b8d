"""The fold straight from the bytes answers as the general one does, or leaves it to that."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chronos.domain.account import AccountStatus
from chronos.errors import InvariantBroken
from chronos.wire.balance import Balance, fold
from chronos.wire.codec import decode_event, decode_shape, event_hash, recorded_of
from chronos.wire.lean_fold import fold_money, fold_shape
from tests.unit.balances.parts import busy_bank
from tests.whole_day import whole_day

EDGE = 2**53 - 1
amounts = st.integers(-EDGE - 2, EDGE + 2) | st.sampled_from([-EDGE, -1, 0, 1, EDGE])


async def test_a_day_of_every_event_folds_to_the_same_balances():
    balances: dict[str, Balance] = {}
    answered = 0
    for row in [row for booked in await whole_day() for row in booked.event_rows]:
        before, shape = balances.get(row.account_id), decode_shape(row.body)
        after = fold(before, decode_event(row.body), row.body, row.hash)
        assert fold_shape(before, shape, row.body, row.hash) == after
        if shape.__struct_config__.tag in ("MoneyWithdrawn", "MoneyDeposited"):
            assert fold_money(before, shape, row.body, row.hash) == after
            answered += 1
        balances[row.account_id] = after
    assert answered > 10


def alice():
    """Alice after her second event, and her third."""
    rows = [row for row in busy_bank()[0] if row.account_id == "alice"]
    balance = None
    for row in rows[:2]:
        balance = fold(balance, decode_event(row.body), row.body, row.hash)
    assert balance is not None
    return balance, decode_shape(rows[2].body)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "version": st.integers(1, 5),
            "amount": amounts,
            "booked_after": amounts,
            "held_after": st.integers(0, 3),
            "available_after": amounts,
            "overdraft_limit_after": st.none() | st.integers(0, 5),
            "status_after": st.sampled_from(AccountStatus),
        },
    ),
    st.fixed_dictionaries(
        {}, optional={"booked": amounts, "held": st.integers(0, 3), "version": st.just(3)}
    ),
    st.sampled_from([None, 0, 7, EDGE]),
    st.booleans(),
    st.booleans(),
)
def test_whatever_is_forged_both_say_the_same(forged, known, limit, add_up, whole_chain):
    balance, shape = alice()
    before = structs.replace(balance, overdraft_limit=limit, **known)
    shape = structs.replace(shape, **forged)
    if add_up:
        booked = before.booked + shape.amount
        shape = structs.replace(
            shape,
            booked_after=booked,
            held_after=before.held,
            available_after=booked - before.held + (limit or 0),
            overdraft_limit_after=limit,
        )
    body = msgspec.json.encode(shape)
    digest = event_hash(bytes.fromhex(before.hash) if whole_chain else b"\0" * 32, body)

    expected = said_by(lambda: fold(before, recorded_of(shape), body, digest))

    assert said_by(lambda: fold_shape(before, shape, body, digest)) == expected
    assert fold_money(before, shape, body, digest) in (None, expected)
    if isinstance(expected, str):
        assert fold_money(before, shape, body, digest) is None


def said_by(folding):
    """The balance, or why there is none."""
    try:
        return folding()
    except InvariantBroken as broken:
        return str(broken)
