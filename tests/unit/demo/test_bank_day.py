"""The player of the script: it counts what was promised and says what was not."""

import asyncio
from collections import Counter
from datetime import date

from chronos.client.answers import Problem
from chronos.client.receipts import BatchResult, Executed, Opened, Transferred
from chronos.client.refusals import Refused
from chronos.clock import SystemClock
from chronos.demo.bank_day import BankDayRun
from chronos.demo.script import Phase, write_day

DAY = write_day(seed=1, transfers=100)
TODAY = date(2026, 1, 31)


class Bank:
    """Keeps balances and keys in memory; a fault can be planted in it."""

    attempts_repeated = 0

    def __init__(self, *, honours_keys: bool = True, checks_funds: bool = True):
        self.balances: Counter[str] = Counter()
        self.kinds: dict[str, str] = {}
        self.booked: dict[str, Transferred] = {}
        self.accounts = self.transfers = self.batches = self
        self.honours_keys = honours_keys
        self.checks_funds = checks_funds

    async def open(self, *, currency, account_id, kind, **_) -> Opened:
        self.kinds[account_id] = kind
        return Opened(
            id=account_id,
            currency=currency,
            kind=kind,
            status="open",
            overdraft_limit=0,
            external_id=None,
            metadata={},
            opened_at="",
            opened_on=TODAY,
            version=1,
            booked=0,
            held=0,
            available=0,
            position=1,
            accounts={},
        )

    async def make(self, source, destination, *, amount, currency, key, **_):
        await asyncio.sleep(0)
        if self.honours_keys and key in self.booked:
            return self.booked[key]
        is_short = self.balances[source] < amount and self.kinds[source] == "customer"
        if is_short and self.checks_funds:
            raise Refused(Problem(status=409, code="insufficient_funds"))
        self.balances[source] -= amount
        self.balances[destination] += amount
        receipt = {
            "id": f"trf_{len(self.booked)}",
            "status": "booked",
            "position": 1,
            "recorded_at": "",
            "source": source,
            "destination": destination,
            "amount": amount,
            "currency": currency,
            "value_date": TODAY,
            "external_id": None,
            "description": None,
            "metadata": {},
            "reverses": None,
            "accounts": {},
        }
        self.booked[key] = Transferred(**receipt, replayed=True)
        return Transferred(**receipt)

    async def run(self, commands, **_):
        results = []
        for item in commands:
            receipt = await self.make(
                item.source,
                item.destination,
                amount=item.amount,
                currency=item.currency,
                key=item.idempotency_key,
            )
            results.append(
                BatchResult(
                    status=201, replayed=False, location=None, receipt=receipt, refusal=None
                )
            )
        return Executed(
            atomic=False, results=tuple(results), position=1, accounts={}, replayed=False
        )


async def play(bank: Bank):
    seen: Counter[Phase] = Counter()
    run = BankDayRun(DAY, bank, clock=SystemClock(), advance=lambda p, n: seen.update({p: n}))  # type: ignore[arg-type]  # a bank in memory
    return await run.play(), seen


async def test_a_faithful_bank_gives_what_the_script_expects():
    bank = Bank()

    outcome, seen = await play(bank)

    assert (outcome.booked, outcome.surprises) == (100, [])
    assert outcome.refused == len(DAY.payments[Phase.OVERDRAFT])
    assert outcome.replayed == len(DAY.retries)
    assert dict(bank.balances) == {k: v for k, v in DAY.expected.items() if k in bank.balances}
    assert seen[Phase.OPEN] == len(DAY.openings)


async def test_a_bank_that_books_a_retry_twice_is_found():
    outcome, _ = await play(Bank(honours_keys=False))

    assert outcome.surprises_total == len(DAY.retries)
    assert "was not answered with its receipt" in outcome.surprises[0]


async def test_a_bank_that_grants_an_overdraft_is_found():
    outcome, _ = await play(Bank(checks_funds=False))

    assert outcome.refused == 0
    assert any("booked beyond the funds" in sentence for sentence in outcome.surprises)
