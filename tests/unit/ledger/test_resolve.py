"""Completing commands that name their accounts only by something else."""

import json

import pytest

from chronos.domain.chart import AccountKind
from chronos.ledger.resolve import resolved
from chronos.wire.references import Referred, Wanted
from tests.builders import MemoryBank, attempt, open_account, transfer
from tests.commands import (
    annotate,
    batch,
    capture,
    close,
    entries,
    exchange,
    expire,
    freeze,
    place,
    reverse,
    set_limit,
    unfreeze,
    void,
)

PLAIN = [
    open_account(),
    transfer(),
    entries(("alice", -1), ("bob", 1)),
    place(),
    set_limit(),
    freeze(),
    unfreeze(),
    close(),
    annotate(),
]


class Library:
    """Answers from what it was given, and remembers what it was asked."""

    def __init__(self, **known):
        self.known = Referred(**known)
        self.asked: list[Wanted] = []

    async def refer(self, wanted: Wanted) -> Referred:
        self.asked.append(wanted)
        return self.known


@pytest.mark.parametrize("command", PLAIN, ids=lambda command: type(command).__name__)
async def test_a_command_that_names_its_accounts_costs_no_look_up(command):
    library, plain = Library(), attempt(command)
    assert await resolved(plain, library) is plain
    assert library.asked == []


async def test_a_batch_of_such_commands_costs_none_either():
    library, plain = Library(), batch(*(attempt(command) for command in PLAIN))
    assert await resolved(plain, library) is plain
    assert library.asked == []


@pytest.mark.parametrize("command", [capture(), void(), expire()])
async def test_the_account_of_a_hold_is_looked_up(command):
    library = Library(holds={"hld_1": "alice"})
    complete = await resolved(attempt(command), library)
    assert complete.also == ("alice",)
    assert library.asked == [Wanted(holds=("hld_1",))]


async def test_the_accounts_of_what_is_to_be_reversed_are_looked_up():
    library = Library(entries={"trf_1": ("alice", "bob", "carol")})
    complete = await resolved(attempt(reverse()), library)
    assert complete.also == ("alice", "bob", "carol")
    assert library.asked == [Wanted(entries=("trf_1",))]


async def test_the_position_accounts_of_both_currencies_are_looked_up():
    library = Library(
        currencies={"alice": "EUR", "yuki": "JPY"},
        positions={"EUR": "pos-e", "JPY": "pos-j"},
    )
    complete = await resolved(attempt(exchange()), library)
    assert complete.command.sell_positions == ("pos-e",)
    assert complete.command.buy_positions == ("pos-j",)
    assert library.asked == [Wanted(accounts=("alice", "yuki"))]


async def test_position_accounts_that_the_sender_chose_stay():
    library = Library(
        currencies={"alice": "EUR", "yuki": "JPY"}, positions={"EUR": "pos-e", "JPY": "pos-j"}
    )
    asked = attempt(exchange(sell_positions=("mine",)))
    complete = await resolved(asked, library)
    assert (complete.command.sell_positions, complete.command.buy_positions) == (
        ("mine",),
        ("pos-j",),
    )


@pytest.mark.parametrize("command", [capture(), void(), expire(), reverse()])
async def test_what_is_not_there_leaves_the_command_as_it_is(command):
    assert await resolved(attempt(command), Library()) == attempt(command)


async def test_a_batch_asks_once_for_everything_and_for_nothing_twice():
    library = Library(holds={"hld_1": "alice"}, entries={"trf_1": ("alice", "bob")})
    items = [capture(), void(), reverse(), reverse(transfer_id="rev_2"), exchange()]
    complete = await resolved(batch(*map(attempt, items)), library)

    assert library.asked == [
        Wanted(entries=("trf_1",), holds=("hld_1",), accounts=("alice", "yuki"))
    ]
    assert [item.also for item in complete.items] == [
        ("alice",),
        ("alice",),
        ("alice", "bob"),
        ("alice", "bob"),
        (),
    ]


async def test_an_item_may_refer_to_what_an_earlier_one_makes():
    position = AccountKind.POSITION
    commands = [
        open_account("yuki", currency="JPY"),
        open_account("alice"),
        open_account("pos-e", kind=position),
        open_account("pos-j", kind=position, currency="JPY"),
        place("alice"),
        capture(destination="bob"),
        reverse("cap_1"),
        exchange(),
        reverse("exc_1", transfer_id="rev_2"),
        entries(("alice", -2), ("bob", 1), ("carol", 1)),
        reverse("ent_1", transfer_id="rev_3"),
        reverse("rev_3", transfer_id="rev_4"),
    ]
    complete = await resolved(batch(*map(attempt, commands)), Library())
    also = {
        (type(item.command).__name__, getattr(item.command, "reverses", None)): item.also
        for item in complete.items
    }
    exchanged = complete.items[7].command

    assert also[("CaptureHold", None)] == ("alice",)
    assert set(also[("ReverseTransfer", "cap_1")]) == {"alice", "bob"}
    assert set(also[("ReverseTransfer", "exc_1")]) == {"alice", "yuki", "pos-e", "pos-j"}
    assert set(also[("ReverseTransfer", "ent_1")]) == {"alice", "bob", "carol"}
    assert set(also[("ReverseTransfer", "rev_3")]) == {"alice", "bob", "carol"}
    assert (exchanged.sell_positions, exchanged.buy_positions) == (("pos-e",), ("pos-j",))


async def test_an_item_does_not_refer_to_what_a_later_one_makes():
    commands = [capture(), reverse(), place("alice"), transfer()]
    complete = await resolved(batch(*map(attempt, commands)), Library())
    assert [item.also for item in complete.items] == [(), (), (), ()]


async def test_what_was_committed_before_comes_before_what_an_item_makes():
    """The item that would take a taken id is refused; the id stays what it was."""
    library = Library(holds={"hld_1": "carol"}, entries={"trf_1": ("carol", "dave")})
    commands = [place("alice"), transfer("alice", "bob"), void(), reverse()]
    complete = await resolved(batch(*map(attempt, commands)), library)
    voided, reversed_ = complete.items[2:]
    assert (voided.also, reversed_.also[:2]) == (("carol",), ("carol", "dave"))


async def test_an_id_that_several_items_try_to_take_may_become_any_of_theirs():
    """The first may be refused, so a reversal has room for the greatest of them."""
    bank = MemoryBank.empty()
    names = ["a", "b", "c", "d", "e"]
    opened = [open_account(n, kind=AccountKind.SETTLEMENT) for n in names]
    poor = open_account("poor")
    bank.book([attempt(c, f"o{n}") for n, c in enumerate([*opened, poor])])
    many = entries(("a", -4), *((n, 1) for n in names[1:]), transfer_id="same")
    items = [transfer("poor", "a", transfer_id="same"), many, reverse("same")]
    sent = batch(*(attempt(c, f"k{n}") for n, c in enumerate(items)))

    complete = await resolved(sent, bank)
    (receipt,) = bank.commit([complete]).receipts

    assert [r["status"] for r in json.loads(receipt.body)["results"]] == [409, 201, 201]
