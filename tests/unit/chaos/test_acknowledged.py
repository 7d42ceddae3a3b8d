"""C2, C3 and C4: what was told against what is stored."""

import pytest

from chronos.chaos.checkers.acknowledged import no_lost_ack, no_phantom
from chronos.chaos.checkers.snapshots import snapshot_sums
from chronos.chaos.history import Kind, Outcome
from tests.unit.chaos.town import (
    Town,
    answer_with,
    change,
    named,
    of_kind,
    pay,
    reply_with,
    small_town,
    unknown,
    without,
)


@pytest.fixture
def town() -> Town:
    return small_town()


def test_a_true_run_passes(town):
    journal = town.journal()

    assert no_lost_ack(journal, town.history).violations == ()
    assert no_phantom(journal, town.history).violations == ()
    assert no_lost_ack(journal, town.history).looked_at == 10
    assert no_phantom(journal, town.history).looked_at == 15


@pytest.mark.parametrize("key", ["bank", "t1", "h1", "t3", "t4"])
def test_an_acknowledged_command_that_is_not_there_is_lost(town, key):
    found = no_lost_ack(without(town.journal(), key), town.history).violations

    operation = named(town, key)
    assert (
        f"{operation.kind} {operation.number} of client 1, key {key} was acknowledged, the "
        "journal has nothing of it"
    ) in found


def test_an_acknowledged_command_without_its_receipt_is_lost(town):
    journal = town.journal()
    del journal.receipts["tester", "t2"]

    (only,) = no_lost_ack(journal, town.history).violations
    assert only.endswith("was acknowledged, its key has no receipt in the journal")


def test_an_answer_unlike_the_stored_receipt_is_found(town):
    operation = named(town, "t2")
    answer_with(operation, reply=operation.attempts[-1].reply + " ")

    (only,) = no_lost_ack(town.journal(), town.history).violations
    assert "was told another answer than the receipt" in only


def test_a_transfer_that_moved_another_amount_is_found(town):
    operation = named(town, "t2")
    operation.body = operation.body.replace('"amount": 5', '"amount": 6')

    (only,) = no_lost_ack(town.journal(), town.history).violations
    assert "asked for [+6 EUR on bob in t2; -6 EUR on alice in t2]" in only
    assert "led to [+5 EUR on bob in t2; -5 EUR on alice in t2]" in only


def test_a_description_is_part_of_the_content(town):
    operation = pay(town, "t9", "alice", "bob", 1, description="rent")
    assert no_lost_ack(town.journal(), town.history).violations == ()

    operation.body = operation.body.replace("rent", "food")
    assert no_lost_ack(town.journal(), town.history).violations_count == 1


def test_a_capture_that_paid_somebody_else_is_found(town):
    operation = of_kind(town, Kind.CAPTURE)
    operation.body = operation.body.replace("bob", "bank")

    (only,) = no_lost_ack(town.journal(), town.history).violations
    assert "HoldCaptured h1 of 4 EUR on alice 3 to bank by t3" in only


def test_an_account_opened_with_another_limit_is_found(town):
    change(journal := town.journal(), "bob", 1, overdraft_limit=0)

    assert any(
        "asked for [opened bob, customer, in EUR, limit 10]" in what
        for what in no_lost_ack(journal, town.history).violations
    )


def test_a_balance_that_the_journal_does_not_have_is_found(town):
    told = {"alice": {"version": 2, "booked": 50, "held": 0, "available": 49}}
    reply_with(named(town, "t1"), accounts=told)

    found = no_lost_ack(town.journal(), town.history).violations
    assert any(
        "alice is told at version 2: booked 50, held 0, available 49" in w for w in found
    )
    assert any("was told of accounts ['alice'], changed ['alice', 'bank']" in w for w in found)


def test_a_position_that_is_not_its_last_events_is_found(town):
    reply_with(named(town, "t2"), position=1)

    found = no_lost_ack(town.journal(), town.history).violations
    last = max(
        e.position for es in town.journal().accounts.values() for e in es if e.key == "t2"
    )
    assert any(w.endswith(f"was told position 1, its last event is at {last}") for w in found)


