"""C1, C5 and C10 on a journal that is whole, and on journals that are not."""

import msgspec
import pytest

from chronos.chaos.checkers.journal import gapless, no_overdraft, zero_sum
from chronos.chaos.readers.facts import Journal
from tests.unit.chaos.town import change, event_of, small_town, without


@pytest.fixture
def journal() -> Journal:
    return small_town().journal()


def test_a_whole_journal_passes(journal):
    for check, looked_at in ((zero_sum, 4), (gapless, 15), (no_overdraft, 13)):
        found = check(journal)
        assert (found.violations, found.looked_at) == ((), looked_at)


def test_a_posting_of_another_amount_leaves_money_over(journal):
    change(journal, "alice", 2, amount=51)

    assert zero_sum(journal).violations == (
        "transfer t1 leaves 1 EUR over",
        "the bank has 1 EUR too much",
    )


def test_a_posting_that_is_missing_leaves_money_over_and_half_a_transfer(journal):
    del journal.accounts["bank"][-1]

    assert "transfer t1 leaves 50 EUR over" in zero_sum(journal).violations
    assert gapless(journal).violations == ("transfer t1 has postings [1] and should have [2]",)


def test_currencies_never_mix(journal):
    for account in ("alice", "bob"):
        event = next(e for e in journal.accounts[account] if e.transfer_id == "t2" and e.amount)
        change(journal, account, event.version, currency="JPY")

    found = zero_sum(journal).violations
    assert found == (
        "alice, opened in EUR, has events in EUR, JPY",
        "bob, opened in EUR, has events in EUR, JPY",
    )


def test_a_missing_version_is_found(journal):
    del journal.accounts["alice"][2]

    assert "alice has version 4 where 3 belongs" in gapless(journal).violations


def test_a_version_that_comes_twice_is_found(journal):
    journal.accounts["alice"].insert(2, journal.accounts["alice"][1])

    assert "alice has version 2 where 3 belongs" in gapless(journal).violations


def test_positions_grow_with_versions(journal):
    change(journal, "alice", 3, position=1)

    assert [v for v in gapless(journal).violations if "position 1," in v]


def test_an_account_begins_with_its_one_opening(journal):
    change(journal, "bob", 1, type="AccountAnnotated")
    change(journal, "bank", 2, type="AccountOpened")

    found = gapless(journal).violations
    assert "bob begins with AccountAnnotated and opens 0 times" in found
    assert "bank begins with AccountOpened and opens 2 times" in found


def test_a_captured_hold_without_its_movement_is_half_there(journal):
    for name, events in journal.accounts.items():
        journal.accounts[name] = [
            msgspec.structs.replace(e, amount=0) if e.transfer_id == "t3" else e for e in events
        ]

    assert "hold h1 was captured without its transfer t3" in gapless(journal).violations


def test_one_transfer_of_two_commands_is_two_halves(journal):
    change(journal, "alice", 2, key="other")

    assert gapless(journal).violations == ("transfer t1 has postings of several commands",)


def test_an_account_without_events_and_events_without_an_account_are_found(journal):
    del journal.opened["bob"]
    journal.opened["carol"] = "EUR"

    assert gapless(journal).violations == (
        "account bob has events and is not known",
        "account carol is known and has no event",
    )


def test_what_the_reader_found_is_told(journal):
    journal.flaws.append("alice version 2 (MoneyDeposited): its hash does not continue")
    journal.flaws_count = 300

    found = gapless(journal)
    assert found.violations_count == 300
    assert found.violations[0] == journal.flaws[0]


def test_an_account_below_its_limit_is_found_wherever_it_was(journal):
    change(journal, "bob", 2, booked=-11)
    change(journal, "alice", 2, booked=3, held=4)
    change(journal, "bank", 2, booked=-1_000_000)

    assert no_overdraft(journal).violations == (
        "alice version 2 (MoneyDeposited): booked 3, held 4, limit 0",
        "bob version 2 (MoneyDeposited): booked -11, held 0, limit 10",
    )


def test_a_customer_without_a_limit_is_found(journal):
    change(journal, "alice", 2, overdraft_limit=None)

    assert no_overdraft(journal).violations == ("alice is a customer's and has no limit",)


def test_an_account_exactly_at_its_limit_is_none(journal):
    change(journal, "bob", 2, booked=-10)

    assert no_overdraft(journal).violations == ()


def test_nothing_is_half_there_when_a_whole_command_is_gone(journal):
    # Lost acknowledgements are C3's to find; the journal alone cannot know.
    assert event_of(journal, "t4").version == journal.accounts["alice"][-1].version
    assert gapless(without(journal, "t4")).violations == ()
