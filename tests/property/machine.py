"""The machine that tries to make the bank and the dictionaries disagree.

Each rule makes one command, or takes records to the read model in the order, and as often, as
Kafka may bring them. After every step the journal so far is folded in every way that there is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, precondition, rule

from chronos.domain.account import FreezeScope
from chronos.domain.chart import AccountKind
from tests import builders
from tests import commands as plain
from tests.property.driver import Several, Single
from tests.property.examples import (
    AMOUNT,
    CURRENCIES,
    EYE,
    LIMIT,
    MANNER,
    METADATA,
    NEW_LIMIT,
    PLAIN,
    PORTION,
    POSTINGS,
    SEAT,
    SHAPELESS,
    rarely,
)
from tests.property.hands import Hands
from tests.property.teller import REUSED
from tests.property.witness import PARTITIONS

KIND = st.sampled_from([AccountKind.CUSTOMER] * 3 + [*AccountKind])


class Commands(Hands):
    """One rule for each command, and rules that put them wrongly."""

    accounts = Bundle("accounts")
    entries = Bundle("entries")
    holds = Bundle("holds")

    @initialize(target=accounts, has_positions=st.sampled_from([True, True, True, False]))
    def begin(self, has_positions: bool) -> Any:
        """In each currency a settlement account, and a customer with money."""
        names = []
        for currency in CURRENCIES:
            kinds = [AccountKind.SETTLEMENT, AccountKind.CUSTOMER]
            if has_positions:
                kinds.append(AccountKind.POSITION)
            made = [self.fresh(f"{kind.value}-") for kind in kinds]
            for name, kind in zip(made, kinds, strict=True):
                self.command(builders.open_account(name, currency=currency, kind=kind))
            bank, customer, *_ = made
            self.transfer(bank, customer, 1000)
            names += made
        return multiple(*names)

    def transfer(
        self, source: str, destination: str, amount: int, manner: Any = PLAIN, **changes: Any
    ) -> str:
        command = builders.transfer(
            source,
            destination,
            amount,
            transfer_id=self.entry_id(manner),
            currency=changes.get("currency", self.currency(source)),
            external_id=manner.description,
            **self.so(manner, source),
        )
        self.command(command)
        return self.kept(command.transfer_id, self.imagined.entries)

    @rule(
        target=accounts,
        currency=st.sampled_from(CURRENCIES),
        kind=KIND,
        limit=LIMIT,
        names=st.tuples(rarely(0, 1, 2), rarely(1, 2)),
        days=st.sampled_from([None, None, None, 0, -30, -3653, -3654, 1]),
        metadata=METADATA,
    )
    def open_account(self, *, currency, kind, limit, names, days, metadata):
        again, external = names
        name = self.name_for("account", again)
        command = builders.open_account(
            name,
            currency=currency,
            kind=kind,
            overdraft_limit=limit,
            external_id=None if external is None else self.driver.own(f"ext-{external}"),
            metadata=metadata,
            opened_on=self.day(days),
        )
        self.command(command)
        return self.kept(name, self.imagined.accounts)

    @rule(name=accounts, eye=EYE, limit=NEW_LIMIT, manner=MANNER)
    def set_limit(self, name, eye, limit, manner):
        name = self.seen(name, eye)
        limit = self.limit(limit, name)
        self.command(plain.set_limit(name, limit, **self.verb(manner, name)))

    @rule(
        name=accounts,
        verb=st.sampled_from(
            [
                partial(plain.freeze, scope=FreezeScope.ALL),
                partial(plain.freeze, scope=FreezeScope.DEBITS),
                plain.unfreeze,
                plain.unfreeze,
                plain.close,
                partial(plain.annotate, metadata={"tier": "gold"}),
                partial(plain.annotate, metadata={}),
            ]
        ),
        eye=EYE,
        manner=MANNER,
        nobody=rarely(True),
    )
    def administer(self, *, name, verb, eye, manner, nobody):
        """Freezes, unfreezes, closes, annotates."""
        name = self.driver.own("nobody") if nobody else self.seen(name, eye)
        self.command(verb(name, **self.verb(manner, name)))

    @rule(target=entries, source=accounts, eye=EYE, seat=SEAT, amount=AMOUNT, manner=MANNER)
    def pay(self, source, eye, seat, amount, manner):
        source = self.seen(source, eye)
        destination = self.partner(source, seat)
        paid = self.amount(amount, source, destination)
        return self.transfer(source, destination, paid, manner)

    @rule(
        target=entries,
        source=accounts,
        seat=SEAT,
        wrong=st.sampled_from(["self", "currency", "destination", "source"]),
    )
    def pay_wrongly(self, source, seat, wrong):
        destination, nobody = self.partner(source, seat), self.driver.own("nobody")
        match wrong:
            case "self":
                return self.transfer(source, source, 1)
            case "currency":
                currency = self.other_currency(source)
                return self.transfer(source, destination, 1, currency=currency)
            case "destination":
                return self.transfer(source, nobody, 1)
            case _:
                return self.transfer(nobody, destination, 1)

    @precondition(lambda self: self.driver.has_shapes)
    @rule(source=accounts, seat=SEAT, amount=st.sampled_from(SHAPELESS))
    def pay_an_amount_that_is_none(self, source, seat, amount):
        """Such a request is not decided: nothing is kept under its key."""
        command = builders.transfer(
            source, self.partner(source, seat), amount, currency=self.currency(source)
        )
        answer = self.send_again(Single(self.fresh("key-"), command))
        code = "amount_too_large" if amount > 0 else "amount_not_positive"
        assert (answer.status, answer.code) == (422, code)

    @rule(
        target=entries,
        first=accounts,
        postings=POSTINGS,
        excess=rarely(1, -1),
        twice=rarely(True),
        manner=MANNER,
    )
    def post_entries(self, first, postings, excess, twice, manner):
        """The first account takes what makes the sum zero, or one unit more or less."""
        lines: list[tuple[str, int]] = []
        for seat, amount in postings:
            named = [name for name, _ in lines]
            name = self.partner(first, seat, *named)
            if twice or name not in named:
                lines.append((name, amount or 1))
        rest = -sum(amount for _, amount in lines) + (excess or 0)
        command = plain.entries(
            (first, rest or 1),
            *lines,
            transfer_id=self.entry_id(manner),
            currency=self.currency(first),
            **self.so(manner, first),
        )
        self.command(command)
        return self.kept(command.transfer_id, self.imagined.entries)

    @rule(
        target=entries,
        source=accounts,
        seat=SEAT,
        amounts=st.tuples(AMOUNT, AMOUNT),
        believed=rarely(("EUR", "JPY"), ("JPY", "EUR")),
        at_home=rarely(True),
        manner=MANNER,
    )
    def exchange(self, *, source, seat, amounts, believed, at_home, manner):
        destination = self.seated(seat)
        if not at_home:
            source = self.client(source, seat)
            destination = self.client(self.abroad(source, seat), seat)
        sell, buy = amounts
        position = self.imagined.position_account(self.currency(destination))
        sold, bought = believed or (None, None)
        command = plain.exchange(
            source,
            destination,
            self.amount(sell, source),
            self.amount(buy, position, destination),
            transfer_id=self.entry_id(manner),
            sell_currency=sold,
            buy_currency=bought,
            **self.so(manner, source),
        )
        self.command(command)
        return self.kept(command.transfer_id, self.imagined.entries)

    @rule(target=entries, reversed_id=entries, manner=MANNER, nothing=rarely(True))
    def reverse(self, reversed_id, manner, nothing):
        reversed_id = self.driver.own("nothing") if nothing else reversed_id
        known = self.imagined.entries.get(reversed_id)
        touched = None if known is None else known["postings"][0][0]
        name = self.entry_id(manner)
        self.command(plain.reverse(reversed_id, transfer_id=name, **self.so(manner, touched)))
        return self.kept(name, self.imagined.entries)

    @rule(
        target=holds,
        name=accounts,
        eye=EYE,
        amount=AMOUNT,
        minutes=st.sampled_from([None, None, 1, 60, 60, -1]),
        has_currency=rarely(False),
        manner=MANNER,
    )
    def place_hold(self, *, name, eye, amount, minutes, has_currency, manner):
        name = self.seen(name, eye)
        other = self.other_currency(name)
        command = plain.place(
            name,
            self.amount(amount, name),
            hold_id=self.name_for("hold", manner.taken_id),
            currency=other if has_currency is False else self.currency(name),
            expires_at=self.instant(minutes),
            description=manner.description,
            expected_versions=self.believed(manner, name),
        )
        self.command(command)
        return self.kept(command.hold_id, self.imagined.holds)

    @rule(
        target=entries,
        hold_id=holds,
        seat=SEAT,
        portion=PORTION,
        wrong=rarely("hold", "payer", "currency", "ended"),
        late=rarely(True),
        manner=MANNER,
    )
    def capture_hold(self, *, hold_id, seat, portion, wrong, late, manner):
        if wrong != "ended":
            hold_id = self.open_hold(hold_id, seat)
        if late and self.driver.has_own_clock:
            self.wait_for_end_of(hold_id)
        hold = self.imagined.holds.get(hold_id, {"account": self.seated(0), "amount": 2})
        payer = hold["account"]
        match wrong:
            case "currency":
                destination = self.abroad(payer, seat)
            case "payer":
                destination = payer
            case _:
                destination = self.partner(payer, seat)
        command = plain.capture(
            self.driver.own("no-hold") if wrong == "hold" else hold_id,
            destination,
            amount=self.portion(portion, hold["amount"]),
            transfer_id=self.entry_id(manner),
            external_id=manner.description,
            **self.so(manner, payer),
        )
        self.command(command)
        return self.kept(command.transfer_id, self.imagined.entries)

    @rule(hold_id=holds, seat=SEAT, ended=rarely(True), manner=MANNER)
    def void_hold(self, hold_id, seat, ended, manner):
        hold_id = hold_id if ended else self.open_hold(hold_id, seat)
        name = self.imagined.holds.get(hold_id, {}).get("account")
        so = {
            "description": manner.description,
            "expected_versions": self.believed(manner, name),
        }
        self.command(plain.void(hold_id, **so))

    @precondition(lambda self: self.driver.has_own_clock)
    @rule(hold_id=holds, seat=SEAT, waits=st.booleans())
    def expire_hold(self, hold_id, seat, waits):
        hold_id = self.open_hold(hold_id, seat)
        if waits:
            self.wait_for_end_of(hold_id)
        self.command(plain.expire(hold_id))

    @precondition(lambda self: self.driver.has_own_clock)
    @rule(minutes=st.sampled_from([1, 59, 60, 60 * 24, 60 * 24 * 400]))
    def time_passes(self, minutes):
        self.flush()
        self.driver.move_clock(timedelta(minutes=minutes))


class Keys(Commands):
    """Batches, retries and dry runs."""

    @precondition(lambda self: self.basket is None)
    @rule(size=st.integers(1, 5), is_atomic=st.booleans())
    def begin_batch(self, size, is_atomic):
        self.begin_basket(size, is_atomic=is_atomic)

    @precondition(lambda self: not self.queue)
    @rule(size=st.integers(2, 4))
    def share_a_transaction(self, size):
        self.queue_size = size

    @precondition(lambda self: self.basket is not None and self.done_items)
    @rule(data=st.data(), is_same=st.booleans())
    def put_a_known_item_into_the_batch(self, data, is_same):
        key = data.draw(st.sampled_from([*self.done_items]))
        item, _ = self.done_items[key]
        other = builders.open_account(self.fresh("acc-"))
        self.command(item.command if is_same else other, key)

    @precondition(lambda self: self.basket is not None)
    @rule(data=st.data())
    def put_a_used_key_into_the_batch(self, data):
        key = data.draw(st.sampled_from([*self.done]))
        self.command(builders.open_account(self.fresh("acc-")), key)

    @rule(data=st.data())
    def retry_same(self, data):
        request, answer = self.done[data.draw(st.sampled_from([*self.done]))]
        assert self.send_again(request) == replace(answer, replayed=True)

    @rule(data=st.data())
    def retry_other_body(self, data):
        request, _ = self.done[data.draw(st.sampled_from([*self.done]))]
        if isinstance(request, Several):
            other = replace(request, is_atomic=not request.is_atomic)
        else:
            other = replace(request, command=builders.open_account(self.fresh("acc-")))
        answer = self.send_again(other)
        assert (answer.status, answer.code) == (422, REUSED)


class Bank(Keys):
    """The whole machine: what the bank decides, and what becomes of its records."""

    @rule(partition=st.integers(0, PARTITIONS - 1), count=st.integers(1, 20))
    def deliver(self, partition, count):
        self.projector.deliver(partition, count)

    @rule(partition=st.integers(0, PARTITIONS - 1), at=SEAT, count=st.integers(1, 4))
    def deliver_stale(self, partition, at, count):
        self.deliver_taken(self.projector.taken(partition)[at : at + count])

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def deliver_duplicate(self, partition):
        self.deliver_taken(self.projector.taken(partition)[-1:])

    def deliver_taken(self, rows):
        before = dict(self.projector.table)
        for row in rows:
            self.projector.apply(row)
        assert self.projector.table == before

    @rule()
    def save_projector(self):
        self.projector.save()

    @rule(keeps_table=st.booleans())
    def crash_projector(self, keeps_table):
        self.projector.crash(keeps_table=keeps_table)
        self.projector.deliver_all()
        assert self.projector.table == self.witness.table()

    @rule()
    def rebuild(self):
        self.projector.rebuild()
        assert self.projector.table == self.witness.table()

    @precondition(lambda self: not self.queue)
    @invariant()
    def money_is_neither_made_nor_lost(self):
        for currency in CURRENCIES:
            kept = [a for a in self.model.accounts.values() if a["currency"] == currency]
            assert sum(account["booked"] for account in kept) == 0

    @precondition(lambda self: not self.queue)
    @invariant()
    def the_folds_agree_with_the_model(self):
        assert self.witness.states.keys() == self.model.accounts.keys()
        for name, account in self.model.accounts.items():
            state, balance = self.witness.states[name], self.witness.balances[name]
            assert self.witness.agrees(name)
            assert self.model.balances(name) == {
                "version": state.version,
                "booked": state.booked,
                "held": state.held,
                "available": state.available,
            }
            assert (state.overdraft_limit, state.status.label, state.opened_on) == (
                account["limit"],
                account["status"],
                account["opened_on"],
            )
            assert (balance.external_id, balance.metadata) == (
                account["external_id"],
                account["metadata"],
            )
            assert self.witness.open_holds(name) == self.model.open_holds(name)

    @precondition(lambda self: not self.queue)
    @invariant()
    def nobody_spends_what_is_not_available(self):
        for name, account in self.model.accounts.items():
            if account["limit"] is not None:
                assert self.model.available(name) >= 0

    def teardown(self):
        self.flush()
        self.driver.close()
