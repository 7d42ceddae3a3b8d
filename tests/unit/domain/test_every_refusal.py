"""Every code for which the core refuses is there for a reason: one example of each."""

from dataclasses import replace

import pytest

from chronos.domain.account import HOLDS_MAX, AccountStatus
from chronos.domain.decide import decide
from chronos.domain.money import AMOUNT_MAX
from chronos.domain.rejections import Rejected
from chronos.domain.rejections import RejectionCode as Code
from chronos.domain.states import HoldStatus
from chronos.wire.problems import PROBLEMS
from tests.builders import account, open_account, states, transfer
from tests.commands import (
    capture,
    close,
    entries,
    exchange,
    hold_state,
    journal_entry,
    place,
    reverse,
    unfreeze,
    void,
)

ALICE, BOB = account(booked=500), account("bob")
YUKI = account("yuki", currency="JPY")
BOTH = states(ALICE, BOB)
HOLD = {"hld_1": hold_state()}
HELD = replace(ALICE, held=100, open_holds=1)
EXTERNAL = {"crm-1": "bob"}
REVERSED = {"trf_1": journal_entry(("alice", -1), ("bob", 1), reversed_by="rev_0")}
REVERSAL = {"trf_1": journal_entry(("alice", -1), ("bob", 1), reverses="trf_0")}

EXAMPLES = {
    Code.ACCOUNT_CLOSED: (states(replace(ALICE, status=AccountStatus.CLOSED)), close()),
    Code.ACCOUNT_EXISTS: (BOTH, open_account()),
    Code.ACCOUNT_FROZEN: (
        states(replace(ALICE, status=AccountStatus.FROZEN_ALL), BOB),
        transfer(),
    ),
    Code.ACCOUNT_NOT_FOUND: (BOTH, transfer("nobody")),
    Code.ACCOUNT_NOT_FROZEN: (BOTH, unfreeze()),
    Code.ALREADY_REVERSED: (states(ALICE, BOB, entries=REVERSED), reverse()),
    Code.BALANCE_LIMIT: (states(ALICE, replace(BOB, booked=AMOUNT_MAX)), transfer()),
    Code.BALANCE_NOT_ZERO: (BOTH, close()),
    Code.CAPTURE_EXCEEDS_HOLD: (states(HELD, BOB, holds=HOLD), capture(amount=101)),
    Code.CURRENCY_MISMATCH: (BOTH, transfer(currency="USD")),
    Code.DATE_INVALID: (BOTH, transfer(value_date=ALICE.opened_on.replace(year=1999))),
    Code.EXTERNAL_ID_EXISTS: (
        states(external_ids=EXTERNAL),
        open_account(external_id="crm-1"),
    ),
    Code.HOLDS_OPEN: (states(HELD), close()),
    Code.HOLD_EXISTS: (states(HELD, holds=HOLD), place()),
    Code.HOLD_NOT_FOUND: (BOTH, void()),
    Code.HOLD_NOT_OPEN: (
        states(ALICE, holds={"hld_1": hold_state(status=HoldStatus.VOIDED)}),
        void(),
    ),
    Code.INSUFFICIENT_FUNDS: (BOTH, transfer(amount=501)),
    Code.NOT_REVERSIBLE: (states(ALICE, BOB, entries=REVERSAL), reverse()),
    Code.POSITION_ACCOUNT_MISSING: (states(ALICE, YUKI), exchange()),
    Code.SAME_ACCOUNT: (BOTH, transfer("alice", "alice")),
    Code.TOO_MANY_HOLDS: (states(replace(ALICE, open_holds=HOLDS_MAX)), place()),
    Code.TRANSFER_EXISTS: (states(ALICE, BOB, transfers={"trf_1"}), transfer()),
    Code.TRANSFER_NOT_FOUND: (BOTH, reverse()),
    Code.UNBALANCED: (BOTH, entries(("alice", 1), ("bob", 1))),
    Code.VERSION_CONFLICT: (BOTH, transfer(expected_versions={"bob": 2})),
}


def test_every_code_has_an_example():
    assert set(EXAMPLES) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_the_core_refuses_with_this_code(code):
    world, command = EXAMPLES[code]

    outcome = decide(world, command)

    assert isinstance(outcome, Rejected)
    assert outcome.code is code


@pytest.mark.parametrize("code", Code)
def test_a_refusal_says_in_a_sentence_what_led_to_it(code):
    detail = decide(*EXAMPLES[code]).detail

    assert detail[0].isupper()
    assert detail.endswith(".")


@pytest.mark.parametrize("code", Code)
def test_every_code_has_its_problem(code):
    assert 400 <= PROBLEMS[code.value].status < 500
