"""The fold that every read model shares."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chronos.domain.decide import decide
from chronos.errors import InvariantBroken
from chronos.wire.balance import decode_balance, encode_balance, fold
from chronos.wire.codec import Recorded, decode_event, encode_event, event_hash
from tests.builders import NOW, MemoryBank, account, attempt, open_account, states
from tests.commands import (
    annotate,
    capture,
    freeze,
    hold_state,
    place,
    set_limit,
    unfreeze,
    void,
)
from tests.unit.wire.test_codec import booked_rows

LATER = NOW + timedelta(days=1)


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
    forged = recorded._replace(event=replace(recorded.event, booked_after=-69))
    body = encode_event(forged)
    with pytest.raises(InvariantBroken, match="differ"):
        fold(balance, forged, body, event_hash(first.hash, body))


def test_a_gap_stops_the_fold():
    _, second = alice_rows()
    with pytest.raises(InvariantBroken):
        fold(None, decode_event(second.body), second.body, second.hash)


def folded(*commands):
    """Alice after commands that name her, with 500 in a fresh bank."""
    bank = MemoryBank.empty()
    opening = open_account("alice", overdraft_limit=500, metadata={"a": "1"})
    balance = None
    for number, command in enumerate((opening, open_account("bob"), *commands)):
        for row in bank.book([attempt(command, f"k{number}", also=("alice",))]).event_rows:
            if row.account_id == "alice":
                balance = fold(balance, decode_event(row.body), row.body, row.hash)
    return balance


def test_open_holds_are_kept_by_name_until_they_end():
    first, second = place(amount=70), place(amount=30, hold_id="hld_2", expires_at=LATER)
    both, one = folded(first, second), folded(first, second, void())
    none = folded(first, second, void(), capture("hld_2", amount=10))

    assert [(h.id, h.amount, h.expires_at) for h in both.holds] == [
        ("hld_1", 70, None),
        ("hld_2", 30, "2026-03-03T12:00:00.123456Z"),
    ]
    assert ([h.id for h in one.holds], one.held, one.available) == (["hld_2"], 30, 470)
    assert (none.holds, none.held, none.booked, none.available) == ((), 0, -10, 490)


def test_the_newest_annotation_a_status_and_a_limit_stay():
    balance = folded(annotate(metadata={"b": "2"}), freeze(), set_limit(limit=900), unfreeze())
    assert (balance.metadata, balance.status, balance.overdraft_limit) == (
        {"b": "2"},
        "open",
        900,
    )
    assert folded(freeze()).metadata == {"a": "1"}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"hold_id": "hld_9"}, "hold hld_9 ends without being open"),
        (
            {"hold_amount": 69, "held_after": 1, "available_after": 499},
            "hold hld_1 of 70 ends as one of 69",
        ),
    ],
)
def test_a_hold_that_ends_as_another_stops_the_fold(changes, wrong):
    before, after = folded(place(amount=70)), folded(place(amount=70), void())
    (voided,) = decide(
        states(
            account(booked=0, held=70, open_holds=1, overdraft_limit=500, version=2),
            holds={"hld_1": hold_state(amount=70)},
        ),
        void(),
    ).events
    recorded = Recorded(
        event=replace(voided, **changes),
        event_id=after.event_id,
        position=9,
        recorded_at=LATER,
        principal="p",
        correlation_id="c",
        causation_id="k",
    )
    body = encode_event(recorded)
    with pytest.raises(InvariantBroken, match=wrong):
        fold(before, recorded, body, event_hash(bytes.fromhex(before.hash), body))