def test_a_balance_of_another_version_than_it_left_is_found(town):
    told = {
        "alice": {"version": 2, "booked": 50, "held": 0, "available": 50},
        "bob": {"version": 2, "booked": 5, "held": 0, "available": 15},
    }
    reply_with(named(town, "t2"), accounts=told)

    found = no_lost_ack(town.journal(), town.history).violations
    assert any(what.endswith("left alice at version 3, was told 2") for what in found)


def test_an_acknowledgement_that_is_no_receipt_is_found(town):
    answer_with(named(town, "t2"), reply='{"id":"t2"}')

    found = no_lost_ack(town.journal(), town.history).violations
    assert any("its answer cannot be read" in what for what in found)


def test_an_unknown_command_may_be_there_or_not(town):
    unknown(named(town, "t4"))

    for journal in (town.journal(), without(town.journal(), "t4")):
        assert no_lost_ack(journal, town.history).violations == ()
        assert no_phantom(journal, town.history).violations == ()


def test_an_unknown_command_that_is_there_has_its_content(town):
    operation = named(town, "t4")
    unknown(operation)
    operation.path = "/v1/transfers/t1/reverse"

    (only,) = no_phantom(town.journal(), town.history).violations
    assert "never answered, asked for" in only


def test_what_nobody_sent_is_a_phantom(town):
    town.history.remove(named(town, "t2"))

    found = no_phantom(town.journal(), town.history).violations
    assert found == (
        "nobody sent key t2, which led to -5 EUR on alice in t2",
        "nobody sent key t2, which led to +5 EUR on bob in t2",
        "the journal has a receipt for key t2, which nobody sent",
    )


def test_what_was_refused_and_is_there_is_a_phantom(town):
    answer_with(named(town, "t2"), outcome=Outcome.FAIL, status=409)

    (only,) = no_phantom(town.journal(), town.history).violations
    assert "was refused and led to [-5 EUR on alice in t2; +5 EUR on bob in t2]" in only


def test_a_receipt_of_a_refusal_beside_events_is_a_phantom(town):
    journal = town.journal()
    journal.receipts["tester", "t2"] = journal.receipts["tester", "t5"]

    (only,) = no_phantom(journal, town.history).violations
    assert only.startswith("key t2 was refused and led to")


def test_snapshots_that_sum_to_the_total_pass(town):
    found = snapshot_sums(town.journal(), town.history, snapshots_min=2)

    assert (found.violations, found.looked_at, found.invalid) == ((), 2, "")


def test_too_few_snapshots_prove_nothing(town):
    found = snapshot_sums(town.journal(), town.history, snapshots_min=3)

    assert found.holds
    assert found.invalid == "2 snapshots were read, a run needs 3"


def test_a_snapshot_of_a_half_transfer_is_found(town):
    town.snapshot(bob=[1, 0, 0])

    (only,) = snapshot_sums(town.journal(), town.history, snapshots_min=1).violations
    assert only.endswith("the accounts sum to -3 EUR")


def test_a_snapshot_of_a_balance_that_never_was_is_found(town):
    state = town.bank.state.heads["alice"].state
    town.snapshot(alice=[state.version, state.booked - 1, 0], bob=[4, 4, 0])

    found = snapshot_sums(town.journal(), town.history, snapshots_min=1).violations
    assert len(found) == 2
    assert all("is shown at version" in what for what in found)


def test_a_snapshot_of_a_version_that_is_not_there_is_found(town):
    town.snapshot(bob=[99, 3, 0])

    (only,) = snapshot_sums(town.journal(), town.history, snapshots_min=1).violations
    assert only.endswith("bob is shown at version 99, which the journal has not")


def test_a_snapshot_that_cannot_be_read_is_found(town):
    answer_with(of_kind(town, Kind.SNAPSHOT), reply="{}")

    (only,) = snapshot_sums(town.journal(), town.history, snapshots_min=1).violations
    assert only.startswith("snapshot 5 of client 1 cannot be read")


def test_a_snapshot_without_an_account_is_found(town):
    reply_with(of_kind(town, Kind.SNAPSHOT, 1), accounts={"alice": [10, 47, 0]})

    found = snapshot_sums(town.journal(), town.history, snapshots_min=1).violations
    assert any("does not show bob, which was opened before" in what for what in found)
