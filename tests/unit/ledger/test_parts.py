"""What a long transaction writes comes in parts, which are what it would be as a whole."""

from dataclasses import replace

import pytest

from chronos.wire.booking import Booked
from tests.builders import MemoryBank, attempt, bookkeeper, open_account, transfer
from tests.commands import batch, capture, place, reverse
from tests.unit.ledger.test_batches import item

ROWS = ("receipts", "event_rows", "outbox_rows", "receipt_rows", "account_rows")


@pytest.fixture
def bank():
    bank = MemoryBank.empty()
    bank.book(
        [
            attempt(open_account("alice", overdraft_limit=10_000), "o1"),
            attempt(open_account("bob"), "o2"),
        ]
    )
    return bank


def moved(name, amount=1):
    return attempt(transfer(amount=amount, transfer_id=name), name)


def items(name, *amounts):
    return [
        item(transfer(amount=amount, transfer_id=f"{name}-{n}"), number=n, of=name)
        for n, amount in enumerate(amounts)
    ]


def with_own_keys():
    """A batch with an item twice, an item that was sent before, and the item sent again."""
    own = item(transfer(amount=7, transfer_id="own"), key="own")
    return [batch(own, own, moved("t2"), *items("b4", 1, 2), key="b4"), own]


def parts_of(bank, attempts, part_events):
    keeper = bookkeeper(part_events=part_events)
    return [*keeper.book_in_parts(attempts, bank.state)]


def lengths(parts):
    return [len(part.event_rows) for part in parts]


@pytest.mark.parametrize("part_events", [1, 3, 4, 1000])
def test_the_parts_are_the_whole_in_its_order(bank, part_events):
    attempts = [
        moved("t1"),
        batch(*items("b1", 1, 99_999, 3, 4), key="b1"),
        moved("t1"),
        moved("poor", 99_999),
        batch(*items("b2", 5, 6), key="b2", is_atomic=True),
        batch(*items("b3", 5, 99_999), key="b3", is_atomic=True),
        moved("t2"),
        *with_own_keys(),
        attempt(place("alice", 50), "p1"),
        attempt(capture(), "c1"),
        attempt(reverse("t1"), "r1", also=("alice", "bob")),
        attempt(reverse("t1", transfer_id="rev_2"), "r2", also=("alice", "bob")),
    ]
    whole = bookkeeper(part_events=10**6).book(attempts, bank.state)

    parts = parts_of(bank, attempts, part_events)

    together = Booked.whole(parts)
    assert {name: getattr(together, name) for name in ROWS} == {
        name: getattr(whole, name) for name in ROWS
    }
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert len(whole.receipts) == len(attempts)
    assert (len(parts) > 1) == (part_events < 1000)


def test_a_part_ends_with_the_command_that_makes_it_long(bank):
    assert lengths(parts_of(bank, [moved(f"t{n}") for n in range(5)], 4)) == [4, 4, 2]


def test_no_part_holds_half_a_transfer(bank):
    attempts = [moved("t1"), batch(*items("b1", *range(1, 8))), moved("t2")]

    for part in parts_of(bank, attempts, 3):
        assert sum(row.amount for row in part.event_rows) == 0


def test_a_batch_that_may_be_undone_is_in_one_part(bank):
    long = batch(*items("b1", *range(1, 8)), is_atomic=True)

    assert lengths(parts_of(bank, [moved("t1"), long, moved("t2")], 3)) == [16, 2]
    undone = batch(*items("b1", *range(1, 8), 99_999), is_atomic=True)
    parts = parts_of(bank, [moved("t1"), undone, moved("t2")], 3)
    assert lengths(parts) == [4]
    assert [receipt.status for receipt in parts[0].receipts] == [201, 409, 201]


def test_no_part_is_cut_before_nothing_but_a_receipt(bank):
    assert lengths(parts_of(bank, [batch(*items("b1", 1, 2, 3, 4))], 4)) == [4, 4]
    assert lengths(parts_of(bank, [moved("t1"), moved("t2")], 4)) == [4]


def test_nothing_to_write_is_one_part_too(bank):
    bank.book([moved("t1")])

    (part,) = parts_of(bank, [moved("t1")], 1)

    assert part.is_last
    assert part.receipts[0].replayed
    assert not part.event_rows
    assert lengths(parts_of(bank, [], 1)) == [0]


def test_a_part_is_decided_when_it_is_asked_for(bank):
    """Whoever inserts one does so while the next is not there yet."""
    keeper = bookkeeper(part_events=2)
    few = replace(bank.state, positions=bank.state.positions[:2])
    parts = keeper.book_in_parts([moved("t1"), moved("t2")], few)

    assert len(next(parts).event_rows) == 2
    with pytest.raises(IndexError):
        next(parts)
