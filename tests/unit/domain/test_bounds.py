"""The bounds of balances: no end of a hold takes available out of the safe integers."""

from chronos.domain.decide import decide
from chronos.domain.money import AMOUNT_MAX, balances_fit
from chronos.domain.rejections import Rejected, RejectionCode
from tests.builders import account, states, transfer


def test_a_deposit_counts_what_open_holds_will_free():
    """Available after the deposit is within bounds, and would not be when the hold ends."""
    bank = account("bank", booked=0, overdraft_limit=None)
    full = account("bob", booked=200, held=200, open_holds=1, overdraft_limit=AMOUNT_MAX - 200)

    outcome = decide(states(bank, full), transfer("bank", "bob", 100))

    assert isinstance(outcome, Rejected)
    assert outcome.code is RejectionCode.BALANCE_LIMIT


def test_the_bounds_themselves_fit():
    assert balances_fit(AMOUNT_MAX, AMOUNT_MAX, 0)
    assert balances_fit(-AMOUNT_MAX, 0, None)
    assert balances_fit(0, AMOUNT_MAX, None)
    assert not balances_fit(0, AMOUNT_MAX + 1, None)
    assert not balances_fit(1, 0, AMOUNT_MAX)
    assert not balances_fit(AMOUNT_MAX + 1, 0, 0)
