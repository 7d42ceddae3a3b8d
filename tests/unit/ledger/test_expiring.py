"""The command that ends a due hold: one key, and what its receipts mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chronos.clock import SystemIds
from chronos.domain.chart import AccountKind
from chronos.domain.commands import PlaceHold, VoidHold
from chronos.domain.ids import AccountId, HoldId
from chronos.ledger.expiring import KEYS_MAX, Expired, expiry_of, meaning_of
from chronos.ledger.service import Ledger
from chronos.wire.meaning import is_usable_key
from chronos.wire.receipt import Receipt, problem_receipt
from tests.builders import NOW, attempt, open_account
from tests.fakes import FakeJournal

IDS = SystemIds()


def expiry(number: int = 1, hold_id: str = "hold"):
    return expiry_of(HoldId(hold_id), number=number, principal="chronos", ids=IDS)


@pytest.fixture
def journal():
    return FakeJournal()


@pytest.fixture
async def ledger(journal):
    made = Ledger(journal, journal.bank)
    await made.execute(attempt(open_account("alice", kind=AccountKind.SETTLEMENT), "open"))
    place = PlaceHold(
        hold_id=HoldId("hold"),
        account_id=AccountId("alice"),
        amount=5,
        currency="EUR",
        expires_at=NOW + timedelta(hours=1),
        description=None,
        metadata={},
        expected_versions={},
    )
    assert (await made.execute(attempt(place, "place"))).status == 201
    return made


def pass_time(journal, **span: int) -> None:
    state = journal.bank.state
    journal.bank.state = replace(state, now=state.now + timedelta(**span))


async def test_a_due_hold_is_expired_by_the_first_and_replayed_by_the_second(journal, ledger):
    pass_time(journal, hours=2)

    assert meaning_of(await ledger.execute(expiry())) is Expired.EXPIRED
    assert meaning_of(await ledger.execute(expiry())) is Expired.REPLAYED
    assert meaning_of(await ledger.execute(expiry(2))) is Expired.FORESTALLED


async def test_what_is_sent_too_early_spends_its_key_and_not_the_next(journal, ledger):
    assert meaning_of(await ledger.execute(expiry())) is Expired.REFUSED
    pass_time(journal, hours=2)

    assert meaning_of(await ledger.execute(expiry())) is Expired.SPENT
    assert meaning_of(await ledger.execute(expiry(2))) is Expired.EXPIRED


async def test_a_hold_that_was_voided_is_forestalled_also_on_a_retry(journal, ledger):
    void = VoidHold(hold_id=HoldId("hold"), description=None, expected_versions={})
    await ledger.execute(attempt(void, "void"))
    pass_time(journal, hours=2)

    assert meaning_of(await ledger.execute(expiry())) is Expired.FORESTALLED
    assert meaning_of(await ledger.execute(expiry())) is Expired.FORESTALLED


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("idempotency_in_progress", Expired.BUSY),
        ("idempotency_key_reused", Expired.SPENT),
        ("hold_not_found", Expired.REFUSED),
    ],
)
def test_other_answers_are_told_apart(code, meaning):
    receipt = problem_receipt(code, "A test.", instance="/", request_id="req_1")

    assert meaning_of(receipt) is meaning
    assert meaning_of(Receipt(status=200, body=receipt.body)) is Expired.EXPIRED


def test_no_two_holds_have_a_key_in_common_and_each_is_usable():
    ids = ("a", "a:2", "a.2", "a-2", "A", "x" * 64)
    keys = [
        expiry(number, hold_id).idempotency_key
        for hold_id in ids
        for number in range(1, KEYS_MAX + 1)
    ]

    assert len(set(keys)) == len(keys)
    assert all(is_usable_key(key) for key in keys)
    assert expiry(1, "a").idempotency_key == "expire:a"


def test_a_retry_means_the_same_and_another_hold_does_not():
    assert expiry(1).request_hash == expiry(2).request_hash
    assert expiry(1).request_hash != expiry(1, "other").request_hash
    assert expiry(1).traceparent != expiry(1).traceparent
    assert expiry().instance == "/internal/holds/hold/expire"
