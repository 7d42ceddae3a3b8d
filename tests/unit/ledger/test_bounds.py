"""What no transaction can hold is refused early, and costs little to refuse."""

import json
from time import process_time

import pytest

from chronos.domain.chart import AccountKind
from chronos.ledger.needs import needs_of
from chronos.ledger.resolve import resolved
from chronos.ledger.service import Ledger
from chronos.store.found import Prepared
from chronos.wire.bounds import BYTES_MAX
from tests.builders import MemoryBank, attempt, open_account
from tests.commands import batch, entries, exchange, reverse
from tests.fakes import FakeJournal

REFUSING_CPU_S_MAX = 1.0


class NobodyKnows:
    """References that must not be asked."""

    async def refer(self, _wanted):
        raise AssertionError("was asked for what no transaction could hold")


def long_entry(number: int, postings: int = 100, **changes):
    """An entry of accounts that no other one names, always under the same id."""
    names = [f"a{number}-{n}" for n in range(postings)]
    signed = [(name, 1 if n % 2 else -1) for n, name in enumerate(names)]
    return entries(*signed, transfer_id="x", **changes)


async def test_too_many_events_are_refused_before_anything_is_looked_up():
    items = [attempt(long_entry(n)) for n in range(300)]
    items += [attempt(reverse("x", transfer_id=f"r{n}")) for n in range(300)]
    started_s = process_time()

    assert await resolved(batch(*items), NobodyKnows()) is None
    assert process_time() - started_s < REFUSING_CPU_S_MAX


async def test_reversals_of_what_many_items_would_book_are_counted_as_they_grow():
    items = [attempt(long_entry(n)) for n in range(90)]
    items += [attempt(reverse("x", transfer_id=f"r{n}")) for n in range(900)]
    started_s = process_time()

    assert await resolved(batch(*items), MemoryBank.empty()) is None
    assert process_time() - started_s < REFUSING_CPU_S_MAX


@pytest.mark.parametrize("way", ["execute", "preview"])
async def test_what_is_too_large_is_refused_by_either_way_and_not_kept(way):
    journal = FakeJournal()
    ledger = Ledger(journal, journal.bank)
    large = batch(*(attempt(long_entry(n)) for n in range(101)))

    receipt = await getattr(ledger, way)(large)

    assert (receipt.status, json.loads(receipt.body)["code"]) == (422, "batch_too_large")
    assert not journal.bank.state.receipts


def test_the_texts_of_a_client_weigh_in_every_event_that_repeats_them():
    metadata = {f"k{n}": "x" * 500 for n in range(16)}
    heavy = [attempt(long_entry(n, metadata=metadata)) for n in range(20)]

    assert not Prepared.of(heavy[0], needs_of).is_too_large
    prepared = Prepared.of(batch(*heavy), needs_of)
    assert prepared.is_too_large
    assert prepared.event_bytes > BYTES_MAX


async def exchanged(bank: MemoryBank, *items):
    attempts = [attempt(command, f"k{number}") for number, command in enumerate(items)]
    complete = await resolved(batch(*attempts), bank)
    (receipt,) = bank.book([complete]).receipts
    return json.loads(receipt.body)["results"]


@pytest.fixture
def bank():
    bank = MemoryBank.empty()
    position = AccountKind.POSITION
    openings = [
        open_account("alice", overdraft_limit=1000),
        open_account("pos-e", kind=position),
        open_account("pos-j", kind=position, currency="JPY"),
    ]
    bank.book([attempt(command, f"o{n}") for n, command in enumerate(openings)])
    return bank


async def test_an_account_opened_in_the_batch_exchanges_through_the_bank_s_own_position(bank):
    newer = open_account("pos-j2", kind=AccountKind.POSITION, currency="JPY")
    results = await exchanged(
        bank, newer, open_account("yuki", currency="JPY"), exchange("alice", "yuki")
    )

    accounts = [posting["account"] for posting in results[2]["body"]["postings"]]
    assert accounts == ["alice", "pos-e", "pos-j", "yuki"]


async def test_a_position_account_whose_opening_is_refused_is_passed_over(bank):
    position = AccountKind.POSITION
    results = await exchanged(
        bank,
        open_account("alice", kind=position, currency="GBP"),
        open_account("pos-g", kind=position, currency="GBP"),
        open_account("george", currency="GBP"),
        exchange("alice", "george"),
    )

    assert [result["status"] for result in results] == [409, 201, 201, 201]
