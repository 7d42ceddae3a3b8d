"""The fold that every read model shares."""

from dataclasses import replace

import pytest

from chronos.errors import InvariantBroken
from chronos.wire.balance import decode_balance, encode_balance, fold
from chronos.wire.codec import decode_event, encode_event, event_hash
from tests.unit.wire.test_codec import booked_rows


def alice_rows():
    return [r for r in booked_rows().event_rows if r.account_id == "alice"]


def test_events_fold_to_the_balance():
    balance = None
    for row in alice_rows():
        balance = fold(balance, decode_event(row.body), row.body, row.hash)

    assert (balance.booked, balance.available, balance.version) == (-70, 430, 2)
    assert balance.metadata == {"a": "ü", "b": "1"}
    assert decode_balance(encode_balance(balance)) == balance


def test_a_broken_chain_stops_the_fold():
    first, second = alice_rows()
    balance = fold(None, decode_event(first.body), first.body, first.hash)
    with pytest.raises(InvariantBroken, match="chain") as broken:
        fold(balance, decode_event(second.body), second.body, b"\0" * 32)
    assert broken.value.exit_code == 70


def test_a_claimed_balance_that_does_not_add_up_stops_the_fold():
    first, second = alice_rows()
    balance = fold(None, decode_event(first.body), first.body, first.hash)
    recorded = decode_event(second.body)
    forged = replace(recorded, event=replace(recorded.event, booked_after=-69))
    body = encode_event(forged)
    with pytest.raises(InvariantBroken, match="differ"):
        fold(balance, forged, body, event_hash(first.hash, body))


def test_a_gap_stops_the_fold():
    _, second = alice_rows()
    with pytest.raises(InvariantBroken):
        fold(None, decode_event(second.body), second.body, second.hash)
