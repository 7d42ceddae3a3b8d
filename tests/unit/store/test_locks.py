"""Names of locks: 64 bits, one kind apart from the other, keys that cannot be confused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chronos.ledger.needs import needs_of
from chronos.store.locks import blocking_locks, key_lock
from chronos.store.statements import begin_and_lock
from tests.builders import open_account, transfer


def test_one_name_as_two_kinds_is_two_locks():
    locks = blocking_locks(needs_of(open_account("same", external_id="same")))

    assert len(locks) == 2
    assert not locks & blocking_locks(needs_of(transfer("a", "b", transfer_id="same")))


def test_both_directions_between_two_accounts_share_their_locks():
    there = blocking_locks(needs_of(transfer("a", "b", transfer_id="t")))
    back = blocking_locks(needs_of(transfer("b", "a", transfer_id="t")))

    assert there == back
    assert len(there) == 3


@given(st.text(), st.text(), st.text(), st.text())
def test_different_keys_have_different_locks(principal, key, other_principal, other_key):
    first, second = key_lock((principal, key)), key_lock((other_principal, other_key))

    assert (first == second) == ((principal, key) == (other_principal, other_key))
    assert -(2**63) <= first < 2**63


def test_the_locking_text_holds_integers_only():
    text = begin_and_lock([-5, 7], {11: ("p", "'); DROP TABLE events --")})

    assert "'{-5,7}'" in text
    assert "'{11}'" in text
    assert "DROP" not in text
