"""The story at the counter: its own addition is sound, and a bank that errs is found out."""

from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace

from chronos.client.answers import Problem
from chronos.client.refusals import Refused
from chronos.clock import SystemClock
from chronos.demo.counter import CounterRun
from chronos.demo.script import SETTLEMENT


class Bank:
    """Grants what the story asks, and keeps the guest's balance; a fault can be planted."""

    def __init__(self, *, obeys_freeze: bool = True, miscounts: int = 0):
        self.accounts = self.transfers = self.holds = self
        self.booked: Counter[str] = Counter()
        self.held: dict[str, int] = {}
        self.frozen = False
        self.obeys_freeze = obeys_freeze
        self.miscounts = miscounts
        self.payments: dict[str, tuple[str, str, int]] = {}

    async def open(self, *_, **__):
        return None

    async def make(self, source, destination, *, amount, **_):
        if self.frozen and source == "guest" and self.obeys_freeze:
            raise Refused(Problem(status=409, code="account_frozen"))
        return self._move(source, destination, amount)

    async def reverse(self, transfer_id, **_):
        source, destination, amount = self.payments[transfer_id]
        return self._move(destination, source, amount)

    async def exchange(self, source, *_, sell_amount, sell_position, **__):
        return self._move(source, sell_position, sell_amount)

    async def place(self, account, *, id, amount, **_):  # noqa: A002 - the client's own name
        self.held[id] = amount
        return self._receipt(account)

    async def capture(self, hold_id, destination, *, amount, **_):
        del self.held[hold_id]
        return self._move("guest", destination, amount)

    async def freeze(self, *_, **__):
        self.frozen = True

    async def unfreeze(self, *_, **__):
        self.frozen = False

    async def read(self, name):
        if name in self.held:
            del self.held[name]
            return SimpleNamespace(status="expired")
        return SimpleNamespace(held=sum(self.held.values()))

    def statement(self, *_, **__):
        async def page():
            return None

        return SimpleNamespace(page=page)

    def _move(self, source, destination, amount):
        self.booked[source] -= amount + self.miscounts
        self.booked[destination] += amount
        name = f"trf_{len(self.payments)}"
        self.payments[name] = (source, destination, amount)
        return self._receipt("guest", name)

    def _receipt(self, account, name=""):
        booked = self.booked[account]
        held = sum(self.held.values())
        touched = SimpleNamespace(booked=booked, available=booked - held)
        return SimpleNamespace(id=name, accounts={account: touched})


class LateClock(SystemClock):
    def now(self):
        return datetime(2026, 1, 31, tzinfo=UTC)


async def play(bank: Bank):
    run = CounterRun(bank, clock=LateClock(), suffix="", seed=1)  # type: ignore[arg-type]  # a bank in memory
    return await run.play()


async def test_a_faithful_bank_surprises_nobody():
    bank = Bank()

    told = await play(bank)

    assert told.surprises == []
    assert len(told.sentences) == 8
    assert told.expected["guest"] == bank.booked["guest"] == 66_000
    assert told.expected[SETTLEMENT] == -100_000
    euros = [name for name in told.expected if name not in ("guest.yen", "position.jpy")]
    assert sum(told.expected[name] for name in euros) == 0


async def test_a_frozen_account_that_pays_is_found():
    told = await play(Bank(obeys_freeze=False))

    assert "a frozen account paid" in told.surprises


async def test_a_bank_that_miscounts_is_found():
    told = await play(Bank(miscounts=1))

    assert any("the story says" in surprise for surprise in told.surprises)
