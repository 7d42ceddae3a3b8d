"""The core against a dictionary: a state machine that tries to make the two disagree."""

import json
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from chronos.domain.chart import AccountKind
from chronos.domain.money import AMOUNT_MAX
from chronos.wire.balance import decode_balance, encode_balance, fold
from chronos.wire.codec import Recorded, decode_event, encode_event
from tests.builders import MemoryBank, attempt, open_account, transfer

AMOUNTS = st.one_of(
    st.integers(1, 200),
    st.sampled_from([1, 9, 10, 11, 999, 1000, 1001, AMOUNT_MAX - 1, AMOUNT_MAX]),
)
CURRENCIES = ("EUR", "JPY")


class Bank(RuleBasedStateMachine):
    """Books through the real core and the real codec; the model is a dict of whole numbers."""

    accounts = Bundle("accounts")
    finished = Bundle("finished")
    deliveries = Bundle("deliveries")

    def __init__(self):
        super().__init__()
        self.bank = MemoryBank.empty()
        self.booked: dict[str, int] = {}
        self.limits: dict[str, int | None] = {}
        self.currency: dict[str, str] = {}
        self.journal = []
        self.table: dict[str, bytes] = {}
        self.delivered = 0
        self.count = 0

    @initialize(target=accounts)
    def settle(self):
        names = []
        for currency in CURRENCIES:
            name = f"bank-{currency}"
            command = open_account(name, kind=AccountKind.SETTLEMENT, currency=currency)
            self._expect(command, 201)
            self._opened(name, currency, None)
            names.append(name)
        return multiple(*names)

    @rule(
        target=accounts,
        currency=st.sampled_from(CURRENCIES),
        limit=st.one_of(st.none(), st.just(0), AMOUNTS),
    )
    def open(self, currency, limit):
        name = f"acc-{len(self.booked)}"
        self._expect(open_account(name, currency=currency, overdraft_limit=limit), 201)
        self._opened(name, currency, limit or 0)
        return name

    @rule(name=accounts)
    def open_again(self, name):
        self._expect(open_account(name, currency=self.currency[name]), 409, "account_exists")

    @rule(
        target=finished,
        source=accounts,
        destination=accounts,
        amount=AMOUNTS,
        swap=st.booleans(),
    )
    def move(self, source, destination, amount, swap):
        currency = self.currency[source]
        if swap:
            currency = "JPY" if currency == "EUR" else "EUR"
        self.count += 1
        command = transfer(
            source, destination, amount, currency=currency, transfer_id=f"t-{self.count}"
        )
        code = self._foreseen(source, destination, amount, currency)
        status = {None: 201, "same_account": 422, "currency_mismatch": 422}.get(code, 409)
        key, receipt = self._expect(command, status, code)
        if code is None:
            self.booked[source] -= amount
            self.booked[destination] += amount
        return key, command, receipt

    @rule(done=finished)
    def retry(self, done):
        key, command, receipt = done
        booked = self.bank.book([attempt(command, key)])
        assert booked.receipts[0] == replace(receipt, replayed=True)
        assert not booked.event_rows

    @rule(done=finished)
    def retry_with_another_body(self, done):
        key, command, _ = done
        booked = self.bank.book([attempt(replace(command, description="other"), key)])
        assert booked.receipts[0].status == 422
        assert not booked.event_rows

    @rule(done=finished)
    def use_a_transfer_id_again(self, done):
        _, command, receipt = done
        self.count += 1
        booked = self.bank.book([attempt(command, f"again-{self.count}")])
        if receipt.status == 201:
            assert json.loads(booked.receipts[0].body)["code"] == "transfer_exists"
            assert not booked.event_rows
        else:
            self._take(booked)
            assert not booked.event_rows or booked.receipts[0].status == 201
            self._mirror(booked)

    @rule(target=deliveries)
    def deliver(self):
        """A consumer takes the next record of the journal."""
        if self.delivered == len(self.journal):
            return multiple()
        row = self.journal[self.delivered]
        self.delivered += 1
        self._apply(row)
        return row

    @rule(row=consumes(deliveries))
    def deliver_twice(self, row):
        before = dict(self.table)
        self._apply(row)
        assert self.table == before

    @invariant()
    def money_is_neither_made_nor_lost(self):
        for currency in CURRENCIES:
            assert sum(b for a, b in self.booked.items() if self.currency[a] == currency) == 0

    @invariant()
    def the_core_agrees_with_the_model(self):
        heads = self.bank.state.heads
        assert {a: h.state.booked for a, h in heads.items()} == self.booked

    @invariant()
    def nobody_is_below_the_limit(self):
        for name, limit in self.limits.items():
            assert limit is None or self.booked[name] >= -limit

    def teardown(self):
        """Folding the whole journal gives the live state, and bytes read back as written."""
        table = {}
        for row in self.journal:
            recorded = decode_event(row.body)
            assert encode_event(recorded) == row.body
            assert isinstance(recorded, Recorded)
            table[row.account_id] = fold(
                table.get(row.account_id), recorded, row.body, row.hash
            )
        assert {a: b.booked for a, b in table.items()} == self.booked

    def _apply(self, row):
        stored = self.table.get(row.account_id)
        before = None if stored is None else decode_balance(stored)
        if before is not None and row.version <= before.version:
            return
        after = fold(before, decode_event(row.body), row.body, row.hash)
        self.table[row.account_id] = encode_balance(after)

    def _opened(self, name, currency, limit):
        self.booked[name], self.limits[name], self.currency[name] = 0, limit, currency

    def _foreseen(self, source, destination, amount, currency):
        if source == destination:
            return "same_account"
        if {self.currency[source], self.currency[destination]} != {currency}:
            return "currency_mismatch"
        limit = self.limits[source]
        if limit is not None and amount > self.booked[source] + limit:
            return "insufficient_funds"
        if self.booked[source] - amount < -AMOUNT_MAX:
            return "balance_limit"
        # Available is a JSON number too, and the overdraft limit is part of it.
        if self.booked[destination] + (self.limits[destination] or 0) + amount > AMOUNT_MAX:
            return "balance_limit"
        return None

    def _expect(self, command, status, code=None):
        self.count += 1
        key = f"key-{self.count}"
        booked = self.bank.book([attempt(command, key)])
        (receipt,) = booked.receipts
        document = json.loads(receipt.body)
        assert (receipt.status, document.get("code")) == (status, code)
        self._take(booked)
        return key, receipt

    def _take(self, booked):
        self.journal.extend(booked.event_rows)

    def _mirror(self, booked):
        for row in booked.event_rows:
            self.booked[row.account_id] += row.amount


TestBank = Bank.TestCase
TestBank.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, print_blob=True
)
